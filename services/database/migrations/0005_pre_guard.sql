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
