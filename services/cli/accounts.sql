-- name: add
INSERT INTO accounts (display_name) VALUES (%(display_name)s) RETURNING account_id;

-- name: add_email
-- Twice the same one, but for case and spaces, is once.
INSERT INTO account_emails (account_id, email) VALUES (%(account_id)s, %(email)s)
ON CONFLICT (account_id, email_key) DO NOTHING;

-- name: add_identity
INSERT INTO identities (provider, tenant, subject, account_id, proof)
VALUES (%(provider)s, %(tenant)s, %(subject)s, %(account_id)s, 'import')
ON CONFLICT (provider, tenant, subject) DO NOTHING;

-- name: account_of_identity
SELECT account_id FROM identities WHERE provider = %(provider)s AND tenant = %(tenant)s AND subject = %(subject)s;

-- name: by_id
SELECT account_id FROM accounts WHERE account_id = %(account_id)s;

-- name: by_email
SELECT account_id FROM account_emails WHERE email_key = lower(btrim(%(email)s)) ORDER BY account_id;

-- name: one
SELECT created_at, display_name, permissions, password_hash IS NOT NULL AS has_password,
    (SELECT count(*) FROM account_work w WHERE w.account_id = a.account_id) AS work_done
FROM accounts a WHERE account_id = %(account_id)s;

-- name: emails
SELECT email FROM account_emails WHERE account_id = %(account_id)s ORDER BY email_key;

-- name: identities
SELECT provider, tenant, subject, proof, district, kind, linked_at FROM identities
WHERE account_id = %(account_id)s ORDER BY provider, tenant, subject;

-- name: people
SELECT district, kind, id, state, reason, roster_version FROM activations
WHERE account_id = %(account_id)s ORDER BY district, kind, id;

-- name: personal_classes
-- Those that the account made, and those that it joined.
SELECT class_id, name, 'teacher' AS part FROM personal_classes WHERE teacher = %(account_id)s
UNION ALL
SELECT class_id, name, 'student' FROM personal_students JOIN personal_classes USING (class_id)
WHERE student = %(account_id)s
ORDER BY name, class_id;
