-- name: stage
-- What a change set does, as it arrives: the connection's own, without a log, gone with it.
CREATE TEMPORARY TABLE staged (
    chunk integer NOT NULL,
    place_in_chunk integer NOT NULL,
    op text NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    before_digest bytea,
    digest bytea,
    record text
);

-- name: copy_staged
COPY staged (chunk, place_in_chunk, op, kind, id, before_digest, digest, record) FROM STDIN (FORMAT BINARY);

-- name: stage_places
-- The places of every class that is created or updated.
CREATE TEMPORARY TABLE staged_places AS
SELECT s.id AS class, p.part, p.person, p.is_primary
FROM staged s
CROSS JOIN LATERAL json_to_record(s.record::json) AS r(teachers text[], students text[])
CROSS JOIN LATERAL (
    SELECT 'teacher' AS part, t.person, t.ordinality = 1 AS is_primary
    FROM unnest(r.teachers) WITH ORDINALITY AS t(person, ordinality)
    UNION ALL
    SELECT 'student', t.person, false FROM unnest(r.students) AS t(person)
) p
WHERE s.kind = 'classes' AND s.op <> 'removed';

-- name: analyze
ANALYZE staged;

-- name: analyze_places
ANALYZE staged_places;

-- name: lock_roster
-- One change set of a district at a time.
SELECT r.roster_version, r.digest, d.setting_up
FROM rosters r JOIN districts d USING (district)
WHERE r.district = %(district)s
FOR UPDATE OF r;

-- name: in_ledger
SELECT roster_version FROM ledger WHERE change_set = %(change_set)s;

-- name: found_unchanged
-- A set without changes leaves nothing in the ledger; its night says that it has been here.
SELECT FROM nights WHERE sync_id = %(sync_id)s AND change_set = %(change_set)s AND state = 'unchanged';

-- name: remove_places
-- Places of touched classes that are not in their new rosters.
DELETE FROM places p USING staged s
WHERE p.district = %(district)s AND s.kind = 'classes' AND s.op <> 'created' AND p.class = s.id
  AND NOT EXISTS (
      SELECT FROM staged_places n WHERE n.class = p.class AND n.part = p.part AND n.person = p.person);

-- name: update_places
-- Teachers who become, or are no longer, the primary one.
UPDATE places p SET is_primary = n.is_primary
FROM staged_places n
WHERE p.district = %(district)s AND p.class = n.class AND p.part = n.part AND p.person = n.person
  AND p.is_primary <> n.is_primary;

-- name: create_places
INSERT INTO places (district, class, part, person, is_primary)
SELECT %(district)s, class, part, person, is_primary FROM staged_places
ON CONFLICT (district, class, part, person) DO NOTHING;

-- name: places_of_nobody
-- Places, new or left over, whose person is not in the roster: there must be none.
SELECT count(*) FROM (
    SELECT FROM staged_places n
    WHERE n.part = 'student' AND NOT EXISTS (
        SELECT FROM students t WHERE t.district = %(district)s AND t.id = n.person)
    UNION ALL
    SELECT FROM staged_places n
    WHERE n.part = 'teacher' AND NOT EXISTS (
        SELECT FROM teachers t WHERE t.district = %(district)s AND t.id = n.person)
    UNION ALL
    SELECT FROM staged s JOIN places p ON p.district = %(district)s AND p.person = s.id
        AND p.part = CASE s.kind WHEN 'students' THEN 'student' ELSE 'teacher' END
    WHERE s.op = 'removed' AND s.kind IN ('students', 'teachers')
) nobody;

-- name: publish_updates
-- Every record as it now is, with the version and its position in it (promise 10).
INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, source, subject, correlationid, causationid)
SELECT
    md5(concat_ws(E'\x1f', %(change_set)s::text, u.position)),
    'roster.updates',
    concat_ws('/', %(district)s::text, u.kind, u.id),
    concat_ws('.', 'dev.rollcall', u.word, u.op, 'v1'),
    CASE u.op WHEN 'removed' THEN
        json_build_object('district', %(district)s::text, 'roster_version', %(roster_version)s::bigint,
            'position', u.position, 'op', u.op, 'kind', u.kind, 'id', u.id)
    ELSE
        json_build_object('district', %(district)s::text, 'roster_version', %(roster_version)s::bigint,
            'position', u.position, 'op', u.op, 'kind', u.kind, 'id', u.id,
            'digest', encode(u.digest, 'hex'), 'record', u.record::json)
    END::text,
    '/rollcall/apply',
    concat_ws('/', %(district)s::text, u.kind, u.id),
    %(sync_id)s,
    %(change_set)s
FROM (
    SELECT op, kind, id, digest, record,
        CASE kind WHEN 'schools' THEN 'school' WHEN 'teachers' THEN 'teacher'
                  WHEN 'students' THEN 'student' ELSE 'class' END AS word,
        row_number() OVER (ORDER BY chunk, place_in_chunk) AS position
    FROM staged
) u
ORDER BY u.position;

-- name: move_roster_on
UPDATE rosters
SET roster_version = %(roster_version)s, digest = %(digest)s, schools = %(schools)s, teachers = %(teachers)s,
    students = %(students)s, classes = %(classes)s, places = %(places)s, synced_at = %(applied_at)s
WHERE district = %(district)s AND roster_version = %(base_version)s;

-- name: end_setting_up
UPDATE districts SET setting_up = false WHERE district = %(district)s AND setting_up;

-- name: write_ledger
INSERT INTO ledger (district, roster_version, change_set, sync_id, approval, counts, proofs, defects, updates, digest,
                    applied_at)
VALUES (%(district)s, %(roster_version)s, %(change_set)s, %(sync_id)s, %(approval)s, %(counts)s, %(proofs)s,
        %(defects)s, %(updates)s, %(digest)s, %(applied_at)s);
