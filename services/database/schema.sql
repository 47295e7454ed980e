-- The whole schema as all migrations together make it; a test holds the two equal. Change both in one commit.

-- The accounts database: who is rostered where, at which roster version, and what has been decided about it.
-- A kind's table has the kind's name: schools, teachers, students, classes, places.

CREATE TABLE districts (
    district text PRIMARY KEY CHECK (district ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name text NOT NULL CHECK (name <> ''),
    provider text NOT NULL CHECK (provider IN ('clever', 'classlink', 'oneroster', 'oneroster-csv')),
    url text NOT NULL CHECK (url <> ''),
    api_path text,
    credentials_file text,
    ca_file text,
    tenant_id text,
    page_size integer CHECK (page_size BETWEEN 1 AND 10000),
    timezone text NOT NULL,
    plan text NOT NULL CHECK (plan IN ('districts', 'enterprise-starter')),
    contact text,
    setting_up boolean NOT NULL DEFAULT false,
    registered_at timestamptz NOT NULL DEFAULT now()
);

-- What is applied: one row a district, moved on by one version with every applied change set.
CREATE TABLE rosters (
    district text PRIMARY KEY REFERENCES districts ON DELETE CASCADE,
    roster_version bigint NOT NULL DEFAULT 0 CHECK (roster_version >= 0),
    digest bytea NOT NULL DEFAULT '\x00000000000000000000000000000000' CHECK (length(digest) = 16),
    schools bigint NOT NULL DEFAULT 0 CHECK (schools >= 0),
    teachers bigint NOT NULL DEFAULT 0 CHECK (teachers >= 0),
    students bigint NOT NULL DEFAULT 0 CHECK (students >= 0),
    classes bigint NOT NULL DEFAULT 0 CHECK (classes >= 0),
    places bigint NOT NULL DEFAULT 0 CHECK (places >= 0),
    synced_at timestamptz
);

CREATE TABLE schools (
    district text NOT NULL REFERENCES rosters ON DELETE CASCADE,
    id text NOT NULL,
    name text NOT NULL,
    number text,
    digest bytea NOT NULL CHECK (length(digest) = 16),
    roster_version bigint NOT NULL,
    PRIMARY KEY (district, id)
);

CREATE TABLE teachers (
    district text NOT NULL REFERENCES rosters ON DELETE CASCADE,
    id text NOT NULL,
    email text,
    given text NOT NULL,
    family text NOT NULL,
    display_name text NOT NULL,
    schools text[] NOT NULL,
    number text,
    digest bytea NOT NULL CHECK (length(digest) = 16),
    roster_version bigint NOT NULL,
    PRIMARY KEY (district, id)
);

CREATE TABLE students (
    district text NOT NULL REFERENCES rosters ON DELETE CASCADE,
    id text NOT NULL,
    email text,
    given text NOT NULL,
    family text NOT NULL,
    display_name text NOT NULL,
    schools text[] NOT NULL,
    number text,
    grade text,
    birth_date text,
    digest bytea NOT NULL CHECK (length(digest) = 16),
    roster_version bigint NOT NULL,
    PRIMARY KEY (district, id)
);

CREATE TABLE classes (
    district text NOT NULL REFERENCES rosters ON DELETE CASCADE,
    id text NOT NULL,
    name text NOT NULL,
    school text NOT NULL,
    course text,
    grade text,
    subject text,
    digest bytea NOT NULL CHECK (length(digest) = 16),
    roster_version bigint NOT NULL,
    PRIMARY KEY (district, id)
);

-- One person's part in one class.
CREATE TABLE places (
    district text NOT NULL REFERENCES rosters ON DELETE CASCADE,
    class text NOT NULL,
    part text NOT NULL CHECK (part IN ('teacher', 'student')),
    person text NOT NULL,
    is_primary boolean NOT NULL DEFAULT false CHECK (part = 'teacher' OR NOT is_primary),
    PRIMARY KEY (district, class, part, person)
);
CREATE INDEX places_of_a_person ON places (district, person);

-- Every change set that took effect, once: (district, roster_version) and the change set are both unique (promise 6).
CREATE TABLE ledger (
    district text NOT NULL REFERENCES rosters ON DELETE CASCADE,
    roster_version bigint NOT NULL CHECK (roster_version >= 1),
    change_set text NOT NULL UNIQUE,
    sync_id text NOT NULL,
    approval jsonb NOT NULL,
    counts jsonb NOT NULL,
    proofs jsonb NOT NULL,
    defects jsonb NOT NULL,
    updates bigint NOT NULL,
    digest bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (district, roster_version)
);

-- What is to be published, written in the transaction that made it true. Columns as Debezium's outbox router reads them.
CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL,
    aggregatetype text NOT NULL,
    aggregateid text NOT NULL,
    type text NOT NULL,
    payload text NOT NULL,
    source text NOT NULL,
    subject text NOT NULL,
    time timestamptz NOT NULL DEFAULT now(),
    correlationid text,
    causationid text
);

-- One row a sync: what was asked, how far it is, how it ended.
CREATE TABLE nights (
    sync_id text PRIMARY KEY,
    district text NOT NULL REFERENCES districts ON DELETE CASCADE,
    reason text NOT NULL,
    state text NOT NULL CHECK (state IN
        ('requested', 'pulling', 'comparing', 'held', 'approved', 'applied', 'unchanged', 'rejected', 'superseded', 'failed')),
    requested_at timestamptz NOT NULL,
    pulling_at timestamptz,
    finished_at timestamptz,
    pulled jsonb NOT NULL DEFAULT '{}',
    snapshot_id text,
    change_set text,
    roster_version bigint,
    counts jsonb,
    reasons jsonb NOT NULL DEFAULT '[]',
    defects jsonb NOT NULL DEFAULT '{}',
    failure_code text,
    failure_text text,
    followed_by text
);
CREATE INDEX nights_of_a_district ON nights (district, requested_at DESC);

CREATE FUNCTION tell_night() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('nights', NEW.sync_id);
    RETURN NULL;
END $$;
CREATE TRIGGER tell_night AFTER INSERT OR UPDATE ON nights FOR EACH ROW EXECUTE FUNCTION tell_night();

-- How each change set was judged, so that it is routed in the same way however often it is delivered.
CREATE TABLE judgements (
    change_set text NOT NULL,
    snapshot_id text NOT NULL,
    district text NOT NULL REFERENCES districts ON DELETE CASCADE,
    verdict text NOT NULL CHECK (verdict IN ('pass', 'hold')),
    reasons jsonb NOT NULL DEFAULT '[]',
    counts jsonb NOT NULL,
    judged_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (change_set, snapshot_id)
);
CREATE INDEX judgements_of_a_district ON judgements (district, judged_at DESC);

-- Change sets that wait, or waited, for a person; the set itself is on roster.held between the two offsets.
CREATE TABLE holds (
    change_set text PRIMARY KEY,
    district text NOT NULL REFERENCES districts ON DELETE CASCADE,
    sync_id text NOT NULL,
    snapshot_id text NOT NULL,
    base_version bigint NOT NULL,
    counts jsonb NOT NULL,
    reasons jsonb NOT NULL,
    changes bigint NOT NULL,
    chunks bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('held', 'approved', 'released', 'rejected', 'superseded')),
    held_at timestamptz NOT NULL,
    held_partition integer NOT NULL,
    first_offset bigint NOT NULL,
    last_offset bigint NOT NULL,
    decided_by text,
    decision_reason text,
    decided_at timestamptz,
    superseded_by text
);
CREATE INDEX holds_of_a_district ON holds (district, held_at DESC);

-- Accounts of the product. Rostering reads them and never makes one (promise 8).
CREATE TABLE accounts (
    account_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Emails compare without case and surrounding space, never by anything cleverer.
CREATE TABLE account_emails (
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    email text NOT NULL,
    email_key text NOT NULL GENERATED ALWAYS AS (lower(btrim(email))) STORED,
    PRIMARY KEY (account_id, email_key)
);
CREATE INDEX account_emails_by_key ON account_emails (email_key);

-- Whose account each rostered person has. The roster version says up to where the roster was read.
CREATE TABLE activations (
    district text NOT NULL REFERENCES districts ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('teachers', 'students')),
    id text NOT NULL,
    email_key text,
    state text NOT NULL CHECK (state IN ('activated', 'required', 'conflict', 'deactivated')),
    account_id uuid REFERENCES accounts,
    roster_version bigint NOT NULL,
    PRIMARY KEY (district, kind, id),
    CHECK ((state = 'activated') = (account_id IS NOT NULL))
);
CREATE UNIQUE INDEX one_person_an_account_in_a_district ON activations (district, account_id) WHERE account_id IS NOT NULL;
CREATE INDEX activations_by_email ON activations (email_key);

-- Which dead letters have been dealt with. Kafka cannot delete a single record, so this is what keeps them off the list.
CREATE TABLE dead_letters_handled (
    partition integer NOT NULL CHECK (partition >= 0),
    offset_in_partition bigint NOT NULL CHECK (offset_in_partition >= 0),
    handled text NOT NULL CHECK (handled IN ('replayed', 'dropped')),
    handled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, offset_in_partition)
);

CREATE INDEX ledger_by_time ON ledger (district, applied_at DESC);

CREATE FUNCTION tell_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('outbox', '');
    RETURN NULL;
END $$;
CREATE TRIGGER tell_outbox AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION tell_outbox();

-- One role a worker, which may do what that worker is for and nothing else (promise 7).
-- Roles belong to the whole server: other databases on it may have made them already, even at this very moment.

DO $$
DECLARE
    worker text;
BEGIN
    FOREACH worker IN ARRAY ARRAY['rollcall_scheduler', 'rollcall_ingest', 'rollcall_diff', 'rollcall_guard',
                                  'rollcall_apply', 'rollcall_relay', 'rollcall_activation', 'rollcall_operator']
    LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', worker);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- it exists, which is all we want
        END;
    END LOOP;
END $$;

-- Everybody may see which districts there are and how the nights go; every worker says how far a night is.
GRANT SELECT ON districts, rosters, nights
    TO rollcall_scheduler, rollcall_ingest, rollcall_diff, rollcall_guard, rollcall_apply, rollcall_activation, rollcall_operator;
GRANT INSERT, UPDATE ON nights
    TO rollcall_scheduler, rollcall_ingest, rollcall_diff, rollcall_guard, rollcall_apply, rollcall_operator;

-- Whoever may ask for a sync does it through the outbox.
GRANT INSERT ON outbox TO rollcall_scheduler, rollcall_guard, rollcall_apply, rollcall_activation, rollcall_operator;
GRANT SELECT, DELETE ON outbox TO rollcall_relay;

GRANT SELECT ON schools, teachers, students, classes, places TO rollcall_diff, rollcall_activation, rollcall_operator;

GRANT SELECT, INSERT, UPDATE ON judgements, holds TO rollcall_guard;
GRANT SELECT ON ledger TO rollcall_guard, rollcall_operator;
GRANT SELECT ON judgements, holds TO rollcall_operator;

GRANT SELECT, INSERT, UPDATE, DELETE ON schools, teachers, students, classes, places TO rollcall_apply;
GRANT UPDATE ON rosters TO rollcall_apply;
GRANT UPDATE (setting_up) ON districts TO rollcall_apply;
GRANT SELECT, INSERT ON ledger TO rollcall_apply;

GRANT SELECT ON accounts, account_emails TO rollcall_activation;
GRANT SELECT, INSERT, UPDATE, DELETE ON activations TO rollcall_activation;

GRANT INSERT, UPDATE, DELETE ON districts TO rollcall_operator;
GRANT INSERT, DELETE ON rosters TO rollcall_operator;
GRANT SELECT, INSERT, UPDATE ON accounts, account_emails TO rollcall_operator;
GRANT SELECT ON activations TO rollcall_operator;
GRANT SELECT, INSERT, UPDATE ON dead_letters_handled TO rollcall_operator;

-- Roster versions of a district that was removed: registered again, it goes on counting, so that no version is ever
-- told twice to those who follow roster.updates.

CREATE TABLE retired_districts (
    district text PRIMARY KEY,
    roster_version bigint NOT NULL,
    retired_at timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT, INSERT, UPDATE ON retired_districts TO rollcall_operator;

-- Who was rostered in a removed district is deactivated by the updates that its removal publishes, so the rows stay
-- until then.
ALTER TABLE activations DROP CONSTRAINT activations_district_fkey;

-- What guard judges by beside the header: limits, expected changes, closures, who wants to look first; and what reviewers
-- decided.

-- A limit of a district's own. Below `floor` records of a kind the percentage does not count.
CREATE TABLE limits (
    district text NOT NULL REFERENCES districts ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('schools', 'teachers', 'students', 'classes', 'places')),
    percent integer NOT NULL CHECK (percent BETWEEN 0 AND 100),
    floor bigint NOT NULL DEFAULT 0 CHECK (floor >= 0),
    set_by text NOT NULL,
    set_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (district, kind)
);

-- A raised limit between two days, in the district's time zone, both included.
CREATE TABLE expected_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    district text NOT NULL REFERENCES districts ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('schools', 'teachers', 'students', 'classes', 'places')),
    percent integer NOT NULL CHECK (percent BETWEEN 0 AND 100),
    first_day date NOT NULL,
    last_day date NOT NULL CHECK (last_day >= first_day),
    reason text NOT NULL,
    added_by text NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now()
);

-- Days on which nothing is applied, both included; without a district they are the whole organisation's.
CREATE TABLE closures (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    district text REFERENCES districts ON DELETE CASCADE,
    name text NOT NULL CHECK (name <> ''),
    first_day date NOT NULL,
    last_day date NOT NULL CHECK (last_day >= first_day),
    added_by text NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now()
);

-- Districts that ask for a pause every summer, from one day to another ('06-15' to '08-10').
CREATE TABLE summer_pauses (
    district text PRIMARY KEY REFERENCES districts ON DELETE CASCADE,
    first_day text NOT NULL CHECK (first_day ~ '^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$'),
    last_day text NOT NULL CHECK (last_day ~ '^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$' AND last_day > first_day)
);

-- Districts whose next change set an operator wants to see first, whatever it is.
CREATE TABLE look_first (
    district text PRIMARY KEY REFERENCES districts ON DELETE CASCADE,
    asked_by text NOT NULL,
    reason text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now()
);

-- Who holds a set; its content apart from the roster version, by which a rejected one is known again; how many
-- reviewers must approve.
ALTER TABLE holds
    ADD COLUMN held_by text NOT NULL DEFAULT 'policy' CHECK (held_by IN ('policy', 'pause', 'operator')),
    ADD COLUMN content text,
    ADD COLUMN quiet boolean NOT NULL DEFAULT false,
    ADD COLUMN approvals_needed integer NOT NULL DEFAULT 1 CHECK (approvals_needed BETWEEN 1 AND 2),
    ADD COLUMN paused_until date;

-- Every decision about a held set, followed or refused, with what its reviewer saw.
CREATE TABLE reviews (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    district text NOT NULL REFERENCES districts ON DELETE CASCADE,
    change_set text NOT NULL,
    snapshot_id text NOT NULL,
    content text,
    decision text NOT NULL CHECK (decision IN ('approve', 'reject')),
    reviewer text NOT NULL,
    reason text NOT NULL,
    decided_at timestamptz NOT NULL,
    saw jsonb NOT NULL,
    UNIQUE (change_set, snapshot_id, reviewer, decision)
);
CREATE INDEX reviews_of_a_content ON reviews (district, content);

GRANT SELECT ON limits, expected_changes, closures, summer_pauses, look_first TO rollcall_guard, rollcall_operator;
GRANT INSERT, UPDATE, DELETE ON limits, expected_changes, closures, summer_pauses, look_first TO rollcall_operator;
GRANT DELETE ON look_first TO rollcall_guard;
GRANT SELECT, INSERT ON reviews TO rollcall_guard;
GRANT SELECT ON reviews TO rollcall_operator;

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

-- The review desk's own tables. It lives on the topics alone, as any other review tool would: a worker, desk-feed, fills
-- these tables from the topics, the pages read them, and the role of both has rights in this schema and nowhere else.
-- Every effect is keyed by what makes an event the event it is, so that a second delivery changes nothing.

CREATE SCHEMA desk;

-- One row a sync. Each topic fills in its own columns, in whatever order the topics are read.
CREATE TABLE desk.nights (
    district text NOT NULL,
    sync_id text NOT NULL,
    began_at timestamptz NOT NULL, -- the earliest moment that any event of this sync tells of
    snapshot_id text,
    provider text,
    snapshot_started_at timestamptz,
    pulled_at timestamptz,
    records jsonb,
    proofs jsonb,
    defects jsonb,
    aborted_at timestamptz,
    failure_code text,
    failure_text text,
    change_set text,
    base_version bigint,
    changes bigint,
    counts jsonb,
    compared_at timestamptz,
    roster_version bigint,
    updates bigint,
    totals jsonb,
    synced_at timestamptz,
    PRIMARY KEY (district, sync_id)
);
CREATE INDEX nights_by_time ON desk.nights (district, began_at DESC);

-- A change set as it is on roster.held. The same change set is held anew under another snapshot.
CREATE TABLE desk.held_sets (
    held_set bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    district text NOT NULL,
    change_set text NOT NULL,
    snapshot_id text NOT NULL,
    sync_id text NOT NULL,
    partition integer NOT NULL,
    first_offset bigint NOT NULL, -- of the header
    base_version bigint NOT NULL,
    changes bigint NOT NULL,
    chunks bigint NOT NULL,
    counts jsonb NOT NULL,
    reasons jsonb NOT NULL,
    proofs jsonb NOT NULL,
    defects jsonb NOT NULL,
    emptied_schools jsonb NOT NULL,
    renumbered jsonb NOT NULL,
    content text,
    held_by text NOT NULL,
    started_at timestamptz NOT NULL,
    held_at timestamptz NOT NULL, -- when guard wrote the header
    whole_at timestamptz, -- when every chunk was here; before that it is not to be reviewed
    state text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'released', 'rejected', 'superseded')),
    ended_at timestamptz,
    ended_by text, -- the reviewer; or 'policy', 'pause over'
    ended_reason text,
    superseded_by text,
    compared_with bigint, -- the district's whole set before this one, and what differs between the two
    differences jsonb,
    changes_deleted_at timestamptz,
    UNIQUE (change_set, snapshot_id)
);
CREATE INDEX held_sets_of_a_district ON desk.held_sets (district, held_set DESC);
CREATE INDEX held_sets_of_a_sync ON desk.held_sets (district, sync_id);

-- Which chunks are loaded: written in one transaction with the chunk's changes.
CREATE TABLE desk.held_chunks (
    held_set bigint NOT NULL REFERENCES desk.held_sets ON DELETE CASCADE,
    chunk integer NOT NULL CHECK (chunk >= 1),
    changes integer NOT NULL,
    PRIMARY KEY (held_set, chunk)
);

-- Every change of a held set, children's data: deleted 30 days after the set was decided or superseded.
CREATE TABLE desk.held_changes (
    held_set bigint NOT NULL REFERENCES desk.held_sets ON DELETE CASCADE,
    place bigint NOT NULL, -- its place in the set: chunk * 65536 + place in the chunk
    beside bigint NOT NULL, -- where it is shown: its own place, or that of the one it is the same as
    op text NOT NULL CHECK (op IN ('created', 'updated', 'removed')),
    kind text NOT NULL CHECK (kind IN ('schools', 'teachers', 'students', 'classes')),
    id text NOT NULL,
    title text, -- a school's or a class's name; nobody's
    schools text[] NOT NULL, -- those of before and after
    digest text, -- of the record as it is to be
    same_as text, -- renumbered: the id that leaves while this one comes, or the other way round
    before jsonb,
    record jsonb,
    PRIMARY KEY (held_set, place)
);
CREATE INDEX held_changes_in_order ON desk.held_changes (held_set, beside, place);
CREATE INDEX held_changes_by_kind ON desk.held_changes (held_set, kind, op, beside, place);

-- A whole set's changes by school.
CREATE TABLE desk.held_change_schools (
    held_set bigint NOT NULL REFERENCES desk.held_sets ON DELETE CASCADE,
    school text NOT NULL,
    place bigint NOT NULL,
    PRIMARY KEY (held_set, school, place)
);

-- How many of a whole set's changes there are in each school; the school '' is all of them. These stay.
CREATE TABLE desk.held_counts (
    held_set bigint NOT NULL REFERENCES desk.held_sets ON DELETE CASCADE,
    school text NOT NULL,
    kind text NOT NULL,
    op text NOT NULL,
    changes bigint NOT NULL,
    PRIMARY KEY (held_set, school, kind, op)
);

-- The names of schools, from roster.updates and from held changes.
CREATE TABLE desk.schools (
    district text NOT NULL,
    id text NOT NULL,
    name text NOT NULL,
    roster_version bigint NOT NULL,
    PRIMARY KEY (district, id)
);

-- Every decision on roster.decisions, whichever tool made it; those of the desk are written before they are published.
CREATE TABLE desk.decisions (
    event_id text PRIMARY KEY,
    district text NOT NULL,
    change_set text NOT NULL,
    decision text NOT NULL CHECK (decision IN ('approve', 'reject')),
    reviewer text NOT NULL,
    reason text NOT NULL,
    decided_at timestamptz NOT NULL,
    published boolean NOT NULL
);
CREATE INDEX decisions_of_a_set ON desk.decisions (change_set, decided_at);

-- Guard's refusals, by the decision that was refused.
CREATE TABLE desk.refusals (
    event_id text PRIMARY KEY,
    change_set text NOT NULL,
    decision text NOT NULL,
    reviewer text NOT NULL,
    text text NOT NULL,
    refused_at timestamptz NOT NULL
);
CREATE INDEX refusals_of_a_set ON desk.refusals (change_set, refused_at);

-- What districts' contacts were told.
CREATE TABLE desk.notices (
    district text NOT NULL,
    code text NOT NULL,
    subject_id text NOT NULL,
    text text NOT NULL,
    noticed_at timestamptz NOT NULL,
    PRIMARY KEY (district, code, subject_id)
);

-- Who looked at which names, and when. Nothing changes or removes a row.
CREATE TABLE desk.looks (
    look bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reviewer text NOT NULL CHECK (reviewer <> ''),
    change_set text NOT NULL,
    what text NOT NULL CHECK (what <> ''),
    looked_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX looks_at_a_set ON desk.looks (change_set, looked_at);

DO $$
BEGIN
    CREATE ROLE rollcall_desk NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- it exists, which is all we want
END $$;

GRANT USAGE ON SCHEMA desk TO rollcall_desk;
GRANT SELECT, INSERT, UPDATE ON desk.nights, desk.held_sets, desk.schools, desk.decisions, desk.refusals, desk.notices
    TO rollcall_desk;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON desk.held_chunks, desk.held_changes, desk.held_change_schools, desk.held_counts TO rollcall_desk;
GRANT SELECT, INSERT ON desk.looks TO rollcall_desk;

-- Who may sign in at the review desk; and what the desk is shown of the operators' registers. It has no right on the
-- tables behind these views, where addresses and credentials are.

CREATE TABLE desk.reviewers (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), -- new whenever the password is, which ends earlier sessions
    email text NOT NULL UNIQUE CHECK (email = lower(email) AND email LIKE '%@%'),
    name text NOT NULL CHECK (name <> ''),
    role text NOT NULL CHECK (role IN ('viewer', 'reviewer', 'operator')),
    password_hash text NOT NULL, -- argon2id
    added_at timestamptz NOT NULL DEFAULT now()
);

-- Tries to sign in, each written down before its password is looked at.
CREATE TABLE desk.sign_in_tries (
    email_digest text NOT NULL,
    address text NOT NULL,
    tried_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sign_in_tries_by_email ON desk.sign_in_tries (email_digest, tried_at);
CREATE INDEX sign_in_tries_by_address ON desk.sign_in_tries (address, tried_at);

CREATE VIEW desk.district_labels AS SELECT district, name, timezone FROM districts;
CREATE VIEW desk.closures AS SELECT district, name, first_day, last_day FROM closures;
CREATE VIEW desk.summer_pauses AS SELECT district, first_day, last_day FROM summer_pauses;
CREATE VIEW desk.expected_changes AS
    SELECT district, kind, percent, first_day, last_day, reason FROM expected_changes;

GRANT SELECT ON desk.reviewers, desk.district_labels, desk.closures, desk.summer_pauses, desk.expected_changes
    TO rollcall_desk;
GRANT SELECT, INSERT, DELETE ON desk.sign_in_tries TO rollcall_desk;
GRANT USAGE ON SCHEMA desk TO rollcall_operator;
GRANT SELECT, INSERT, UPDATE, DELETE ON desk.reviewers TO rollcall_operator;

-- How guard remembers a judgement in a pause or after a rejection, and which reviews decided a set.

ALTER TABLE judgements
    ADD COLUMN held_by text CHECK (held_by IN ('policy', 'pause', 'operator')),
    ADD COLUMN quiet boolean NOT NULL DEFAULT false,
    ADD COLUMN paused_until date;
UPDATE judgements SET held_by = 'policy' WHERE verdict = 'hold';

-- The first of two approvals decides nothing yet.
ALTER TABLE reviews ADD COLUMN decisive boolean NOT NULL DEFAULT true;

-- What waits for the end of a pause.
CREATE INDEX holds_in_a_pause ON holds (held_partition)
    WHERE paused_until IS NOT NULL AND state IN ('held', 'approved');

-- Whether the offices close at Thanksgiving and over the winter, which pauses every district. An organisation with
-- another calendar switches that off and adds its own closures.

CREATE TABLE office_calendar (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    observed boolean NOT NULL DEFAULT true
);
INSERT INTO office_calendar DEFAULT VALUES;

CREATE VIEW desk.office_calendar AS SELECT observed FROM office_calendar;

GRANT SELECT ON office_calendar TO rollcall_guard, rollcall_scheduler, rollcall_operator;
GRANT UPDATE (observed) ON office_calendar TO rollcall_operator;
GRANT SELECT ON desk.office_calendar TO rollcall_desk;

-- Accounts as the product has them, and the district's own name for the person behind each.

DO $$
DECLARE
    worker text;
BEGIN
    -- `product` acts for signed-in people in their classes; `sign_in` is the only role that makes accounts for rostered
    -- people, when they ask for one.
    FOREACH worker IN ARRAY ARRAY['rollcall_product', 'rollcall_sign_in']
    LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', worker);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- it exists, which is all we want
        END;
    END LOOP;
END $$;

ALTER TABLE accounts
    ADD COLUMN display_name text CHECK (display_name <> ''),
    ADD COLUMN password_hash text, -- argon2id; none for those who sign in elsewhere
    ADD COLUMN permissions text NOT NULL DEFAULT 'full' CHECK (permissions IN ('full', 'limited')); -- limited: under 13

-- The person an account belongs to, as the provider names them: Clever ids are unique everywhere (tenant ''), ClassLink's
-- only within a tenant, any other OneRoster server's only within the district. Ids compare byte for byte.
-- It stays when the person leaves, with what tells them from a later person of the same email.
CREATE TABLE identities (
    provider text NOT NULL CHECK (provider IN ('clever', 'classlink', 'oneroster')),
    tenant text NOT NULL COLLATE "C",
    subject text NOT NULL COLLATE "C" CHECK (subject <> ''),
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    -- How we know: the email agreed by itself; the person signed in; a reviewer said so; it came with the account.
    proof text NOT NULL CHECK (proof IN ('email', 'sign-in', 'reviewer', 'import')),
    district text, -- where the person was last rostered; nowhere yet for some that came with an account
    kind text CHECK (kind IN ('teachers', 'students')),
    number text,
    birth_date text,
    name_key text,
    linked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, tenant, subject)
);
-- No account belongs to two people of one district.
CREATE UNIQUE INDEX identities_one_person_an_account_in_a_district ON identities (district, account_id);
CREATE INDEX identities_of_an_account ON identities (account_id);

-- What a district's people are called at their provider.
CREATE VIEW district_tenants AS
SELECT
    district,
    CASE WHEN provider IN ('clever', 'classlink') THEN provider ELSE 'oneroster' END AS provider,
    CASE provider WHEN 'clever' THEN '' WHEN 'classlink' THEN coalesce(tenant_id, district) ELSE district END AS tenant
FROM districts;

ALTER TABLE activations
    ADD COLUMN reason text, -- which of the rules of services/activation decided
    ADD COLUMN candidates uuid[] NOT NULL DEFAULT '{}'; -- of a conflict: whose it could be
-- A person with two roles is a teacher and a student with one id, and has one account.
DROP INDEX one_person_an_account_in_a_district;
CREATE UNIQUE INDEX one_person_an_account_in_a_district ON activations (district, kind, account_id)
    WHERE account_id IS NOT NULL;
CREATE INDEX activations_of_an_account ON activations (account_id) WHERE account_id IS NOT NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON identities TO rollcall_activation, rollcall_operator;
GRANT SELECT, INSERT, UPDATE ON identities, accounts, account_emails, activations TO rollcall_sign_in;
GRANT DELETE ON identities TO rollcall_sign_in;
GRANT SELECT ON districts, rosters, schools, teachers, students, classes, places, district_tenants TO rollcall_sign_in;
GRANT INSERT ON outbox TO rollcall_sign_in;
GRANT SELECT ON district_tenants TO rollcall_activation, rollcall_operator;

-- The classes of the product: synced ones as the district has them, personal ones as their teachers made them, in one
-- shape; what may be done in them and by whom; and the roster, kept from everybody but apply (promise 7).

-- Classes that accounts made themselves. No district ever touches them.
CREATE TABLE personal_classes (
    class_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    teacher uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    name text NOT NULL CHECK (name <> ''),
    google_classroom text CHECK (google_classroom <> ''), -- the id of a course there
    made_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX personal_classes_of_a_teacher ON personal_classes (teacher);

CREATE TABLE personal_students (
    class_id uuid NOT NULL REFERENCES personal_classes ON DELETE CASCADE,
    student uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    display_name text CHECK (display_name <> ''), -- what the teacher calls them in this class
    PRIMARY KEY (class_id, student)
);
CREATE INDEX personal_classes_of_a_student ON personal_students (student);

-- What an account has done in the product. It stays when its person leaves the district.
CREATE TABLE account_work (
    work_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    title text NOT NULL CHECK (title <> ''),
    done_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX work_of_an_account ON account_work (account_id, done_at DESC);

-- All that rollcall_product can reach. Its transaction says who acts: SET LOCAL rollcall.account = '<account id>'.
CREATE SCHEMA product;

-- One id for what a district has, made of its key on roster.updates: the first 16 bytes of its SHA-256.
CREATE FUNCTION product.id_of(district text, kind text, id text) RETURNS uuid LANGUAGE sql IMMUTABLE
RETURN encode(substring(sha256(convert_to(district || '/' || kind || '/' || id, 'UTF8')) FOR 16), 'hex')::uuid;

-- A synced class as people see it: with its label and how many of its students have an account.
CREATE VIEW synced_classes AS
SELECT
    c.district, c.id, product.id_of(c.district, 'classes', c.id) AS class_id, c.name, 'District Synced' AS label, c.school, s.name AS school_name,
    (SELECT count(*) FROM places p WHERE p.district = c.district AND p.class = c.id AND p.part = 'student') AS students,
    (SELECT count(*) FROM places p JOIN activations a ON a.district = p.district AND a.id = p.person
     WHERE p.district = c.district AND p.class = c.id AND p.part = 'student'
       AND a.kind = 'students' AND a.state = 'activated') AS students_activated
FROM classes c LEFT JOIN schools s ON s.district = c.district AND s.id = c.school;

-- What an account is called: a synced student as in the roster, whatever the account says.
CREATE VIEW account_names AS
SELECT a.account_id, coalesce(student.display_name, a.display_name, teacher.display_name) AS display_name,
    student.display_name IS NOT NULL AS synced_student
FROM accounts a
LEFT JOIN LATERAL (
    SELECT s.display_name FROM activations v JOIN students s USING (district, id)
    WHERE v.account_id = a.account_id AND v.kind = 'students' AND v.state = 'activated'
    ORDER BY v.district LIMIT 1) student ON true
LEFT JOIN LATERAL (
    SELECT t.display_name FROM activations v JOIN teachers t USING (district, id)
    WHERE v.account_id = a.account_id AND v.kind = 'teachers' AND v.state = 'activated'
    ORDER BY v.district LIMIT 1) teacher ON true;

-- The words of every refusal; pages, the HTTP interface and whoever is at a console read them from here.
CREATE TABLE product.rules (
    rule text PRIMARY KEY,
    code text NOT NULL UNIQUE CHECK (code ~ '^RC[0-9]{3}$'), -- the SQLSTATE of the refusal
    refusal text NOT NULL,
    instead text NOT NULL
);
INSERT INTO product.rules (rule, code, refusal, instead) VALUES
    ('students-come-from-the-district', 'RC001', 'Students come from your district.',
     'Ask your school office to change the roster; it shows up after the next night.'),
    ('synced-student-name', 'RC002', 'This name comes from the district.',
     'Ask your school office to correct it; it shows up after the next night.'),
    ('synced-class-name', 'RC003', 'The name of this class comes from your district.',
     'Ask your school office to change it; it shows up after the next night.'),
    ('no-google-classroom', 'RC004', 'Google Classroom cannot be attached to a class that comes from your district.',
     'Make a class of your own and attach Google Classroom there.'),
    ('district-teacher-stays', 'RC005', 'The teachers of this class come from your district.',
     'If somebody is not a teacher of this class, tell your school office; it shows up after the next night.'),
    ('district-class-is-kept', 'RC006', 'You are in this class because your district says so, and cannot leave it.',
     'If this is not your class, tell your school office; it shows up after the next night.'),
    ('synced-class-stays', 'RC007', 'This class comes from your district and cannot be deleted.',
     'It goes when your school office ends it there; that shows up after the next night.'),
    ('teacher-only', 'RC008', 'Only the teacher of this class can do that.', 'Ask your teacher.'),
    ('class-keeps-its-teacher', 'RC009', 'A class keeps the teacher who made it.',
     'Delete the class if it is no longer needed.'),
    ('unknown-class', 'RC010', 'There is no such class.', 'Look at the account''s classes.'),
    ('unknown-account', 'RC011', 'There is no such account.', 'Name an account by its id.'),
    ('unknown-person', 'RC012', 'There is no such person in this class.', 'Look at its students and teachers.'),
    ('name-length', 'RC013', 'A name has 1 to 200 characters.', 'Give a name of that length.'),
    ('course-id-length', 'RC014', 'A course of Google Classroom has an id of 1 to 200 characters.',
     'Give the course''s id, as its address there ends.'),
    ('roster-is-applied', 'RC100',
     'Rosters are written by apply alone, as role rollcall_apply, from an approved change set.',
     'Have the district correct its roster; `rollcall sync DISTRICT` brings it in without waiting for the night.');

CREATE FUNCTION refuse(broken text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = product, pg_temp
AS $$
DECLARE
    known product.rules;
BEGIN
    SELECT * INTO STRICT known FROM product.rules WHERE rule = broken;
    RAISE EXCEPTION USING
        ERRCODE = known.code, MESSAGE = known.refusal, HINT = known.instead, CONSTRAINT = known.rule;
END $$;

-- Who may do what in which class: no rule, no refusal.
CREATE TABLE product.class_actions (
    action text NOT NULL,
    synced boolean NOT NULL,
    part text NOT NULL CHECK (part IN ('teacher', 'student')),
    rule text REFERENCES product.rules,
    PRIMARY KEY (action, synced, part)
);
INSERT INTO product.class_actions (action, synced, part, rule) VALUES
    ('add-student', true, 'teacher', 'students-come-from-the-district'),
    ('add-student', true, 'student', 'students-come-from-the-district'),
    ('add-student', false, 'teacher', NULL),
    ('add-student', false, 'student', 'teacher-only'),
    ('remove-student', true, 'teacher', 'students-come-from-the-district'),
    ('remove-student', true, 'student', 'students-come-from-the-district'),
    ('remove-student', false, 'teacher', NULL),
    ('remove-student', false, 'student', 'teacher-only'),
    ('rename-student', true, 'teacher', 'synced-student-name'),
    ('rename-student', true, 'student', 'synced-student-name'),
    ('rename-student', false, 'teacher', NULL),
    ('rename-student', false, 'student', 'teacher-only'),
    ('rename-class', true, 'teacher', 'synced-class-name'),
    ('rename-class', true, 'student', 'synced-class-name'),
    ('rename-class', false, 'teacher', NULL),
    ('rename-class', false, 'student', 'teacher-only'),
    ('attach-google-classroom', true, 'teacher', 'no-google-classroom'),
    ('attach-google-classroom', true, 'student', 'no-google-classroom'),
    ('attach-google-classroom', false, 'teacher', NULL),
    ('attach-google-classroom', false, 'student', 'teacher-only'),
    ('remove-teacher', true, 'teacher', 'district-teacher-stays'),
    ('remove-teacher', true, 'student', 'district-teacher-stays'),
    ('remove-teacher', false, 'teacher', 'class-keeps-its-teacher'),
    ('remove-teacher', false, 'student', NULL),
    ('leave-class', true, 'teacher', 'district-class-is-kept'),
    ('leave-class', true, 'student', 'district-class-is-kept'),
    ('leave-class', false, 'teacher', 'class-keeps-its-teacher'),
    ('leave-class', false, 'student', NULL),
    ('delete-class', true, 'teacher', 'synced-class-stays'),
    ('delete-class', true, 'student', 'synced-class-stays'),
    ('delete-class', false, 'teacher', NULL),
    ('delete-class', false, 'student', 'teacher-only');

CREATE FUNCTION product.acting_account() RETURNS uuid LANGUAGE sql STABLE
RETURN nullif(current_setting('rollcall.account', true), '')::uuid;

-- The classes that the acting account is in. Every view below begins here, so that nobody sees, or touches, another's.
CREATE VIEW product.own_classes WITH (security_barrier) AS
SELECT class_id, district, id, max(part) AS part -- who is both in one class is its teacher
FROM (
    SELECT product.id_of(p.district, 'classes', p.class) AS class_id, p.district, p.class AS id, p.part
    FROM activations a JOIN places p ON p.district = a.district AND p.person = a.id AND p.part || 's' = a.kind
    WHERE a.account_id = product.acting_account() AND a.state = 'activated'
    UNION ALL
    SELECT class_id, NULL, NULL, 'teacher' FROM personal_classes WHERE teacher = product.acting_account()
    UNION ALL
    SELECT class_id, NULL, NULL, 'student' FROM personal_students WHERE student = product.acting_account()
) own
GROUP BY class_id, district, id;

CREATE VIEW product.classes WITH (security_barrier) AS
SELECT o.class_id, s.name, o.part, true AS synced, s.label, s.district, s.id, s.school_name,
    s.students, s.students_activated, NULL AS google_classroom
FROM product.own_classes o JOIN synced_classes s ON s.district = o.district AND s.id = o.id
UNION ALL
SELECT c.class_id, c.name, o.part, false, NULL, NULL, NULL, NULL, n.students, n.students, c.google_classroom
FROM product.own_classes o
JOIN personal_classes c USING (class_id)
CROSS JOIN LATERAL (SELECT count(*) AS students FROM personal_students s WHERE s.class_id = c.class_id) n;

-- A teacher sees the students of a class, a student only themselves.
CREATE VIEW product.class_students WITH (security_barrier) AS
SELECT o.class_id, product.id_of(s.district, 'students', s.id) AS person_id, a.account_id, s.display_name,
    a.account_id IS NOT NULL AS activated, s.district, s.id
FROM product.own_classes o
JOIN places p ON p.district = o.district AND p.class = o.id AND p.part = 'student'
JOIN students s ON s.district = p.district AND s.id = p.person
LEFT JOIN activations a ON a.district = s.district AND a.kind = 'students' AND a.id = s.id AND a.state = 'activated'
WHERE o.part = 'teacher' OR a.account_id = product.acting_account()
UNION ALL
SELECT o.class_id, m.student, m.student,
    CASE WHEN n.synced_student THEN n.display_name ELSE coalesce(m.display_name, n.display_name) END, true, NULL, NULL
FROM product.own_classes o JOIN personal_students m USING (class_id) JOIN account_names n ON n.account_id = m.student
WHERE o.part = 'teacher' OR m.student = product.acting_account();

CREATE VIEW product.class_teachers WITH (security_barrier) AS
SELECT o.class_id, product.id_of(t.district, 'teachers', t.id) AS person_id, a.account_id, t.display_name,
    p.is_primary, t.district, t.id
FROM product.own_classes o
JOIN places p ON p.district = o.district AND p.class = o.id AND p.part = 'teacher'
JOIN teachers t ON t.district = p.district AND t.id = p.person
LEFT JOIN activations a ON a.district = t.district AND a.kind = 'teachers' AND a.id = t.id AND a.state = 'activated'
UNION ALL
SELECT o.class_id, c.teacher, c.teacher, n.display_name, true, NULL, NULL
FROM product.own_classes o JOIN personal_classes c USING (class_id) JOIN account_names n ON n.account_id = c.teacher;

-- What the acting account may do in each of its classes, and why not, so that nobody is shown a dead button.
CREATE VIEW product.may WITH (security_barrier) AS
SELECT o.class_id, a.action, a.rule IS NULL AS allowed, a.rule, r.refusal, r.instead
FROM product.own_classes o
JOIN product.class_actions a ON a.synced = (o.district IS NOT NULL) AND a.part = o.part
LEFT JOIN product.rules r ON r.rule = a.rule;

-- The acting account itself.
CREATE VIEW product.accounts WITH (security_barrier) AS
SELECT n.account_id, n.display_name, n.synced_student, a.permissions
FROM account_names n JOIN accounts a USING (account_id)
WHERE n.account_id = product.acting_account();

CREATE VIEW product.work WITH (security_barrier) AS
SELECT work_id, account_id, title, done_at FROM account_work WHERE account_id = product.acting_account()
WITH CASCADED CHECK OPTION;
ALTER VIEW product.work ALTER COLUMN account_id SET DEFAULT product.acting_account();

-- Refuses what the acting account may not do; a class of others is as unknown as one that is not there.
CREATE FUNCTION product.check_may(class uuid, wanted text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    broken text;
BEGIN
    SELECT rule INTO broken FROM product.may WHERE class_id = class AND action = wanted;
    IF NOT FOUND THEN
        PERFORM refuse('unknown-class');
    ELSIF broken IS NOT NULL THEN
        PERFORM refuse(broken);
    END IF;
END $$;
REVOKE ALL ON FUNCTION product.check_may FROM PUBLIC;

CREATE FUNCTION product.check_name(name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF name IS NULL OR char_length(btrim(name)) NOT BETWEEN 1 AND 200 THEN
        PERFORM refuse('name-length');
    END IF;
END $$;
REVOKE ALL ON FUNCTION product.check_name FROM PUBLIC;

CREATE FUNCTION product.change_class() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NOT EXISTS (SELECT FROM product.accounts) THEN
            PERFORM refuse('unknown-account');
        END IF;
        PERFORM product.check_name(NEW.name);
        INSERT INTO personal_classes (teacher, name) VALUES (product.acting_account(), NEW.name)
        RETURNING class_id INTO NEW.class_id;
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM product.check_may(OLD.class_id, 'delete-class');
        DELETE FROM personal_classes WHERE class_id = OLD.class_id;
        RETURN OLD;
    END IF;
    IF NEW.name IS DISTINCT FROM OLD.name THEN
        PERFORM product.check_may(OLD.class_id, 'rename-class');
        PERFORM product.check_name(NEW.name);
    END IF;
    IF NEW.google_classroom IS DISTINCT FROM OLD.google_classroom THEN
        PERFORM product.check_may(OLD.class_id, 'attach-google-classroom');
        IF char_length(NEW.google_classroom) NOT BETWEEN 1 AND 200 THEN
            PERFORM refuse('course-id-length');
        END IF;
    END IF;
    UPDATE personal_classes SET name = NEW.name, google_classroom = NEW.google_classroom WHERE class_id = OLD.class_id;
    RETURN NEW;
END $$;
CREATE TRIGGER change_class INSTEAD OF INSERT OR UPDATE OR DELETE ON product.classes
    FOR EACH ROW EXECUTE FUNCTION product.change_class();

CREATE FUNCTION product.change_student() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM product.check_may(NEW.class_id, 'add-student');
        IF NOT EXISTS (SELECT FROM accounts WHERE account_id = NEW.account_id) THEN
            PERFORM refuse('unknown-account');
        END IF;
        PERFORM FROM personal_classes WHERE class_id = NEW.class_id FOR KEY SHARE;
        IF NOT FOUND THEN -- deleted at this very moment
            PERFORM refuse('unknown-class');
        END IF;
        INSERT INTO personal_students (class_id, student) VALUES (NEW.class_id, NEW.account_id)
        ON CONFLICT DO NOTHING;
        NEW.person_id := NEW.account_id;
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM product.check_may(OLD.class_id, CASE WHEN OLD.account_id = product.acting_account()
            THEN 'leave-class' ELSE 'remove-student' END);
        DELETE FROM personal_students WHERE class_id = OLD.class_id AND student = OLD.account_id;
        RETURN OLD;
    END IF;
    IF NEW.display_name IS DISTINCT FROM OLD.display_name THEN
        PERFORM product.check_may(OLD.class_id, 'rename-student');
        IF (SELECT synced_student FROM account_names WHERE account_id = OLD.account_id) THEN
            PERFORM refuse('synced-student-name');
        END IF;
        PERFORM product.check_name(NEW.display_name);
        UPDATE personal_students SET display_name = NEW.display_name
        WHERE class_id = OLD.class_id AND student = OLD.account_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER change_student INSTEAD OF INSERT OR UPDATE OR DELETE ON product.class_students
    FOR EACH ROW EXECUTE FUNCTION product.change_student();

-- A student who removes a teacher leaves all the personal classes of that teacher.
CREATE FUNCTION product.remove_teacher() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM product.check_may(OLD.class_id, 'remove-teacher');
    DELETE FROM personal_students s USING personal_classes c
    WHERE c.class_id = s.class_id AND c.teacher = OLD.account_id AND s.student = product.acting_account();
    RETURN OLD;
END $$;
CREATE TRIGGER remove_teacher INSTEAD OF DELETE ON product.class_teachers
    FOR EACH ROW EXECUTE FUNCTION product.remove_teacher();

CREATE FUNCTION product.rename_account() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.display_name IS DISTINCT FROM OLD.display_name THEN
        IF NOT OLD.synced_student THEN
            PERFORM product.check_name(NEW.display_name);
        END IF;
        UPDATE accounts SET display_name = NEW.display_name WHERE account_id = OLD.account_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER rename_account INSTEAD OF UPDATE ON product.accounts
    FOR EACH ROW EXECUTE FUNCTION product.rename_account();

-- The two rules that hold for every role, the tables' owner and a superuser at a console included.

-- Once a statement, so that it costs a million rows nothing. A district's removal cascades, so its trigger is not alone.
CREATE FUNCTION keep_roster() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user <> 'rollcall_apply' AND NOT (TG_OP = 'DELETE' AND pg_trigger_depth() > 1) THEN
        PERFORM refuse('roster-is-applied');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_roster BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON schools
    FOR EACH STATEMENT EXECUTE FUNCTION keep_roster();
CREATE TRIGGER keep_roster BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON teachers
    FOR EACH STATEMENT EXECUTE FUNCTION keep_roster();
CREATE TRIGGER keep_roster BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON students
    FOR EACH STATEMENT EXECUTE FUNCTION keep_roster();
CREATE TRIGGER keep_roster BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON classes
    FOR EACH STATEMENT EXECUTE FUNCTION keep_roster();
CREATE TRIGGER keep_roster BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON places
    FOR EACH STATEMENT EXECUTE FUNCTION keep_roster();

CREATE FUNCTION keep_synced_student_name() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM activations
               WHERE account_id = OLD.account_id AND kind = 'students' AND state = 'activated') THEN
        PERFORM refuse('synced-student-name');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_synced_student_name BEFORE UPDATE OF display_name ON accounts
    FOR EACH ROW WHEN (OLD.display_name IS DISTINCT FROM NEW.display_name)
    EXECUTE FUNCTION keep_synced_student_name();

GRANT USAGE ON SCHEMA product TO rollcall_product;
GRANT SELECT ON product.rules, product.classes, product.class_students, product.class_teachers, product.may,
    product.accounts, product.work TO rollcall_product;
GRANT INSERT (name), UPDATE (name, google_classroom), DELETE ON product.classes TO rollcall_product;
GRANT INSERT (class_id, account_id), UPDATE (display_name), DELETE ON product.class_students TO rollcall_product;
GRANT DELETE ON product.class_teachers TO rollcall_product;
GRANT UPDATE (display_name) ON product.accounts TO rollcall_product;
GRANT INSERT (title, done_at) ON product.work TO rollcall_product;

GRANT SELECT ON synced_classes, personal_classes, personal_students, account_work TO rollcall_operator;

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

-- What the review desk is told further: nights that were asked for, each kind's limit, approvals that wait, what would be
-- seen once a set is applied. And the calendar's entries, which operators may now add and remove from the desk.

ALTER TABLE desk.nights
    ADD COLUMN requested_at timestamptz,
    ADD COLUMN requested_for text; -- the reason on roster.sync-requests
CREATE INDEX nights_asked_for_afresh ON desk.nights (district, requested_at) WHERE requested_for = 'stale';

ALTER TABLE desk.held_sets
    ADD COLUMN limits jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN classes_without_teacher jsonb, -- {"before": …, "after": …}
    ADD COLUMN students_without_class jsonb;

-- Approvals that count and wait for something else, by the decision that was made. Of which holding they are, their
-- place in the topic tells.
CREATE TABLE desk.waiting_approvals (
    event_id text PRIMARY KEY,
    district text NOT NULL,
    change_set text NOT NULL,
    reviewer text NOT NULL,
    waits_for text NOT NULL,
    until date,
    text text NOT NULL,
    awaits_since timestamptz NOT NULL,
    partition integer NOT NULL,
    last_offset bigint NOT NULL
);
CREATE INDEX waiting_approvals_of_a_set ON desk.waiting_approvals (change_set, last_offset);

CREATE OR REPLACE VIEW desk.district_labels AS
    SELECT district, name, timezone, plan = 'districts' AS has_nights, registered_at FROM districts;
CREATE OR REPLACE VIEW desk.closures AS
    SELECT district, name, first_day, last_day, id, added_by, added_at FROM closures;
CREATE OR REPLACE VIEW desk.expected_changes AS
    SELECT district, kind, percent, first_day, last_day, reason, id, added_by, added_at FROM expected_changes;

-- What operators have done to the calendar from the desk. The functions below write it; nothing changes or removes a row.
CREATE TABLE desk.calendar_acts (
    act bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operator text NOT NULL CHECK (operator <> ''),
    did text NOT NULL CHECK (did <> ''),
    district text, -- none: every district
    what text NOT NULL CHECK (what <> ''),
    acted_at timestamptz NOT NULL
);

-- The desk's role has no right on the calendar's tables. These functions do one thing each, for an operator of the desk
-- alone, check what they are given as the command line does, and keep who did it.

CREATE FUNCTION desk.operator_of(reviewer uuid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found text;
BEGIN
    SELECT email INTO found FROM desk.reviewers WHERE id = reviewer AND role = 'operator';
    IF found IS NULL THEN
        RAISE insufficient_privilege USING MESSAGE = 'the calendar is for operators of the desk';
    END IF;
    RETURN found;
END $$;

CREATE FUNCTION desk.days_in_words(begins date, ends date) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF begins < date '2000-01-01' OR ends > date '2100-12-31' OR ends < begins OR ends - begins >= 366 THEN
        RAISE check_violation USING MESSAGE = 'the days are not in order, more than a year, or not of this century';
    END IF;
    RETURN to_char(begins, 'FMDD Mon YYYY') || CASE WHEN ends > begins THEN to_char(ends, '" to "FMDD Mon YYYY') ELSE '' END;
END $$;

CREATE FUNCTION desk.add_closure(reviewer uuid, of_district text, called text, begins date, ends date, at timestamptz)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    operator text := desk.operator_of(reviewer);
    days text := desk.days_in_words(begins, ends);
BEGIN
    INSERT INTO public.closures (district, name, first_day, last_day, added_by)
    VALUES (of_district, btrim(called), begins, ends, operator);
    INSERT INTO desk.calendar_acts (operator, did, district, what, acted_at)
    VALUES (operator, 'added a pause', of_district, btrim(called) || ', ' || days, at);
END $$;

CREATE FUNCTION desk.remove_closure(reviewer uuid, closure bigint, at timestamptz)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    operator text := desk.operator_of(reviewer);
    gone public.closures;
BEGIN
    DELETE FROM public.closures WHERE id = closure RETURNING * INTO gone;
    IF gone.id IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO desk.calendar_acts (operator, did, district, what, acted_at)
    VALUES (operator, 'removed a pause', gone.district,
            gone.name || ', ' || desk.days_in_words(gone.first_day, gone.last_day), at);
    RETURN true;
END $$;

CREATE FUNCTION desk.add_expected_changes(
    reviewer uuid, of_district text, kinds text[], share integer, begins date, ends date, why text, at timestamptz
)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    operator text := desk.operator_of(reviewer);
    days text := desk.days_in_words(begins, ends);
BEGIN
    IF btrim(why) = '' OR cardinality(kinds) = 0 THEN
        RAISE check_violation USING MESSAGE = 'an expected change is of some kind, for a reason';
    END IF;
    INSERT INTO public.expected_changes (district, kind, percent, first_day, last_day, reason, added_by)
    SELECT of_district, kind, share, begins, ends, btrim(why), operator FROM unnest(kinds) AS kind;
    INSERT INTO desk.calendar_acts (operator, did, district, what, acted_at)
    VALUES (operator, 'expected a change', of_district,
            format('up to %s%% of %s, %s: %s', share, array_to_string(kinds, ', '), days, btrim(why)), at);
END $$;

CREATE FUNCTION desk.remove_expected_change(reviewer uuid, expected bigint, at timestamptz)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    operator text := desk.operator_of(reviewer);
    gone public.expected_changes;
BEGIN
    DELETE FROM public.expected_changes WHERE id = expected RETURNING * INTO gone;
    IF gone.id IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO desk.calendar_acts (operator, did, district, what, acted_at)
    VALUES (operator, 'expects a change no longer', gone.district,
            format('up to %s%% of %s, %s', gone.percent, gone.kind, desk.days_in_words(gone.first_day, gone.last_day)),
            at);
    RETURN true;
END $$;

CREATE FUNCTION desk.put_summer(reviewer uuid, of_district text, begins text, ends text, at timestamptz)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    operator text := desk.operator_of(reviewer);
BEGIN
    INSERT INTO public.summer_pauses (district, first_day, last_day, added_by, added_at)
    VALUES (of_district, begins, ends, operator, at)
    ON CONFLICT (district) DO UPDATE
    SET first_day = excluded.first_day, last_day = excluded.last_day, added_by = excluded.added_by,
        added_at = excluded.added_at;
    INSERT INTO desk.calendar_acts (operator, did, district, what, acted_at)
    VALUES (operator, 'set the summer', of_district, begins || ' to ' || ends || ', every year', at);
END $$;

CREATE FUNCTION desk.remove_summer(reviewer uuid, of_district text, at timestamptz)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    operator text := desk.operator_of(reviewer);
    gone public.summer_pauses;
BEGIN
    DELETE FROM public.summer_pauses WHERE district = of_district RETURNING * INTO gone;
    IF gone.district IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO desk.calendar_acts (operator, did, district, what, acted_at)
    VALUES (operator, 'removed the summer', of_district, gone.first_day || ' to ' || gone.last_day, at);
    RETURN true;
END $$;

REVOKE ALL ON FUNCTION desk.operator_of, desk.days_in_words, desk.add_closure, desk.remove_closure,
    desk.add_expected_changes, desk.remove_expected_change, desk.put_summer, desk.remove_summer FROM PUBLIC;
GRANT EXECUTE ON FUNCTION desk.add_closure, desk.remove_closure, desk.add_expected_changes, desk.remove_expected_change,
    desk.put_summer, desk.remove_summer TO rollcall_desk;
GRANT SELECT ON desk.calendar_acts TO rollcall_desk;
GRANT SELECT, INSERT, UPDATE ON desk.waiting_approvals TO rollcall_desk;

-- Signing in: what is under way at a provider, who is signed in, whom a provider's own ids mean, and the mails that follow.
-- Tokens are kept as digests, so that nobody can sign in with what stands here.

CREATE SCHEMA sign_in;

-- A round to a provider and back. It belongs to one browser, holds for minutes, and one code is exchanged for it once.
CREATE TABLE sign_in.visits (
    state bytea PRIMARY KEY CHECK (length(state) = 32),
    browser bytea NOT NULL CHECK (length(browser) = 32),
    nonce bytea NOT NULL CHECK (length(nonce) = 32),
    code_verifier text NOT NULL,
    provider text NOT NULL,
    district text, -- the one whose page it was begun on
    session bytea, -- whose activation it goes on with: the round to somebody's identity provider
    restarted boolean NOT NULL DEFAULT false, -- begun because somebody arrived without our state
    begun_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    code bytea CHECK (length(code) = 32),
    outcome jsonb,
    CHECK (outcome IS NULL OR code IS NOT NULL)
);
CREATE INDEX visits_by_end ON sign_in.visits (expires_at);
CREATE INDEX visits_of_a_browser ON sign_in.visits (browser, begun_at);

-- Who is signed in; or, without an account, which rostered person is about to say which account is theirs.
CREATE TABLE sign_in.sessions (
    token bytea PRIMARY KEY CHECK (length(token) = 32),
    family uuid NOT NULL, -- those that began with one sign-in end together
    account_id uuid REFERENCES accounts ON DELETE CASCADE,
    provider text NOT NULL,
    district text,
    kind text CHECK (kind IN ('teachers', 'students')),
    id text,
    provider_user text, -- ClassLink's own id of the person
    begun_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CHECK (account_id IS NOT NULL OR id IS NOT NULL),
    CHECK (num_nulls(district, kind, id) IN (0, 3))
);
CREATE INDEX sessions_of_a_family ON sign_in.sessions (family);
CREATE INDEX sessions_of_an_account ON sign_in.sessions (account_id);
CREATE INDEX sessions_by_end ON sign_in.sessions (expires_at);

-- ClassLink's own id of a person, which stays when the district's id of them is a new one.
CREATE TABLE sign_in.classlink_users (
    tenant text NOT NULL COLLATE "C",
    user_id text NOT NULL COLLATE "C",
    sourced_id text NOT NULL COLLATE "C",
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, user_id)
);

-- With which login at an identity provider somebody opens their account.
CREATE TABLE sign_in.external_logins (
    issuer text NOT NULL COLLATE "C",
    subject text NOT NULL COLLATE "C",
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    linked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (issuer, subject)
);

-- Tries to log in by password, each written down before its password is looked at.
CREATE TABLE sign_in.tries (
    email_digest text NOT NULL,
    address text NOT NULL,
    tried_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX tries_by_email ON sign_in.tries (email_digest, tried_at);
CREATE INDEX tries_by_address ON sign_in.tries (address, tried_at);

-- How old a rostered person is for the under-13 rule. A student whose date of birth we do not have may be a child.
CREATE FUNCTION sign_in.age(of_district text, of_kind text, of_id text, on_day date) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT CASE
        WHEN of_kind = 'teachers' THEN '13 or older'
        ELSE coalesce(
            (SELECT CASE WHEN s.birth_date::date + interval '13 years' <= on_day THEN '13 or older' ELSE 'under 13' END
             FROM students s
             WHERE s.district = of_district AND s.id = of_id AND pg_input_is_valid(s.birth_date, 'date')),
            'unknown')
    END
$$;
REVOKE EXECUTE ON FUNCTION sign_in.age FROM PUBLIC;

-- The mails to people who have an account from now on: one a person and address, and none to a child.
CREATE TABLE sign_in.mails (
    mail bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL CHECK (code IN ('welcome', 'linked')),
    district text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('teachers', 'students')),
    id text NOT NULL,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    recipient text NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'sent', 'given up')),
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (district, kind, id, account_id, recipient)
);
CREATE INDEX mails_to_send ON sign_in.mails (next_attempt_at) WHERE state = 'due';

CREATE FUNCTION sign_in.no_mail_to_a_child() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF sign_in.age(NEW.district, NEW.kind, NEW.id, (now() AT TIME ZONE 'Etc/GMT+12')::date) <> '13 or older'
        OR EXISTS (SELECT FROM accounts a WHERE a.account_id = NEW.account_id AND a.permissions = 'limited')
    THEN
        RAISE EXCEPTION 'nobody who is not known to be 13 is sent mail' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER no_mail_to_a_child BEFORE INSERT OR UPDATE OF district, kind, id, account_id, recipient
    ON sign_in.mails FOR EACH ROW EXECUTE FUNCTION sign_in.no_mail_to_a_child();

GRANT USAGE ON SCHEMA sign_in TO rollcall_sign_in, rollcall_notifier;
GRANT EXECUTE ON FUNCTION sign_in.age TO rollcall_sign_in, rollcall_notifier;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON sign_in.visits, sign_in.sessions, sign_in.classlink_users, sign_in.external_logins, sign_in.tries
    TO rollcall_sign_in;
GRANT SELECT, INSERT ON sign_in.mails TO rollcall_sign_in;
GRANT SELECT, UPDATE (state, attempts, next_attempt_at) ON sign_in.mails TO rollcall_notifier;

-- What matching remembers of each rostered person, what it must look at again, and what reviewers said.

ALTER TABLE activations
    -- What tells this person from a later one with the same email.
    ADD COLUMN number text,
    ADD COLUMN birth_date text,
    ADD COLUMN name_key text,
    ADD COLUMN told bigint NOT NULL DEFAULT 0, -- how many events there were about this person
    -- The conflict which a reviewer answered with: let the person say it at sign-in.
    ADD COLUMN asked_reason text,
    ADD COLUMN asked_candidates uuid[];
UPDATE activations a
SET number = p.number, birth_date = p.birth_date, name_key = lower(btrim(p.given) || ' ' || btrim(p.family))
FROM (SELECT 'teachers' AS kind, district, id, number, NULL AS birth_date, given, family FROM teachers
      UNION ALL SELECT 'students', district, id, number, birth_date, given, family FROM students) p
WHERE p.district = a.district AND p.kind = a.kind AND p.id = a.id AND a.state <> 'deactivated';

-- Who was linked before identities were kept has been linked by the email.
INSERT INTO identities (provider, tenant, subject, account_id, proof, district, kind, number, birth_date, name_key)
SELECT t.provider, t.tenant, a.id, a.account_id, 'email', a.district, a.kind, a.number, a.birth_date, a.name_key
FROM activations a JOIN district_tenants t USING (district)
WHERE a.account_id IS NOT NULL
ON CONFLICT DO NOTHING;

DROP INDEX activations_by_email;
DROP INDEX activations_of_an_account;
DROP INDEX one_person_an_account_in_a_district;
CREATE INDEX activations_by_email ON activations (email_key, kind, district) WHERE email_key IS NOT NULL;
CREATE INDEX activations_by_id ON activations (id);
CREATE UNIQUE INDEX one_person_an_account_in_a_district ON activations (account_id, district, kind)
    WHERE account_id IS NOT NULL;

-- The index above holds for each kind alone, since a person may be a teacher and a student under one id. This holds for
-- both together. It takes the lock that matching works under, so that it sees what others have just written. Equal
-- districts are written so that no index answers for them: there is a better one.
CREATE FUNCTION keep_one_account_a_person() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('activation', 0));
    IF EXISTS (
        SELECT FROM new_rows n JOIN activations o ON o.account_id = n.account_id
        WHERE o.district IS NOT DISTINCT FROM n.district AND o.kind <> n.kind AND o.id <> n.id) THEN
        RAISE EXCEPTION 'an account cannot belong to two people of one district' USING ERRCODE = 'unique_violation';
    END IF;
    IF EXISTS (
        SELECT FROM new_rows n JOIN activations o ON o.id = n.id
        WHERE n.account_id IS NOT NULL AND o.district IS NOT DISTINCT FROM n.district AND o.kind <> n.kind
          AND o.account_id <> n.account_id) THEN
        RAISE EXCEPTION 'a person cannot have two accounts' USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_one_account_a_new_person AFTER INSERT ON activations
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION keep_one_account_a_person();
CREATE TRIGGER keep_one_account_a_person AFTER UPDATE ON activations
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION keep_one_account_a_person();

-- Emails, accounts and ids that were touched, by whomever: those whom they concern are matched again.
CREATE TABLE account_changes (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid NOT NULL,
    email_key text,
    subject text
);

CREATE FUNCTION tell_account_emails() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO account_changes (account_id, email_key) SELECT account_id, email_key FROM old_rows;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO account_changes (account_id, email_key) SELECT account_id, email_key FROM new_rows;
    END IF;
    PERFORM pg_notify('account_changes', '');
    RETURN NULL;
END $$;
CREATE TRIGGER tell_new_account_emails AFTER INSERT ON account_emails
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tell_account_emails();
CREATE TRIGGER tell_changed_account_emails AFTER UPDATE ON account_emails
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION tell_account_emails();
CREATE TRIGGER tell_gone_account_emails AFTER DELETE ON account_emails
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION tell_account_emails();

CREATE FUNCTION tell_identities() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO account_changes (account_id, subject) SELECT account_id, subject FROM old_rows;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO account_changes (account_id, subject) SELECT account_id, subject FROM new_rows;
    END IF;
    PERFORM pg_notify('account_changes', '');
    RETURN NULL;
END $$;
-- What matching itself writes it has taken into account.
CREATE TRIGGER tell_new_identities AFTER INSERT ON identities
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
    WHEN (current_setting('rollcall.matching', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION tell_identities();
CREATE TRIGGER tell_changed_identities AFTER UPDATE ON identities
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT
    WHEN (current_setting('rollcall.matching', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION tell_identities();
CREATE TRIGGER tell_gone_identities AFTER DELETE ON identities
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT
    WHEN (current_setting('rollcall.matching', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION tell_identities();

-- What reviewers said of people in conflict, each decision once, and what came of it.
CREATE TABLE resolutions (
    event_id text PRIMARY KEY,
    district text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('teachers', 'students')),
    id text NOT NULL,
    account_id text, -- as the reviewer named it; none: the person is asked at sign-in
    reviewer text NOT NULL,
    reason text NOT NULL,
    decided_at timestamptz NOT NULL,
    refusal text, -- why it was not followed
    taken_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX resolutions_of_a_person ON resolutions (district, id, decided_at);

GRANT SELECT, DELETE ON account_changes TO rollcall_activation;
GRANT SELECT, INSERT ON resolutions TO rollcall_activation;
GRANT SELECT ON resolutions, account_changes TO rollcall_operator;

-- What the review desk shows of activation: conflicts, which it follows on roster.activations, and how far a district is.
-- What it may see of accounts and rosters beside the topics are the views here, and no more than they give.

-- People about whom nobody may guess, open or not any more: from roster.activations, one row a person.
CREATE TABLE desk.conflicts (
    district text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('teachers', 'students')),
    id text NOT NULL,
    state text NOT NULL CHECK (state IN ('conflict', 'activated', 'linked', 'required', 'deactivated')),
    reason text NOT NULL, -- of the conflict, also when it is over
    text text NOT NULL,
    candidates text[] NOT NULL, -- the accounts it could be
    account_id text, -- of a conflict that is over: whose it is
    ended_text text,
    since timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    last_offset bigint NOT NULL, -- a person's events are in one partition, in order
    PRIMARY KEY (district, kind, id)
);
CREATE INDEX conflicts_open ON desk.conflicts (district, since) WHERE state = 'conflict';

-- What was said of conflicts, whichever tool said it; what the desk says is written before it is published.
CREATE TABLE desk.resolutions (
    event_id text PRIMARY KEY,
    district text NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    account_id text, -- none: ask the person at their next sign-in
    reviewer text NOT NULL,
    reason text NOT NULL,
    decided_at timestamptz NOT NULL,
    published boolean NOT NULL
);
CREATE INDEX resolutions_of_a_conflict ON desk.resolutions (district, kind, id, decided_at);

-- Who looked at whose names. Nothing changes or removes a row.
CREATE TABLE desk.conflict_looks (
    look bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reviewer text NOT NULL CHECK (reviewer <> ''),
    district text NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    looked_at timestamptz NOT NULL DEFAULT now()
);

-- What came of each decision: taken, or refused and why.
CREATE VIEW desk.resolution_answers AS SELECT event_id, refusal, taken_at FROM resolutions;

-- The people in conflict as they are rostered, and who shares their email. Of nobody else.
CREATE VIEW desk.conflict_people AS
SELECT a.district, a.kind, a.id, p.display_name, p.email, p.number, p.schools,
    ARRAY(SELECT o.kind || '/' || o.id FROM activations o
          WHERE o.email_key = a.email_key AND o.district = a.district AND (o.kind, o.id) <> (a.kind, a.id)
              AND o.state <> 'deactivated'
          ORDER BY o.kind, o.id LIMIT 20) AS sharing_email
FROM activations a
JOIN LATERAL (
    SELECT t.display_name, t.email, t.number, t.schools FROM teachers t
    WHERE a.kind = 'teachers' AND t.district = a.district AND t.id = a.id
    UNION ALL
    SELECT s.display_name, s.email, s.number, s.schools FROM students s
    WHERE a.kind = 'students' AND s.district = a.district AND s.id = a.id) p ON true
WHERE a.state = 'conflict';

-- The accounts that a person in conflict could have, with what speaks for each. Of no other account.
CREATE VIEW desk.conflict_accounts AS
SELECT a.district, a.kind, a.id, c.account_id::text AS account_id, c.created_at, c.display_name,
    ARRAY(SELECT e.email FROM account_emails e WHERE e.account_id = c.account_id ORDER BY e.email_key) AS emails,
    EXISTS (SELECT FROM account_emails e
            WHERE e.account_id = c.account_id AND e.email_key = a.email_key) AS same_email,
    EXISTS (SELECT FROM identities i JOIN district_tenants t ON t.provider = i.provider AND t.tenant = i.tenant
            WHERE t.district = a.district AND i.subject = a.id AND i.account_id = c.account_id) AS same_id,
    ARRAY(SELECT o.district || '/' || o.kind || '/' || o.id FROM activations o
          WHERE o.account_id = c.account_id ORDER BY o.district, o.kind, o.id LIMIT 20) AS people
FROM activations a JOIN accounts c ON c.account_id = ANY (a.candidates)
WHERE a.state = 'conflict';

-- How far a district's people are, by kind and state; 'waiting' are those whom matching has not come to yet.
CREATE VIEW desk.activation_of_kinds AS
SELECT p.district, p.kind,
    CASE WHEN a.state IN ('activated', 'required', 'conflict') THEN a.state ELSE 'waiting' END AS state,
    count(*) AS people
FROM (SELECT district, 'teachers' AS kind, id FROM teachers UNION ALL SELECT district, 'students', id FROM students) p
LEFT JOIN activations a USING (district, kind, id)
GROUP BY 1, 2, 3;

-- The same by school. Who is in two schools counts in both.
CREATE VIEW desk.activation_of_schools AS
SELECT p.district, school, p.kind,
    CASE WHEN a.state IN ('activated', 'required', 'conflict') THEN a.state ELSE 'waiting' END AS state,
    count(*) AS people
FROM (SELECT district, 'teachers' AS kind, id, schools FROM teachers
      UNION ALL SELECT district, 'students', id, schools FROM students) p
CROSS JOIN LATERAL unnest(p.schools) AS school
LEFT JOIN activations a USING (district, kind, id)
GROUP BY 1, 2, 3, 4;

-- The same by class: a class's name and its counts, and nobody's name.
CREATE VIEW desk.activation_of_classes AS
SELECT c.district, c.id AS class, c.name, c.school,
    count(*) FILTER (WHERE p.part = 'student') AS students,
    count(*) FILTER (WHERE p.part = 'student' AND a.state = 'activated') AS students_activated,
    count(*) FILTER (WHERE p.part = 'student' AND a.state = 'required') AS students_required,
    count(*) FILTER (WHERE p.part = 'student' AND a.state = 'conflict') AS students_conflict,
    count(*) FILTER (WHERE p.part = 'teacher') AS teachers,
    count(*) FILTER (WHERE p.part = 'teacher' AND a.state = 'activated') AS teachers_activated,
    count(*) FILTER (WHERE p.part = 'teacher' AND a.state = 'required') AS teachers_required,
    count(*) FILTER (WHERE p.part = 'teacher' AND a.state = 'conflict') AS teachers_conflict
FROM classes c
LEFT JOIN places p ON p.district = c.district AND p.class = c.id
LEFT JOIN activations a ON a.district = p.district AND a.kind = p.part || 's' AND a.id = p.person
GROUP BY c.district, c.id;

GRANT SELECT, INSERT, UPDATE ON desk.conflicts, desk.resolutions TO rollcall_desk;
GRANT SELECT, INSERT ON desk.conflict_looks TO rollcall_desk;
GRANT SELECT ON desk.resolution_answers, desk.conflict_people, desk.conflict_accounts, desk.activation_of_kinds,
    desk.activation_of_schools, desk.activation_of_classes TO rollcall_desk;

-- For `rollcall explain`: the held changes of a person, and of the classes that they would join or leave. Ids only.
CREATE VIEW desk.held_changes_of_people AS
SELECT s.district, c.kind, c.id, c.op AS what, NULL AS class, s.change_set, s.held_at
FROM desk.held_sets s JOIN desk.held_changes c USING (held_set)
WHERE s.state = 'held' AND c.kind IN ('teachers', 'students')
UNION ALL
SELECT s.district, part.kind, person.id, CASE WHEN person.joins THEN 'joins' ELSE 'leaves' END, c.id, s.change_set,
    s.held_at
FROM desk.held_sets s
JOIN desk.held_changes c USING (held_set)
CROSS JOIN (VALUES ('teachers'), ('students')) AS part (kind)
CROSS JOIN LATERAL (
    SELECT id, bool_or(after) AS joins
    FROM (SELECT jsonb_array_elements_text(c.before -> part.kind), false
          UNION ALL SELECT jsonb_array_elements_text(c.record -> part.kind), true) AS member (id, after)
    GROUP BY id HAVING count(DISTINCT after) = 1
) person
WHERE s.state = 'held' AND c.kind = 'classes';

GRANT SELECT ON desk.held_changes_of_people TO rollcall_operator;

-- A large roster at once: rows of a district's tables are no longer held against `rosters` one by one, which took a
-- third of a first load's time. Only apply may write them (`keep_roster`), and its merge holds the roster's own row; with
-- that row they go, all at once.

DO $$
DECLARE
    kind text;
BEGIN
    FOREACH kind IN ARRAY ARRAY['schools', 'teachers', 'students', 'classes', 'places'] LOOP
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', kind, kind || '_district_fkey');
    END LOOP;
END $$;

CREATE FUNCTION remove_roster() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM places WHERE district = OLD.district;
    DELETE FROM classes WHERE district = OLD.district;
    DELETE FROM students WHERE district = OLD.district;
    DELETE FROM teachers WHERE district = OLD.district;
    DELETE FROM schools WHERE district = OLD.district;
    RETURN NULL;
END $$;
CREATE TRIGGER remove_roster AFTER DELETE ON rosters FOR EACH ROW EXECUTE FUNCTION remove_roster();

-- Apply looks at the calendar itself: a set that was let through just before a pause is not applied in it.

GRANT SELECT ON closures, summer_pauses, office_calendar TO rollcall_apply;

-- Accounts come in with the classes and the work that they have already.

GRANT INSERT ON personal_classes, personal_students, account_work TO rollcall_operator;

-- Places stand in the rows that they belong to: a class has its teachers and students, a person their classes. As rows
-- of their own, each with two indexes, six million places were two thirds of a first load's merge. Apply writes both
-- sides in one transaction, and refuses a change set after which they would not agree.

DROP TRIGGER keep_roster ON places;
ALTER TABLE places RENAME TO place_rows;
DROP INDEX places_of_a_person;
CREATE INDEX place_rows_of_a_person ON place_rows (district, part, person);

-- In the record's order: the primary teacher first, the others and the students by id.
ALTER TABLE classes
    ADD COLUMN teachers text[] NOT NULL DEFAULT '{}',
    ADD COLUMN students text[] NOT NULL DEFAULT '{}';
-- The other side of it, in no order.
ALTER TABLE teachers ADD COLUMN classes text[] NOT NULL DEFAULT '{}';
ALTER TABLE students ADD COLUMN classes text[] NOT NULL DEFAULT '{}';
-- Nobody plans by which ids are in them.
ALTER TABLE classes ALTER COLUMN teachers SET STATISTICS 0, ALTER COLUMN students SET STATISTICS 0;
ALTER TABLE teachers ALTER COLUMN classes SET STATISTICS 0;
ALTER TABLE students ALTER COLUMN classes SET STATISTICS 0;

ALTER TABLE classes DISABLE TRIGGER keep_roster;
ALTER TABLE teachers DISABLE TRIGGER keep_roster;
ALTER TABLE students DISABLE TRIGGER keep_roster;
UPDATE classes c SET
    teachers = ARRAY(SELECT p.person FROM place_rows p
                     WHERE p.district = c.district AND p.class = c.id AND p.part = 'teacher'
                     ORDER BY NOT p.is_primary, p.person COLLATE "C"),
    students = ARRAY(SELECT p.person FROM place_rows p
                     WHERE p.district = c.district AND p.class = c.id AND p.part = 'student'
                     ORDER BY p.person COLLATE "C");
UPDATE teachers t SET classes = ARRAY(
    SELECT p.class FROM place_rows p WHERE p.district = t.district AND p.part = 'teacher' AND p.person = t.id);
UPDATE students s SET classes = ARRAY(
    SELECT p.class FROM place_rows p WHERE p.district = s.district AND p.part = 'student' AND p.person = s.id);
ALTER TABLE classes ENABLE TRIGGER keep_roster;
ALTER TABLE teachers ENABLE TRIGGER keep_roster;
ALTER TABLE students ENABLE TRIGGER keep_roster;

-- Places as rows, of a district or of a class. Whoever looks for a person's reads `classes` of the person.
CREATE VIEW places AS
SELECT c.district, c.id AS class, 'teacher' AS part, p.person, p.number = 1 AS is_primary
FROM classes c CROSS JOIN LATERAL unnest(c.teachers) WITH ORDINALITY AS p (person, number)
UNION ALL
SELECT c.district, c.id, 'student', p.person, false
FROM classes c CROSS JOIN LATERAL unnest(c.students) AS p (person);

GRANT SELECT ON places
    TO rollcall_diff, rollcall_activation, rollcall_sign_in, rollcall_operator, rollcall_apply;

-- Who writes to it is told whose the roster is, as at the tables.
CREATE FUNCTION keep_places() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refuse('roster-is-applied');
END $$;
CREATE TRIGGER keep_roster BEFORE INSERT OR UPDATE OR DELETE ON places
    FOR EACH STATEMENT EXECUTE FUNCTION keep_places();
CREATE TRIGGER keep_places INSTEAD OF INSERT OR UPDATE OR DELETE ON places
    FOR EACH ROW EXECUTE FUNCTION keep_places();

CREATE OR REPLACE VIEW synced_classes AS
SELECT
    c.district, c.id, product.id_of(c.district, 'classes', c.id) AS class_id, c.name, 'District Synced' AS label, c.school, s.name AS school_name,
    cardinality(c.students)::bigint AS students,
    (SELECT count(*) FROM unnest(c.students) AS p (person) JOIN activations a ON a.district = c.district
         AND a.kind = 'students' AND a.id = p.person
     WHERE a.state = 'activated') AS students_activated
FROM classes c LEFT JOIN schools s ON s.district = c.district AND s.id = c.school;

CREATE OR REPLACE VIEW product.own_classes WITH (security_barrier) AS
SELECT class_id, district, id, max(part) AS part -- who is both in one class is its teacher
FROM (
    SELECT product.id_of(a.district, 'classes', p.class) AS class_id, a.district, p.class AS id, p.part
    FROM activations a CROSS JOIN LATERAL (
        SELECT 'teacher' AS part, unnest(t.classes) AS class FROM teachers t
        WHERE a.kind = 'teachers' AND t.district = a.district AND t.id = a.id
        UNION ALL
        SELECT 'student', unnest(s.classes) FROM students s
        WHERE a.kind = 'students' AND s.district = a.district AND s.id = a.id) p
    WHERE a.account_id = product.acting_account() AND a.state = 'activated'
    UNION ALL
    SELECT class_id, NULL, NULL, 'teacher' FROM personal_classes WHERE teacher = product.acting_account()
    UNION ALL
    SELECT class_id, NULL, NULL, 'student' FROM personal_students WHERE student = product.acting_account()
) own
GROUP BY class_id, district, id;

CREATE OR REPLACE VIEW product.class_students WITH (security_barrier) AS
SELECT o.class_id, product.id_of(s.district, 'students', s.id) AS person_id, a.account_id, s.display_name,
    a.account_id IS NOT NULL AS activated, s.district, s.id
FROM product.own_classes o
JOIN classes c ON c.district = o.district AND c.id = o.id
CROSS JOIN LATERAL unnest(c.students) AS p (person)
JOIN students s ON s.district = c.district AND s.id = p.person
LEFT JOIN activations a ON a.district = s.district AND a.kind = 'students' AND a.id = s.id AND a.state = 'activated'
WHERE o.part = 'teacher' OR a.account_id = product.acting_account()
UNION ALL
SELECT o.class_id, m.student, m.student,
    CASE WHEN n.synced_student THEN n.display_name ELSE coalesce(m.display_name, n.display_name) END, true, NULL, NULL
FROM product.own_classes o JOIN personal_students m USING (class_id) JOIN account_names n ON n.account_id = m.student
WHERE o.part = 'teacher' OR m.student = product.acting_account();

CREATE OR REPLACE VIEW product.class_teachers WITH (security_barrier) AS
SELECT o.class_id, product.id_of(t.district, 'teachers', t.id) AS person_id, a.account_id, t.display_name,
    p.number = 1 AS is_primary, t.district, t.id
FROM product.own_classes o
JOIN classes c ON c.district = o.district AND c.id = o.id
CROSS JOIN LATERAL unnest(c.teachers) WITH ORDINALITY AS p (person, number)
JOIN teachers t ON t.district = c.district AND t.id = p.person
LEFT JOIN activations a ON a.district = t.district AND a.kind = 'teachers' AND a.id = t.id AND a.state = 'activated'
UNION ALL
SELECT o.class_id, c.teacher, c.teacher, n.display_name, true, NULL, NULL
FROM product.own_classes o JOIN personal_classes c USING (class_id) JOIN account_names n ON n.account_id = c.teacher;

CREATE OR REPLACE VIEW desk.activation_of_classes AS
SELECT c.district, c.id AS class, c.name, c.school,
    count(*) FILTER (WHERE p.kind = 'students') AS students,
    count(*) FILTER (WHERE p.kind = 'students' AND a.state = 'activated') AS students_activated,
    count(*) FILTER (WHERE p.kind = 'students' AND a.state = 'required') AS students_required,
    count(*) FILTER (WHERE p.kind = 'students' AND a.state = 'conflict') AS students_conflict,
    count(*) FILTER (WHERE p.kind = 'teachers') AS teachers,
    count(*) FILTER (WHERE p.kind = 'teachers' AND a.state = 'activated') AS teachers_activated,
    count(*) FILTER (WHERE p.kind = 'teachers' AND a.state = 'required') AS teachers_required,
    count(*) FILTER (WHERE p.kind = 'teachers' AND a.state = 'conflict') AS teachers_conflict
FROM classes c
LEFT JOIN LATERAL (
    SELECT 'teachers' AS kind, unnest(c.teachers) AS person
    UNION ALL
    SELECT 'students', unnest(c.students)) p ON true
LEFT JOIN activations a ON a.district = c.district AND a.kind = p.kind AND a.id = p.person
GROUP BY c.district, c.id;

CREATE OR REPLACE FUNCTION remove_roster() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM classes WHERE district = OLD.district;
    DELETE FROM students WHERE district = OLD.district;
    DELETE FROM teachers WHERE district = OLD.district;
    DELETE FROM schools WHERE district = OLD.district;
    RETURN NULL;
END $$;

DROP TABLE place_rows;

-- After a merge that changed much, apply has what it wrote looked over: until then plans are made for the tables as
-- they were.
GRANT MAINTAIN ON schools, teachers, students, classes TO rollcall_apply;

-- A first load of a million people: accounts are no longer held against `identities` and `activations` one by one, which
-- took a quarter of writing newcomers and wrote to every account that was found. What the foreign keys were for is kept, a
-- statement at a time.

ALTER TABLE identities DROP CONSTRAINT identities_account_id_fkey;
ALTER TABLE activations DROP CONSTRAINT activations_account_id_fkey;

-- What is known of ids goes with the account; an account that a rostered person has does not go. Whoever writes an
-- activation takes matching's lock, and looks whether the account is there only then; so does this.
CREATE FUNCTION await_matching() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('activation', 0));
    RETURN NULL;
END $$;
CREATE FUNCTION remove_identities() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM old_rows o JOIN activations a ON a.account_id = o.account_id) THEN
        RAISE EXCEPTION 'a rostered person has the account' USING ERRCODE = 'foreign_key_violation';
    END IF;
    DELETE FROM identities i USING old_rows o WHERE i.account_id = o.account_id;
    RETURN NULL;
END $$;
CREATE TRIGGER await_matching BEFORE DELETE ON accounts FOR EACH STATEMENT EXECUTE FUNCTION await_matching();
CREATE TRIGGER remove_identities AFTER DELETE ON accounts
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION remove_identities();

CREATE FUNCTION keep_account_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an account keeps its id' USING ERRCODE = 'foreign_key_violation';
END $$;
CREATE TRIGGER keep_account_id BEFORE UPDATE OF account_id ON accounts FOR EACH ROW
    WHEN (OLD.account_id IS DISTINCT FROM NEW.account_id) EXECUTE FUNCTION keep_account_id();

-- Whoever writes an identity outside matching's turns, and so without its lock, holds the account until they are done.
CREATE FUNCTION keep_identity_of_account() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF current_setting('rollcall.matching', true) IS DISTINCT FROM 'on' THEN
        PERFORM FROM accounts c WHERE c.account_id IN (SELECT account_id FROM new_rows) FOR KEY SHARE;
    END IF;
    IF EXISTS (SELECT FROM new_rows n
               WHERE NOT EXISTS (SELECT FROM accounts c WHERE c.account_id = n.account_id OFFSET 0)) THEN
        RAISE EXCEPTION 'there is no such account' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_new_identity_of_account AFTER INSERT ON identities
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION keep_identity_of_account();
CREATE TRIGGER keep_identity_of_account AFTER UPDATE ON identities
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION keep_identity_of_account();

-- As in 0014, and that the account is there. The other role of a person is found by the whole of its key.
CREATE OR REPLACE FUNCTION keep_one_account_a_person() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('activation', 0));
    IF EXISTS (
        SELECT FROM new_rows n WHERE n.account_id IS NOT NULL
          AND NOT EXISTS (SELECT FROM accounts c WHERE c.account_id = n.account_id OFFSET 0)) THEN
        RAISE EXCEPTION 'there is no such account' USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF EXISTS (
        SELECT FROM new_rows n JOIN activations o ON o.account_id = n.account_id
        WHERE o.district IS NOT DISTINCT FROM n.district AND o.kind <> n.kind AND o.id <> n.id) THEN
        RAISE EXCEPTION 'an account cannot belong to two people of one district' USING ERRCODE = 'unique_violation';
    END IF;
    IF EXISTS (
        SELECT FROM new_rows n JOIN activations o ON o.district = n.district AND o.id = n.id
            AND o.kind = CASE n.kind WHEN 'teachers' THEN 'students' ELSE 'teachers' END
        WHERE n.account_id IS NOT NULL AND o.account_id <> n.account_id) THEN
        RAISE EXCEPTION 'a person cannot have two accounts' USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NULL;
END $$;

-- One index less: an account's identities, in whatever district, are found by the one that keeps them apart.
DROP INDEX identities_of_an_account;
DROP INDEX identities_one_person_an_account_in_a_district;
CREATE UNIQUE INDEX identities_one_person_an_account_in_a_district ON identities (account_id, district);

-- What each stage has worked on a district's last night, so that people see which one is slow: six rows a district, and
-- nothing depends on them.
CREATE TABLE night_stages (
    district text NOT NULL REFERENCES districts ON DELETE CASCADE,
    stage text NOT NULL CHECK (stage IN ('pull', 'compare', 'route', 'merge', 'publish', 'match')),
    sync_id text NOT NULL,
    requested_at timestamptz NOT NULL,
    records bigint NOT NULL CHECK (records >= 0),
    bytes bigint NOT NULL CHECK (bytes >= 0),
    seconds double precision NOT NULL CHECK (seconds >= 0),
    PRIMARY KEY (district, stage)
);
GRANT SELECT, INSERT, UPDATE ON night_stages
    TO rollcall_ingest, rollcall_diff, rollcall_guard, rollcall_apply, rollcall_relay, rollcall_activation;
GRANT SELECT ON night_stages TO rollcall_operator;
GRANT SELECT ON nights TO rollcall_relay;

-- What is written down of every night is forgotten in the end: by the scheduler, and of the desk by the desk itself.
GRANT SELECT ON judgements, holds, ledger TO rollcall_scheduler;
GRANT DELETE ON nights, judgements, holds, ledger TO rollcall_scheduler;
GRANT DELETE ON desk.nights TO rollcall_desk;
CREATE INDEX nights_by_age ON desk.nights (began_at);

-- A first load of a million people: whose account it is is found by fewer and shorter ways through indexes.
--
-- Nothing is written to `activations`, `identities` and `account_emails`, nor read of them, while their indexes are made
-- anew: some ten seconds for a million people with two million accounts. Nights wait for it, and so does who signs in.

-- What tells one person from all others comes first. So a comparison ends with the first column, an id alone is looked
-- up by the same index, and a person's two roles stand beside each other: one index less, one look instead of two.
DROP INDEX activations_by_id;
ALTER TABLE activations DROP CONSTRAINT activations_pkey, ADD PRIMARY KEY (id, district, kind);
ALTER TABLE identities DROP CONSTRAINT identities_pkey, ADD PRIMARY KEY (subject, tenant, provider);

-- What was read by district, since the primary key began with it: its conflicts.
CREATE INDEX activations_in_conflict ON activations (district) WHERE state = 'conflict';

-- Whose an email is, without the row.
DROP INDEX account_emails_by_key;
CREATE INDEX account_emails_by_key ON account_emails (email_key) INCLUDE (account_id);

-- As in 0022, but for what matching remembers by an email: it has read whose that is in the same turn, and whoever
-- deletes an account waits for the turn to end.
CREATE OR REPLACE FUNCTION keep_identity_of_account() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    matching CONSTANT boolean := current_setting('rollcall.matching', true) IS NOT DISTINCT FROM 'on';
BEGIN
    IF NOT matching THEN
        PERFORM FROM accounts c WHERE c.account_id IN (SELECT account_id FROM new_rows) FOR KEY SHARE;
    END IF;
    IF EXISTS (SELECT FROM new_rows n
               WHERE NOT (matching AND n.proof = 'email')
                 AND NOT EXISTS (SELECT FROM accounts c WHERE c.account_id = n.account_id OFFSET 0)) THEN
        RAISE EXCEPTION 'there is no such account' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;

-- As in 0022. That an account is there is known by an email of it, which a foreign key holds to it and which matching
-- has just read; and the person of the other role who has it is found by a whole key, without reading the person's own row.
CREATE OR REPLACE FUNCTION keep_one_account_a_person() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('activation', 0));
    IF EXISTS (
        SELECT FROM new_rows n WHERE n.account_id IS NOT NULL
          AND NOT EXISTS (SELECT FROM account_emails e WHERE e.account_id = n.account_id OFFSET 0)
          AND NOT EXISTS (SELECT FROM accounts c WHERE c.account_id = n.account_id OFFSET 0)) THEN
        RAISE EXCEPTION 'there is no such account' USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF EXISTS (
        SELECT FROM new_rows n CROSS JOIN LATERAL (
            SELECT o.id FROM activations o
            WHERE o.account_id = n.account_id AND o.district = n.district
              AND o.kind = CASE n.kind WHEN 'teachers' THEN 'students' ELSE 'teachers' END OFFSET 0) o
        WHERE o.id <> n.id) THEN
        RAISE EXCEPTION 'an account cannot belong to two people of one district' USING ERRCODE = 'unique_violation';
    END IF;
    IF EXISTS (
        SELECT FROM new_rows n CROSS JOIN LATERAL (
            SELECT o.account_id FROM activations o
            WHERE o.id = n.id AND o.district = n.district
              AND o.kind = CASE n.kind WHEN 'teachers' THEN 'students' ELSE 'teachers' END OFFSET 0) o
        WHERE n.account_id IS NOT NULL AND o.account_id <> n.account_id) THEN
        RAISE EXCEPTION 'a person cannot have two accounts' USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NULL;
END $$;

-- What is large in the outbox is packed, or is ids, which do not compress: trying to was a twentieth of a turn of matching,
-- and undoing it half of what the relay spent on a newcomer.
ALTER TABLE outbox ALTER COLUMN payload SET STORAGE EXTERNAL;

-- As in 0025. That the account is there which matching found by an email is not asked either: it has read whose the email
-- is in the same turn, a foreign key holds the email to its account, and whoever deletes one waits for the turn to end.
CREATE OR REPLACE FUNCTION keep_one_account_a_person() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    matching CONSTANT boolean := current_setting('rollcall.matching', true) IS NOT DISTINCT FROM 'on';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('activation', 0));
    IF EXISTS (
        SELECT FROM new_rows n WHERE n.account_id IS NOT NULL AND NOT (matching AND n.reason = 'same-email')
          AND NOT EXISTS (SELECT FROM account_emails e WHERE e.account_id = n.account_id OFFSET 0)
          AND NOT EXISTS (SELECT FROM accounts c WHERE c.account_id = n.account_id OFFSET 0)) THEN
        RAISE EXCEPTION 'there is no such account' USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF EXISTS (
        SELECT FROM new_rows n CROSS JOIN LATERAL (
            SELECT o.id FROM activations o
            WHERE o.account_id = n.account_id AND o.district = n.district
              AND o.kind = CASE n.kind WHEN 'teachers' THEN 'students' ELSE 'teachers' END OFFSET 0) o
        WHERE o.id <> n.id) THEN
        RAISE EXCEPTION 'an account cannot belong to two people of one district' USING ERRCODE = 'unique_violation';
    END IF;
    IF EXISTS (
        SELECT FROM new_rows n CROSS JOIN LATERAL (
            SELECT o.account_id FROM activations o
            WHERE o.id = n.id AND o.district = n.district
              AND o.kind = CASE n.kind WHEN 'teachers' THEN 'students' ELSE 'teachers' END OFFSET 0) o
        WHERE n.account_id IS NOT NULL AND o.account_id <> n.account_id) THEN
        RAISE EXCEPTION 'a person cannot have two accounts' USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NULL;
END $$;
