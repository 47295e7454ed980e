-- What `rollcall account import` does with a file, a step at a time, in one transaction.

-- name: stage
CREATE TEMPORARY TABLE import_lines (
    line bigint NOT NULL,
    account_id uuid NOT NULL DEFAULT gen_random_uuid(),
    display_name text,
    emails text[] NOT NULL,
    providers text[] NOT NULL,
    tenants text[] NOT NULL,
    subjects text[] NOT NULL,
    teaches text[] NOT NULL,
    learns_with text[] NOT NULL,
    learns_in text[] NOT NULL,
    work text[] NOT NULL
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
CREATE TEMPORARY TABLE import_classes (
    line bigint NOT NULL,
    class_id uuid NOT NULL DEFAULT gen_random_uuid(),
    account_id uuid NOT NULL,
    name text NOT NULL
) ON COMMIT DROP;
CREATE TEMPORARY TABLE import_seats (
    line bigint NOT NULL,
    account_id uuid NOT NULL,
    teacher_email_key text NOT NULL,
    name text NOT NULL
) ON COMMIT DROP;

-- name: copy
COPY import_lines (line, display_name, emails, providers, tenants, subjects, teaches, learns_with, learns_in, work)
FROM STDIN (FORMAT binary);

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

-- name: spread_classes
INSERT INTO import_classes (line, account_id, name)
SELECT line, account_id, name FROM import_lines CROSS JOIN LATERAL unnest(teaches) AS name;

-- name: spread_seats
INSERT INTO import_seats (line, account_id, teacher_email_key, name)
SELECT l.line, l.account_id, lower(btrim(s.email)), s.name
FROM import_lines l CROSS JOIN LATERAL unnest(l.learns_with, l.learns_in) AS s (email, name);

-- name: analyze
ANALYZE import_lines, import_emails, import_identities, import_classes, import_seats;

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

-- name: classes_twice
SELECT line, '', count(*) OVER () FROM import_classes GROUP BY line, name HAVING count(*) > 1
ORDER BY line LIMIT %(most)s;

-- name: seats_unknown
SELECT s.line, '', count(*) OVER ()
FROM import_seats s LEFT JOIN (
    SELECT e.email_key, c.name, count(*) AS classes
    FROM import_emails e JOIN import_classes c USING (account_id) GROUP BY e.email_key, c.name
) k ON k.email_key = s.teacher_email_key AND k.name = s.name
WHERE k.classes IS DISTINCT FROM 1
ORDER BY s.line LIMIT %(most)s;

-- name: make_accounts
INSERT INTO accounts (account_id, display_name) SELECT account_id, display_name FROM import_lines;

-- name: make_emails
INSERT INTO account_emails (account_id, email) SELECT account_id, email FROM import_emails;

-- name: make_identities
INSERT INTO identities (provider, tenant, subject, account_id, proof)
SELECT provider, tenant, subject, account_id, 'import' FROM import_identities;

-- name: make_classes
INSERT INTO personal_classes (class_id, teacher, name) SELECT class_id, account_id, name FROM import_classes;

-- name: make_seats
INSERT INTO personal_students (class_id, student)
SELECT DISTINCT c.class_id, s.account_id
FROM import_seats s
JOIN import_emails e ON e.email_key = s.teacher_email_key
JOIN import_classes c ON c.account_id = e.account_id AND c.name = s.name;

-- name: make_work
INSERT INTO account_work (account_id, title)
SELECT account_id, title FROM import_lines CROSS JOIN LATERAL unnest(work) AS title;
