-- name: add
INSERT INTO accounts DEFAULT VALUES RETURNING account_id;

-- name: add_email
-- Twice the same one, but for case and spaces, is once.
INSERT INTO account_emails (account_id, email) VALUES (%(account_id)s, %(email)s)
ON CONFLICT (account_id, email_key) DO NOTHING;

-- name: by_id
SELECT account_id FROM accounts WHERE account_id = %(account_id)s;

-- name: by_email
SELECT account_id FROM account_emails WHERE email_key = lower(btrim(%(email)s)) ORDER BY account_id;

-- name: created_at
SELECT created_at FROM accounts WHERE account_id = %(account_id)s;

-- name: emails
SELECT email FROM account_emails WHERE account_id = %(account_id)s ORDER BY email_key;

-- name: people
SELECT district, kind, id, state, roster_version FROM activations
WHERE account_id = %(account_id)s ORDER BY district, kind, id;
