-- What `rollcall account import` does with a file, a step at a time, in one transaction.

-- name: stage
CREATE TEMPORARY TABLE import_lines (
    line bigint NOT NULL,
    account_id uuid NOT NULL DEFAULT gen_random_uuid(),
    display_name text,
    emails text[] NOT NULL,
    providers text[] NOT NULL,
    tenants text[] NOT NULL,
    subjects text[] NOT NULL
) ON COMMIT DROP;
CREATE TEMPORARY TABLE import_emails (
    line bigint NOT NULL,
    account_id uuid NOT NULL,
    email text NOT NULL,
    email_key text NOT NULL
) ON COMMIT DROP;
CREATE TEMPORARY TABLE import_identities (
    line bigint NOT NULL,
    account_id uuid NOT NULL,
    provider text NOT NULL,
    tenant text NOT NULL COLLATE "C",
    subject text NOT NULL COLLATE "C"
) ON COMMIT DROP;

-- name: copy
COPY import_lines (line, display_name, emails, providers, tenants, subjects) FROM STDIN (FORMAT binary);

-- name: spread_emails
-- Twice the same one on a line, but for case and spaces, is once.
INSERT INTO import_emails (line, account_id, email, email_key)
SELECT line, account_id, min(email), lower(btrim(email))
FROM import_lines CROSS JOIN LATERAL unnest(emails) AS email
GROUP BY line, account_id, lower(btrim(email));

-- name: spread_identities
INSERT INTO import_identities (line, account_id, provider, tenant, subject)
SELECT DISTINCT l.line, l.account_id, i.provider, i.tenant, i.subject
FROM import_lines l CROSS JOIN LATERAL unnest(l.providers, l.tenants, l.subjects) AS i (provider, tenant, subject);

-- name: analyze
ANALYZE import_lines, import_emails, import_identities;

-- Each check gives some lines, what stands against each, and how many there are in all.

-- name: ids_twice
SELECT line, first_line::text, count(*) OVER () FROM (
    SELECT line, min(line) OVER (PARTITION BY provider, tenant, subject) AS first_line FROM import_identities
) i WHERE line > first_line ORDER BY line LIMIT %(most)s;

-- name: ids_taken
SELECT i.line, t.account_id::text, count(*) OVER ()
FROM import_identities i JOIN identities t USING (provider, tenant, subject)
ORDER BY i.line LIMIT %(most)s;

-- name: emails_twice
SELECT line, first_line::text, count(*) OVER () FROM (
    SELECT line, min(line) OVER (PARTITION BY email_key) AS first_line FROM import_emails
) e WHERE line > first_line ORDER BY line LIMIT %(most)s;

-- name: emails_taken
SELECT i.line, t.account_id::text, count(*) OVER ()
FROM import_emails i JOIN account_emails t USING (email_key)
ORDER BY i.line, t.account_id LIMIT %(most)s;

-- name: make_accounts
INSERT INTO accounts (account_id, display_name) SELECT account_id, display_name FROM import_lines;

-- name: make_emails
INSERT INTO account_emails (account_id, email) SELECT account_id, email FROM import_emails;

-- name: make_identities
INSERT INTO identities (provider, tenant, subject, account_id, proof)
SELECT provider, tenant, subject, account_id, 'import' FROM import_identities;
