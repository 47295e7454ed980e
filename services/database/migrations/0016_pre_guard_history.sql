-- What guard keeps of a judgement, and for how long people's notices are kept.

-- In which order change sets were judged: a number, as the clock of a rehearsal stands still. And the percent of each
-- kind that could change that night without being held.
ALTER TABLE judgements
    ADD COLUMN position bigint GENERATED ALWAYS AS IDENTITY,
    ADD COLUMN limits jsonb NOT NULL DEFAULT '{}';

-- The event that decided a set, so that what becomes of it later still names its cause.
ALTER TABLE holds ADD COLUMN decision_id text;

-- Absent for summers that were asked for before this was kept.
ALTER TABLE summer_pauses ADD COLUMN added_by text, ADD COLUMN added_at timestamptz;

-- Notices are forgotten in the end, by those who write them.
GRANT DELETE ON notices_told TO rollcall_scheduler;
GRANT DELETE ON notices_sent TO rollcall_notifier;
CREATE INDEX notices_told_by_age ON notices_told (noticed_at);
CREATE INDEX notices_sent_by_age ON notices_sent (received_at);
