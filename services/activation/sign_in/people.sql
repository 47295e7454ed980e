-- name: districts_of_tenant
-- The districts that a provider means by this tenant.
SELECT district FROM districts
WHERE provider = %(provider)s AND tenant_id = %(tenant)s ORDER BY district;

-- name: timezone
SELECT timezone FROM districts WHERE district = %(district)s;

-- name: lock_person
-- What is done twice, or in two windows, is done one after the other.
SELECT pg_advisory_xact_lock(hashtextextended('sign-in/' || %(district)s::text || '/' || %(id)s::text, 0));

-- name: lock_email
SELECT pg_advisory_xact_lock(hashtextextended('email/' || %(email)s::text, 0));

-- name: rostered
-- A person as rostered, once for each kind that they are.
SELECT p.kind, p.given, p.display_name, p.email, a.state, a.account_id::text, i.proof, i.account_id::text,
    cardinality(p.classes),
    sign_in.age(%(district)s, p.kind, %(id)s, %(today)s)
FROM (
    SELECT 'teachers' AS kind, given, display_name, email, classes FROM teachers
    WHERE district = %(district)s AND id = %(id)s
    UNION ALL
    SELECT 'students', given, display_name, email, classes FROM students
    WHERE district = %(district)s AND id = %(id)s
) p
LEFT JOIN activations a ON a.district = %(district)s AND a.kind = p.kind AND a.id = %(id)s
LEFT JOIN district_tenants t ON t.district = %(district)s
LEFT JOIN identities i ON i.provider = t.provider AND i.tenant = t.tenant AND i.subject = %(id)s
ORDER BY p.kind DESC;

-- name: has_left
SELECT EXISTS (SELECT FROM activations WHERE district = %(district)s
    AND kind IN ('teachers', 'students') AND id = %(id)s AND state = 'deactivated');

-- name: classes
SELECT c.id, c.name
FROM (SELECT unnest(classes) AS class FROM teachers
      WHERE %(kind)s = 'teachers' AND district = %(district)s AND id = %(id)s
      UNION ALL
      SELECT unnest(classes) FROM students WHERE %(kind)s = 'students' AND district = %(district)s AND id = %(id)s) p
JOIN classes c ON c.district = %(district)s AND c.id = p.class
ORDER BY c.name, c.id;

-- name: email_is_free
-- No account has it, and nobody else in the district is rostered with it.
SELECT NOT EXISTS (SELECT FROM account_emails WHERE email_key = lower(btrim(%(email)s)))
   AND NOT EXISTS (SELECT FROM activations WHERE email_key = lower(btrim(%(email)s)) AND district = %(district)s
                   AND id <> %(id)s AND state <> 'deactivated');

-- name: make_account
INSERT INTO accounts (display_name, permissions) VALUES (nullif(btrim(%(display_name)s), ''), %(permissions)s)
RETURNING account_id::text;

-- name: add_email
INSERT INTO account_emails (account_id, email) VALUES (%(account_id)s, btrim(%(email)s));

-- name: follow_age
-- Permissions as the dates of birth of those whose account it is have them; unchanged where there is none.
UPDATE accounts a SET permissions = p.permissions
FROM (
    SELECT CASE WHEN bool_or(g.age = 'under 13') THEN 'limited' WHEN bool_or(g.age = '13 or older') THEN 'full' END
        AS permissions
    FROM activations v JOIN districts d USING (district)
    CROSS JOIN LATERAL sign_in.age(v.district, v.kind, v.id, (%(now)s AT TIME ZONE d.timezone)::date) AS g(age)
    WHERE v.account_id = %(account_id)s AND v.kind = 'students'
) p
WHERE a.account_id = %(account_id)s AND p.permissions <> a.permissions;

-- name: write_mail
-- One a person and address. Born on this day thirteen years ago counts once it is that day everywhere.
INSERT INTO sign_in.mails (code, district, kind, id, account_id, recipient)
SELECT %(code)s, %(district)s, %(kind)s, %(id)s, e.account_id, e.email
FROM account_emails e JOIN accounts a USING (account_id)
WHERE e.account_id = %(account_id)s AND a.permissions = 'full'
  AND sign_in.age(%(district)s, %(kind)s, %(id)s,
                  least(%(today)s::date, (now() AT TIME ZONE 'Etc/GMT+12')::date)) = '13 or older'
ON CONFLICT (district, kind, id, account_id, recipient) DO NOTHING;

-- name: account_before
-- Whose account its user opened under an earlier sourcedId; only where nobody is rostered under that any more.
SELECT i.account_id::text, i.birth_date, s.birth_date
FROM sign_in.classlink_users u
JOIN identities i ON i.provider = 'classlink' AND i.tenant = u.tenant AND i.subject = u.sourced_id
LEFT JOIN students s ON s.district = %(district)s AND s.id = %(id)s
WHERE u.tenant = %(tenant)s AND u.user_id = %(user_id)s AND u.sourced_id <> %(id)s
  AND i.district = %(district)s AND i.kind = %(kind)s
  AND NOT EXISTS (SELECT FROM teachers WHERE district = %(district)s AND id = u.sourced_id)
  AND NOT EXISTS (SELECT FROM students WHERE district = %(district)s AND id = u.sourced_id);

-- name: remember_user
INSERT INTO sign_in.classlink_users (tenant, user_id, sourced_id)
SELECT t.tenant, %(user_id)s, %(id)s FROM district_tenants t
WHERE t.district = %(district)s AND t.provider = 'classlink'
ON CONFLICT (tenant, user_id) DO UPDATE SET sourced_id = excluded.sourced_id, seen_at = now();

-- name: external_account
SELECT account_id::text FROM sign_in.external_logins WHERE issuer = %(issuer)s AND subject = %(subject)s;

-- name: accounts_with_email
SELECT account_id::text FROM account_emails WHERE email_key = lower(btrim(%(email)s)) ORDER BY account_id;

-- name: link_external
INSERT INTO sign_in.external_logins (issuer, subject, account_id) VALUES (%(issuer)s, %(subject)s, %(account_id)s)
ON CONFLICT (issuer, subject) DO NOTHING;
