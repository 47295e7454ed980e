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
