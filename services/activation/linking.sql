-- name: news
-- What the roster says of this person that no update has brought to activation yet.
SELECT p.kind, p.roster_version, p.email, p.number, p.birth_date, p.given, p.family
FROM (SELECT 'teachers' AS kind, district, id, roster_version, email, number, NULL AS birth_date, given, family
      FROM teachers WHERE district = %(district)s AND id = %(id)s
      UNION ALL
      SELECT 'students', district, id, roster_version, email, number, birth_date, given, family
      FROM students WHERE district = %(district)s AND id = %(id)s) p
LEFT JOIN activations a USING (district, kind, id)
WHERE a.id IS NULL OR a.roster_version < p.roster_version;

-- name: person
-- Who is there under this id, what they are called at their provider, and whose account that is.
SELECT i.account_id, i.proof, a.account_id
FROM activations a JOIN district_tenants t USING (district)
LEFT JOIN identities i ON i.provider = t.provider AND i.tenant = t.tenant AND i.subject = a.id
WHERE a.district = %(district)s AND a.kind IN ('teachers', 'students') AND a.id = %(id)s AND a.state <> 'deactivated'
LIMIT 1;

-- name: account
SELECT FROM accounts WHERE account_id = %(account_id)s;

-- name: holders
-- Others of the district who are there and have this account: whether they said so themselves, or a reviewer for them.
SELECT coalesce(i.proof, 'email') <> 'email'
FROM activations o JOIN district_tenants t USING (district)
LEFT JOIN identities i ON i.provider = t.provider AND i.tenant = t.tenant AND i.subject = o.id
WHERE o.account_id = %(account_id)s AND o.district = %(district)s AND o.id <> %(id)s
UNION ALL
SELECT true
FROM identities i JOIN activations o ON o.id = i.subject COLLATE "default"
JOIN district_tenants t ON t.district = o.district AND t.provider = i.provider AND t.tenant = i.tenant
WHERE i.account_id = %(account_id)s AND i.proof <> 'email'
  AND o.district = %(district)s AND o.id <> %(id)s AND o.state <> 'deactivated';

-- name: make_room
-- Who the account was remembered with in the district by less than this: who has left, who was found by email alone.
DELETE FROM identities i USING district_tenants t
WHERE t.district = %(district)s AND i.district = t.district AND i.account_id = %(account_id)s
  AND (i.provider, i.tenant, i.subject) <> (t.provider, t.tenant, %(id)s)
RETURNING i.subject;

-- name: link
INSERT INTO identities AS i
    (provider, tenant, subject, account_id, proof, district, kind, number, birth_date, name_key)
SELECT t.provider, t.tenant, a.id, %(account_id)s, %(proof)s, a.district, a.kind, a.number, a.birth_date, a.name_key
FROM activations a JOIN district_tenants t USING (district)
WHERE a.district = %(district)s AND a.kind IN ('teachers', 'students') AND a.id = %(id)s AND a.state <> 'deactivated'
ORDER BY a.kind LIMIT 1
ON CONFLICT (provider, tenant, subject) DO UPDATE
SET account_id = excluded.account_id, proof = excluded.proof, district = excluded.district, linked_at = now();
