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
