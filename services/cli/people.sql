-- What the commands tell of rostered people.

-- name: by_key
SELECT district, kind, id FROM activations
WHERE district = %(district)s AND id = %(id)s AND (%(kind)s::text IS NULL OR kind = %(kind)s)
UNION
SELECT district, 'teachers', id FROM teachers
WHERE district = %(district)s AND id = %(id)s AND coalesce(%(kind)s::text, 'teachers') = 'teachers'
UNION
SELECT district, 'students', id FROM students
WHERE district = %(district)s AND id = %(id)s AND coalesce(%(kind)s::text, 'students') = 'students'
ORDER BY district, kind;

-- name: by_id
-- An id alone, in whichever districts it is known.
SELECT district, kind, id FROM activations WHERE id = %(id)s
UNION
SELECT t.district, 'teachers', t.id FROM rosters r JOIN teachers t ON t.district = r.district AND t.id = %(id)s
UNION
SELECT s.district, 'students', s.id FROM rosters r JOIN students s ON s.district = r.district AND s.id = %(id)s
ORDER BY district, kind;

-- name: by_email
SELECT district, kind, id FROM activations WHERE email_key = lower(btrim(%(email)s)) ORDER BY district, kind, id;

-- name: of_account
-- Whose it is, and whose it could be.
SELECT district, kind, id FROM activations WHERE account_id = %(account_id)s
UNION
SELECT district, kind, id FROM activations WHERE state = 'conflict' AND %(account_id)s = ANY (candidates)
ORDER BY district, kind, id;

-- name: rostered
-- The record as it is applied: the version at which it last changed, and the schools by name.
SELECT p.roster_version, l.applied_at,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('id', u.id, 'name', s.name) ORDER BY u.id), '[]')
     FROM unnest(p.schools) AS u (id) LEFT JOIN schools s ON s.district = %(district)s AND s.id = u.id) AS schools
FROM (SELECT roster_version, schools FROM teachers
      WHERE %(kind)s = 'teachers' AND district = %(district)s AND id = %(id)s
      UNION ALL
      SELECT roster_version, schools FROM students
      WHERE %(kind)s = 'students' AND district = %(district)s AND id = %(id)s) p
LEFT JOIN ledger l ON l.district = %(district)s AND l.roster_version = p.roster_version;

-- name: classes
SELECT c.id, c.name, c.school, %(kind)s = 'teachers' AND c.teachers[1] = %(id)s AS is_primary, c.roster_version
FROM (SELECT unnest(classes) AS class FROM teachers
      WHERE %(kind)s = 'teachers' AND district = %(district)s AND id = %(id)s
      UNION ALL
      SELECT unnest(classes) FROM students WHERE %(kind)s = 'students' AND district = %(district)s AND id = %(id)s) p
JOIN classes c ON c.district = %(district)s AND c.id = p.class
ORDER BY c.name, c.id;

-- name: activation
SELECT state, reason, account_id::text AS account_id, candidates::text[] AS candidates, roster_version
FROM activations WHERE district = %(district)s AND kind = %(kind)s AND id = %(id)s;

-- name: identities
-- As the provider of the district names them, whether they are rostered now or were.
SELECT i.provider, i.tenant, i.subject, i.account_id::text AS account_id, i.proof, i.district, i.kind, i.linked_at
FROM district_tenants t JOIN identities i ON i.provider = t.provider AND i.tenant = t.tenant
WHERE t.district = %(district)s AND i.subject = %(id)s;

-- name: nights
-- The nights that last changed the record, a class, or the activation.
SELECT roster_version, applied_at, sync_id, approval ->> 'by' AS let_through_by, approval ->> 'reviewer' AS reviewer
FROM ledger WHERE district = %(district)s AND roster_version = ANY (%(versions)s)
ORDER BY roster_version DESC LIMIT 5;

-- name: held
SELECT what, class, change_set, held_at FROM desk.held_changes_of_people
WHERE district = %(district)s AND kind = %(kind)s AND id = %(id)s
ORDER BY held_at DESC, class NULLS FIRST LIMIT 20;

-- name: conflicts
SELECT district, kind, id, reason, candidates::text[] AS candidates, roster_version, a.applied_at AS rostered_at
FROM activations LEFT JOIN LATERAL (
    SELECT applied_at FROM ledger l
    WHERE l.district = activations.district AND l.roster_version = activations.roster_version) a ON true
WHERE state = 'conflict' AND (%(district)s::text IS NULL OR district = %(district)s)
ORDER BY district, kind, id;

-- name: resolution
SELECT refusal FROM resolutions WHERE event_id = %(event_id)s;
