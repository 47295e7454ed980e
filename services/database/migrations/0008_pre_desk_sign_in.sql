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
