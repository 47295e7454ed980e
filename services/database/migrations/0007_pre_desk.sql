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
