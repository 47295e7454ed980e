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
