-- Telling people: what was written for whom, and what has been sent.

DO $$
BEGIN
    CREATE ROLE rollcall_notifier NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- roles belong to the whole server: another database on it has made it
END $$;

-- Notices that the scheduler has written, each once: about pauses, lost connections and conflicts.
CREATE TABLE notices_told (
    notice_id text PRIMARY KEY,
    district text NOT NULL REFERENCES districts ON DELETE CASCADE,
    code text NOT NULL,
    subject_id text NOT NULL,
    text text NOT NULL,
    noticed_at timestamptz NOT NULL
);
CREATE INDEX notices_told_of_a_district ON notices_told (district, code, noticed_at DESC);

-- Who must be told of which notice, and who has been. What goes out together is a parcel: it is named before it is
-- sent, so that after a crash exactly the same one goes out again, under the same name.
CREATE TABLE notices_sent (
    notice_id text NOT NULL,
    recipient text NOT NULL,
    district text NOT NULL,
    code text NOT NULL,
    subject_id text NOT NULL,
    text text NOT NULL,
    noticed_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'sending', 'sent', 'given up')),
    parcel text,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    PRIMARY KEY (notice_id, recipient),
    CHECK ((state = 'due') = (parcel IS NULL)),
    CHECK ((state = 'sent') = (sent_at IS NOT NULL))
);
CREATE INDEX notices_to_send ON notices_sent (recipient, received_at) WHERE state IN ('due', 'sending');
CREATE INDEX notices_of_a_parcel ON notices_sent (parcel);

GRANT SELECT ON districts TO rollcall_notifier;
GRANT SELECT, INSERT, UPDATE ON notices_sent TO rollcall_notifier;
GRANT SELECT ON notices_told, notices_sent TO rollcall_operator;

GRANT SELECT, INSERT ON notices_told TO rollcall_scheduler;
GRANT SELECT ON closures, summer_pauses TO rollcall_scheduler;
GRANT SELECT (district, kind, state) ON activations TO rollcall_scheduler;
