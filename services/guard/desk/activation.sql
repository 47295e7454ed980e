-- What the desk keeps and shows of activation.

-- name: conflict
INSERT INTO desk.conflicts (district, kind, id, state, reason, text, candidates, since, changed_at, last_offset)
VALUES (%(district)s, %(kind)s, %(id)s, 'conflict', %(reason)s, %(text)s, %(candidates)s, %(told_at)s, %(told_at)s,
        %(offset)s)
ON CONFLICT (district, kind, id) DO UPDATE
SET state = 'conflict', reason = excluded.reason, text = excluded.text, candidates = excluded.candidates,
    account_id = NULL, ended_text = NULL, changed_at = excluded.changed_at, last_offset = excluded.last_offset,
    since = CASE WHEN conflicts.state = 'conflict' THEN conflicts.since ELSE excluded.since END
WHERE conflicts.last_offset < excluded.last_offset;

-- name: in_conflict_once
SELECT district, kind, id FROM desk.conflicts
JOIN unnest(%(districts)s::text[], %(kinds)s::text[], %(ids)s::text[]) AS told (district, kind, id)
    USING (district, kind, id);

-- name: settled
UPDATE desk.conflicts
SET state = %(state)s, account_id = %(account_id)s, ended_text = %(text)s, changed_at = %(told_at)s,
    last_offset = %(offset)s
WHERE district = %(district)s AND kind = %(kind)s AND id = %(id)s AND last_offset < %(offset)s;

-- name: resolution
INSERT INTO desk.resolutions (event_id, district, kind, id, account_id, reviewer, reason, decided_at, published)
VALUES (%(event_id)s, %(district)s, %(kind)s, %(id)s, %(account_id)s, %(reviewer)s, %(reason)s, %(decided_at)s,
        %(published)s)
ON CONFLICT (event_id) DO UPDATE SET published = resolutions.published OR excluded.published;

-- name: open
SELECT district, kind, id, state, reason, text, candidates, account_id, ended_text, since, changed_at
FROM desk.conflicts WHERE state = 'conflict' AND (%(district)s::text IS NULL OR district = %(district)s)
ORDER BY since, district, kind, id LIMIT %(most)s OFFSET %(skip)s;

-- name: settled_last
SELECT district, kind, id, state, reason, text, candidates, account_id, ended_text, since, changed_at
FROM desk.conflicts WHERE state <> 'conflict' AND (%(district)s::text IS NULL OR district = %(district)s)
ORDER BY changed_at DESC LIMIT %(most)s;

-- name: open_by_district
SELECT district, count(*) FROM desk.conflicts WHERE state = 'conflict' GROUP BY district;

-- name: one
SELECT district, kind, id, state, reason, text, candidates, account_id, ended_text, since, changed_at
FROM desk.conflicts WHERE district = %(district)s AND kind = %(kind)s AND id = %(id)s;

-- name: person
SELECT sharing_email,
    ARRAY(SELECT coalesce(s.name, u.id)
          FROM unnest(p.schools) AS u (id) LEFT JOIN desk.schools s ON s.district = p.district AND s.id = u.id
          ORDER BY 1) AS schools
FROM desk.conflict_people p WHERE district = %(district)s AND kind = %(kind)s AND id = %(id)s;

-- name: person_names
SELECT display_name, email, number FROM desk.conflict_people
WHERE district = %(district)s AND kind = %(kind)s AND id = %(id)s;

-- name: accounts
SELECT account_id, created_at, same_email, same_id, people FROM desk.conflict_accounts
WHERE district = %(district)s AND kind = %(kind)s AND id = %(id)s ORDER BY created_at, account_id;

-- name: account_names
SELECT account_id, display_name, emails FROM desk.conflict_accounts
WHERE district = %(district)s AND kind = %(kind)s AND id = %(id)s;

-- name: resolutions
SELECT r.event_id, r.account_id, r.reviewer, r.reason, r.decided_at, a.refusal, a.taken_at
FROM desk.resolutions r LEFT JOIN desk.resolution_answers a USING (event_id)
WHERE r.district = %(district)s AND r.kind = %(kind)s AND r.id = %(id)s
ORDER BY r.decided_at, r.event_id;

-- name: look
INSERT INTO desk.conflict_looks (reviewer, district, kind, id) VALUES (%(reviewer)s, %(district)s, %(kind)s, %(id)s);

-- name: kinds
SELECT kind, state, people FROM desk.activation_of_kinds WHERE district = %(district)s;

-- name: schools
SELECT a.school, coalesce(s.name, a.school) AS name, a.kind, a.state, a.people
FROM desk.activation_of_schools a LEFT JOIN desk.schools s ON s.district = a.district AND s.id = a.school
WHERE a.district = %(district)s;

-- name: classes
SELECT a.class AS class_, a.name, a.school, coalesce(s.name, a.school) AS school_name, a.students, a.students_activated,
    a.students_required, a.students_conflict, a.teachers, a.teachers_activated, a.teachers_required, a.teachers_conflict
FROM desk.activation_of_classes a LEFT JOIN desk.schools s ON s.district = a.district AND s.id = a.school
WHERE a.district = %(district)s
ORDER BY a.students_activated::numeric / nullif(a.students, 0) NULLS LAST, a.students DESC, a.name, a.class;
