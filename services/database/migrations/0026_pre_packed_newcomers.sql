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
