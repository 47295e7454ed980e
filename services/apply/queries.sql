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
-- What becomes of places: of changed classes as staged, of new ones added by stage_new_places.
CREATE TEMPORARY TABLE staged_places (
    op text NOT NULL,
    class text NOT NULL,
    part text NOT NULL,
    person text NOT NULL,
    is_primary boolean NOT NULL
);

-- name: copy_places
COPY staged_places (op, class, part, person, is_primary) FROM STDIN (FORMAT BINARY);

-- name: stage_new_places
INSERT INTO staged_places (op, class, part, person, is_primary)
SELECT 'created', s.id, p.part, p.person, p.is_primary
FROM staged s
CROSS JOIN LATERAL json_to_record(s.record::json) AS r(teachers text[], students text[])
CROSS JOIN LATERAL (
    SELECT 'teacher' AS part, t.person, t.ordinality = 1 AS is_primary
    FROM unnest(r.teachers) WITH ORDINALITY AS t(person, ordinality)
    UNION ALL
    SELECT 'student', t.person, false FROM unnest(r.students) AS t(person)
) p
WHERE s.kind = 'classes' AND s.op = 'created';

-- name: analyze
ANALYZE staged (op, kind, id);

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
-- Places that changed classes lose.
DELETE FROM places p USING staged_places n
WHERE p.district = %(district)s AND n.op = 'removed'
  AND p.class = n.class AND p.part = n.part AND p.person = n.person;

-- name: remove_places_of_classes
DELETE FROM places p USING staged s
WHERE p.district = %(district)s AND s.kind = 'classes' AND s.op = 'removed' AND p.class = s.id;

-- name: update_places
-- Teachers who become, or are no longer, the primary one.
UPDATE places p SET is_primary = n.is_primary
FROM staged_places n
WHERE p.district = %(district)s AND n.op = 'updated'
  AND p.class = n.class AND p.part = n.part AND p.person = n.person;

-- name: create_places
INSERT INTO places (district, class, part, person, is_primary)
SELECT %(district)s, class, part, person, is_primary FROM staged_places WHERE op = 'created';

-- name: places_of_nobody
-- Places, new or left over, whose person is not in the roster: there must be none.
SELECT count(*) FROM (
    SELECT FROM staged_places n
    WHERE n.op = 'created' AND n.part = 'student' AND NOT EXISTS (
        SELECT FROM students t WHERE t.district = %(district)s AND t.id = n.person)
    UNION ALL
    SELECT FROM staged_places n
    WHERE n.op = 'created' AND n.part = 'teacher' AND NOT EXISTS (
        SELECT FROM teachers t WHERE t.district = %(district)s AND t.id = n.person)
    UNION ALL
    SELECT FROM staged s JOIN places p ON p.district = %(district)s AND p.person = s.id
        AND p.part = CASE s.kind WHEN 'students' THEN 'student' ELSE 'teacher' END
    WHERE s.op = 'removed' AND s.kind IN ('students', 'teachers')
) nobody;

-- name: publish_updates
-- Every record as it now is, with the version and its position in it (promise 10). The record's own text is put into the
-- payload as it is: it was read as JSON by the merge.
INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, source, subject, correlationid, causationid)
SELECT
    md5(concat_ws(E'\x1f', %(change_set)s::text, u.position)),
    'roster.updates',
    u.entity,
    concat('dev.rollcall.', u.word, '.', u.op, '.v1'),
    concat('{"district":"', %(district)s::text, '","roster_version":', %(roster_version)s::bigint,
        ',"position":', u.position, ',"op":"', u.op, '","kind":"', u.kind, '","id":', to_json(u.id),
        CASE WHEN u.op <> 'removed' THEN concat(',"digest":"', encode(u.digest, 'hex'), '","record":', u.record) END,
        '}'),
    '/rollcall/apply',
    u.entity,
    %(sync_id)s,
    %(change_set)s
FROM (
    SELECT s.op, s.kind, s.id, s.digest, s.record,
        CASE s.kind WHEN 'schools' THEN 'school' WHEN 'teachers' THEN 'teacher'
                    WHEN 'students' THEN 'student' ELSE 'class' END AS word,
        concat_ws('/', %(district)s::text, s.kind, s.id) AS entity,
        c.before + s.place_in_chunk + 1 AS position
    FROM staged s JOIN (
        SELECT chunk, sum(count(*)) OVER (ORDER BY chunk) - count(*) AS before FROM staged GROUP BY chunk
    ) c USING (chunk)
) u;

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
