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
