-- name: stage
-- What a change set does, as it arrives: the connection's own, without a log, gone with it. And what is to be told of
-- each chunk, packed: of the kind 'chunks', with its number for an id. Then the places that changed classes gain and
-- lose as staged, those of classes that go added by stage_lost_places; and what that makes of each person's classes.
SET temp_buffers = '64MB';
SET work_mem = '64MB';
CREATE TEMPORARY TABLE IF NOT EXISTS staged (
    op text NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    before_digest bytea,
    digest bytea,
    record text STORAGE EXTERNAL
);

CREATE TEMPORARY TABLE IF NOT EXISTS staged_places (
    op text NOT NULL,
    class text NOT NULL,
    part text NOT NULL,
    person text NOT NULL
);
CREATE TEMPORARY TABLE IF NOT EXISTS moved (
    person text NOT NULL,
    gained text[] NOT NULL,
    lost text[] NOT NULL
);

-- name: copy_staged
COPY staged (op, kind, id, before_digest, digest, record) FROM STDIN (FORMAT BINARY);

-- name: copy_places
COPY staged_places (op, class, part, person) FROM STDIN (FORMAT BINARY);

-- name: stage_lost_places
INSERT INTO staged_places (op, class, part, person)
SELECT 'removed', c.id, p.part, p.person
FROM staged s JOIN classes c ON c.district = %(district)s AND c.id = s.id
CROSS JOIN LATERAL (
    SELECT 'teacher' AS part, unnest(c.teachers) AS person UNION ALL SELECT 'student', unnest(c.students)) p
WHERE s.kind = 'classes' AND s.op = 'removed';

-- name: forget_moved
-- Of one part before the other; to truncate it costs more than all that a small set has in it.
DELETE FROM moved;

-- name: gather_moved
-- Everybody of one part whose classes change; the classes that are new stand in their table already.
INSERT INTO moved (person, gained, lost)
SELECT person, coalesce(array_agg(class) FILTER (WHERE gains), '{}'),
    coalesce(array_agg(class) FILTER (WHERE NOT gains), '{}')
FROM (
    SELECT person, class, op = 'created' AS gains FROM staged_places WHERE part = %(part)s
    UNION ALL
    SELECT p.person, c.id, true
    FROM staged s JOIN classes c ON c.district = %(district)s AND c.id = s.id
    CROSS JOIN LATERAL unnest(CASE %(part)s WHEN 'teacher' THEN c.teachers ELSE c.students END) AS p (person)
    WHERE s.kind = 'classes' AND s.op = 'created'
) place
GROUP BY person;

-- name: analyze_moved
ANALYZE moved (person);

-- name: count_moved
SELECT count(*), coalesce(sum(cardinality(gained)), 0)::bigint, coalesce(sum(cardinality(lost)), 0)::bigint FROM moved;

-- name: analyze
ANALYZE staged (op, kind, id);

-- name: staged_bytes
-- How long the longest of the tables has become, with what was deleted from it.
SELECT greatest(pg_relation_size('staged'), pg_relation_size('staged_places'), pg_relation_size('moved'));

-- name: unstage
DELETE FROM staged;
DELETE FROM staged_places;
DELETE FROM moved;

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

-- name: publish_updates
-- A row a chunk (`services.apply.chunks` has the payload); a row an update cost as much as the merge of its record.
INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, source, subject, correlationid, causationid)
SELECT
    md5(concat_ws(E'\x1f', %(change_set)s::text, 'chunk', id)), 'roster.updates', %(district)s, %(packed)s,
    concat('{"district":', to_json(%(district)s::text), ',"roster_version":', %(roster_version)s::bigint,
        ',"before":', (%(before)s::bigint[])[id::integer], ',"chunk":"', record, '"}'),
    '/rollcall/apply', %(district)s, %(sync_id)s, %(change_set)s
FROM staged WHERE kind = 'chunks' AND op = 'told' ORDER BY id::integer;

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

-- name: outgrown
-- The tables of which this change set made more than a tenth of what they were known to have.
SELECT c.relname
FROM unnest(%(kinds)s::text[], %(created)s::bigint[]) AS made (kind, records) JOIN pg_class c ON c.oid = made.kind::regclass
WHERE made.records > c.reltuples / 10;
