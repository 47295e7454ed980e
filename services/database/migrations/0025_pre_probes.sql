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
