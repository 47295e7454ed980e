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
