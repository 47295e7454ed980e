-- What desk-feed writes. Every statement gives the same result however often, and (between topics) in whatever order,
-- its event is delivered.

-- name: tell
SELECT pg_notify('desk', %(district)s);

-- name: requested
INSERT INTO desk.nights (district, sync_id, began_at, requested_at, requested_for)
VALUES (%(district)s, %(sync_id)s, %(requested_at)s, %(requested_at)s, %(reason)s)
ON CONFLICT (district, sync_id) DO UPDATE
SET began_at = least(nights.began_at, excluded.began_at), requested_at = excluded.requested_at,
    requested_for = excluded.requested_for;

-- name: snapshot_started
-- A newer pull of the same sync voids what the one before it came to.
INSERT INTO desk.nights (district, sync_id, began_at, snapshot_id, provider, snapshot_started_at)
VALUES (%(district)s, %(sync_id)s, %(started_at)s, %(snapshot_id)s, %(provider)s, %(started_at)s)
ON CONFLICT (district, sync_id) DO UPDATE
SET began_at = least(nights.began_at, excluded.began_at), snapshot_id = excluded.snapshot_id,
    provider = excluded.provider, snapshot_started_at = excluded.snapshot_started_at, pulled_at = NULL, records = NULL,
    proofs = NULL, defects = NULL, aborted_at = NULL, failure_code = NULL, failure_text = NULL
WHERE nights.snapshot_started_at IS NULL OR nights.snapshot_started_at < excluded.snapshot_started_at;

-- name: snapshot_completed
INSERT INTO desk.nights (district, sync_id, began_at, snapshot_id, pulled_at, records, proofs, defects)
VALUES (%(district)s, %(sync_id)s, %(completed_at)s, %(snapshot_id)s, %(completed_at)s, %(records)s, %(proofs)s,
        %(defects)s)
ON CONFLICT (district, sync_id) DO UPDATE
SET began_at = least(nights.began_at, excluded.began_at), snapshot_id = excluded.snapshot_id,
    pulled_at = excluded.pulled_at, records = excluded.records, proofs = excluded.proofs, defects = excluded.defects
WHERE nights.snapshot_id IS NULL OR nights.snapshot_id = excluded.snapshot_id;

-- name: snapshot_aborted
INSERT INTO desk.nights (district, sync_id, began_at, snapshot_id, aborted_at, failure_code, failure_text)
VALUES (%(district)s, %(sync_id)s, %(aborted_at)s, %(snapshot_id)s, %(aborted_at)s, %(code)s, %(text)s)
ON CONFLICT (district, sync_id) DO UPDATE
SET began_at = least(nights.began_at, excluded.began_at), snapshot_id = excluded.snapshot_id,
    aborted_at = excluded.aborted_at, failure_code = excluded.failure_code, failure_text = excluded.failure_text
WHERE nights.snapshot_id IS NULL OR nights.snapshot_id = excluded.snapshot_id;

-- name: compared
INSERT INTO desk.nights (district, sync_id, began_at, change_set, base_version, changes, counts, compared_at)
VALUES (%(district)s, %(sync_id)s, %(started_at)s, %(change_set)s, %(base_version)s, %(changes)s, %(counts)s,
        %(started_at)s)
ON CONFLICT (district, sync_id) DO UPDATE
SET began_at = least(nights.began_at, excluded.began_at), change_set = excluded.change_set,
    base_version = excluded.base_version, changes = excluded.changes, counts = excluded.counts,
    compared_at = excluded.compared_at
WHERE nights.compared_at IS NULL OR nights.compared_at <= excluded.compared_at;

-- name: synced
INSERT INTO desk.nights (district, sync_id, began_at, change_set, roster_version, updates, totals, synced_at)
VALUES (%(district)s, %(sync_id)s, %(synced_at)s, %(change_set)s, %(roster_version)s, %(updates)s, %(totals)s,
        %(synced_at)s)
ON CONFLICT (district, sync_id) DO UPDATE
SET began_at = least(nights.began_at, excluded.began_at), change_set = excluded.change_set,
    roster_version = excluded.roster_version, updates = excluded.updates, totals = excluded.totals,
    synced_at = excluded.synced_at
WHERE nights.synced_at IS NULL OR nights.synced_at <= excluded.synced_at;

-- name: school
INSERT INTO desk.schools (district, id, name, roster_version)
VALUES (%(district)s, %(id)s, %(name)s, %(roster_version)s)
ON CONFLICT (district, id) DO UPDATE
SET name = excluded.name, roster_version = excluded.roster_version
WHERE schools.roster_version <= excluded.roster_version;

-- name: notice
INSERT INTO desk.notices (district, code, subject_id, text, noticed_at)
VALUES (%(district)s, %(code)s, %(subject_id)s, %(text)s, %(noticed_at)s)
ON CONFLICT DO NOTHING;

-- name: decision
INSERT INTO desk.decisions (event_id, district, change_set, decision, reviewer, reason, decided_at, published)
VALUES (%(event_id)s, %(district)s, %(change_set)s, %(decision)s, %(reviewer)s, %(reason)s, %(decided_at)s,
        %(published)s)
ON CONFLICT (event_id) DO UPDATE SET published = decisions.published OR excluded.published;

-- name: refused
INSERT INTO desk.refusals (event_id, change_set, decision, reviewer, text, refused_at)
VALUES (%(event_id)s, %(change_set)s, %(decision)s, %(reviewer)s, %(text)s, %(refused_at)s)
ON CONFLICT DO NOTHING;

-- name: awaits
-- The same approval is told anew where it goes on with the same set of a later night.
INSERT INTO desk.waiting_approvals (event_id, district, change_set, reviewer, waits_for, until, text, awaits_since,
                                    partition, last_offset)
VALUES (%(event_id)s, %(district)s, %(change_set)s, %(reviewer)s, %(waits_for)s, %(until)s, %(text)s,
        %(awaits_since)s, %(partition)s, %(offset)s)
ON CONFLICT (event_id) DO UPDATE
SET waits_for = excluded.waits_for, until = excluded.until, text = excluded.text,
    awaits_since = excluded.awaits_since, last_offset = excluded.last_offset
WHERE waiting_approvals.last_offset < excluded.last_offset;

-- name: held_started
-- Guard may judge a held set again, after a pause: then the reasons are the newer ones.
INSERT INTO desk.held_sets (district, change_set, snapshot_id, sync_id, partition, first_offset, base_version, changes,
                            chunks, counts, reasons, limits, proofs, defects, emptied_schools, renumbered,
                            classes_without_teacher, students_without_class, content, held_by, started_at, held_at)
VALUES (%(district)s, %(change_set)s, %(snapshot_id)s, %(sync_id)s, %(partition)s, %(offset)s, %(base_version)s,
        %(changes)s, %(chunks)s, %(counts)s, %(reasons)s, %(limits)s, %(proofs)s, %(defects)s, %(emptied_schools)s,
        %(renumbered)s, %(classes_without_teacher)s, %(students_without_class)s, %(content)s, %(held_by)s,
        %(started_at)s, %(held_at)s)
ON CONFLICT (change_set, snapshot_id) DO UPDATE
SET reasons = excluded.reasons, limits = excluded.limits, held_by = excluded.held_by
WHERE held_sets.state = 'held';

-- name: chunk
INSERT INTO desk.held_chunks (held_set, chunk, changes)
SELECT held_set, %(chunk)s, %(changes)s FROM desk.held_sets
WHERE district = %(district)s AND change_set = %(change_set)s AND snapshot_id = %(snapshot_id)s
    AND changes_deleted_at IS NULL
ON CONFLICT DO NOTHING
RETURNING held_set;

-- name: copy_changes
COPY desk.held_changes (held_set, place, beside, op, kind, id, title, schools, digest, before, record) FROM STDIN;

-- name: whole
-- The set's number, once everything that its header promised is here, unless that is known already.
SELECT held_set FROM desk.held_sets s
WHERE district = %(district)s AND change_set = %(change_set)s AND snapshot_id = %(snapshot_id)s
    AND whole_at IS NULL AND changes_deleted_at IS NULL
    AND (chunks, changes) =
        (SELECT count(*), coalesce(sum(c.changes), 0) FROM desk.held_chunks c
         WHERE c.held_set = s.held_set AND c.chunk <= s.chunks)
FOR UPDATE;

-- name: plan_without_statistics
-- What was copied just now is not in the statistics yet: a nested loop, chosen for a few rows, would meet them all.
SET LOCAL enable_nestloop = off;

-- name: pair
-- Renumbered: one who leaves and one who comes, alone with the same email, else the same number; classes by school and
-- name, schools by number, else name.
WITH keys AS (
    SELECT c.place, c.op, c.kind, c.id, k.rank, k.key
    FROM desk.held_changes c
    CROSS JOIN LATERAL (SELECT coalesce(c.before, c.record) AS it) r
    CROSS JOIN LATERAL (VALUES
        (1, CASE c.kind WHEN 'classes' THEN (it ->> 'school') || chr(31) || (it ->> 'name')
                        WHEN 'schools' THEN nullif(it ->> 'number', '')
                        ELSE nullif(lower(it ->> 'email'), '') END),
        (2, CASE c.kind WHEN 'classes' THEN NULL
                        WHEN 'schools' THEN it ->> 'name'
                        ELSE nullif(it ->> 'number', '') END)
    ) AS k (rank, key)
    WHERE c.held_set = %(held_set)s AND c.op <> 'updated' AND k.key IS NOT NULL
), agreeing AS (
    SELECT rank, min(place) FILTER (WHERE op = 'removed') AS leaving, min(id) FILTER (WHERE op = 'removed') AS leaving_id,
           min(place) FILTER (WHERE op = 'created') AS coming, min(id) FILTER (WHERE op = 'created') AS coming_id
    FROM keys GROUP BY kind, rank, key
    HAVING count(*) FILTER (WHERE op = 'removed') = 1 AND count(*) FILTER (WHERE op = 'created') = 1
), best_of_leaving AS (
    SELECT DISTINCT ON (leaving) * FROM agreeing ORDER BY leaving, rank
), pairs AS (
    SELECT DISTINCT ON (coming) * FROM best_of_leaving ORDER BY coming, rank, leaving
)
UPDATE desk.held_changes c
SET same_as = p.other, beside = p.beside
FROM (
    SELECT leaving AS place, coming_id AS other, least(leaving, coming) AS beside FROM pairs
    UNION ALL
    SELECT coming, leaving_id, least(leaving, coming) FROM pairs
) p
WHERE c.held_set = %(held_set)s AND c.place = p.place;

-- name: by_school
INSERT INTO desk.held_change_schools (held_set, school, place)
SELECT held_set, unnest(schools), place FROM desk.held_changes WHERE held_set = %(held_set)s;

-- name: count
INSERT INTO desk.held_counts (held_set, school, kind, op, changes)
SELECT held_set, '', kind, op, count(*) FROM desk.held_changes
WHERE held_set = %(held_set)s GROUP BY held_set, kind, op
UNION ALL
SELECT held_set, school, kind, op, count(*)
FROM desk.held_changes JOIN desk.held_change_schools USING (held_set, place)
WHERE held_set = %(held_set)s AND school <> '' GROUP BY held_set, school, kind, op;

-- name: name_schools
-- A held change names a school that no update has named yet.
INSERT INTO desk.schools (district, id, name, roster_version)
SELECT s.district, c.id, c.title, s.base_version
FROM desk.held_sets s JOIN desk.held_changes c USING (held_set)
WHERE s.held_set = %(held_set)s AND c.kind = 'schools' AND c.title IS NOT NULL
ON CONFLICT DO NOTHING;

-- name: compare
-- What only one of this set and the whole one before it would do; updates are the same that make the same record.
WITH previous AS (
    SELECT p.held_set
    FROM desk.held_sets s JOIN desk.held_sets p ON p.district = s.district AND p.held_set < s.held_set
    WHERE s.held_set = %(held_set)s AND p.whole_at IS NOT NULL AND p.changes_deleted_at IS NULL
    ORDER BY p.held_set DESC LIMIT 1
), differing AS (
    SELECT kind, op, count(*) FILTER (WHERE b.id IS NULL) AS only_here, count(*) FILTER (WHERE a.id IS NULL) AS only_before
    FROM (SELECT kind, op, id, coalesce(digest, '') AS digest FROM desk.held_changes WHERE held_set = %(held_set)s) a
    FULL JOIN (SELECT kind, op, id, coalesce(digest, '') AS digest FROM desk.held_changes
               WHERE held_set = (SELECT held_set FROM previous)) b USING (kind, op, id, digest)
    WHERE a.id IS NULL OR b.id IS NULL
    GROUP BY kind, op
)
UPDATE desk.held_sets
SET compared_with = previous.held_set,
    differences = coalesce((SELECT jsonb_agg(to_jsonb(differing) ORDER BY kind, op) FROM differing), '[]')
FROM previous
WHERE held_sets.held_set = %(held_set)s;

-- name: set_whole
UPDATE desk.held_sets SET whole_at = %(completed_at)s WHERE held_set = %(held_set)s;

-- name: ended
-- Of what was held before this event, and never the set that the same sync brought in place of it.
UPDATE desk.held_sets
SET state = %(state)s, ended_at = %(ended_at)s, ended_by = %(ended_by)s, ended_reason = %(ended_reason)s,
    superseded_by = %(superseded_by)s
WHERE district = %(district)s AND change_set = %(change_set)s
    AND (state = 'held' OR (state = 'superseded' AND superseded_by IS NULL))
    AND partition = %(partition)s AND first_offset < %(offset)s
    AND (%(sync_id)s::text IS NULL OR (sync_id <> %(sync_id)s) = (%(state)s = 'superseded'));

-- name: overtaken
-- The roster has moved on past the version of a set that nobody has told the end of: it can be applied no more.
UPDATE desk.held_sets SET state = 'superseded', ended_at = %(synced_at)s
WHERE district = %(district)s AND state = 'held' AND base_version < %(roster_version)s
    AND change_set <> %(change_set)s;

-- name: forget_nights
-- Nights of long ago, but the newest of each district and those of sets that were held.
DELETE FROM desk.nights WHERE (district, sync_id) IN (
    SELECT old.district, old.sync_id FROM desk.nights old
    WHERE old.began_at < %(before)s
        AND EXISTS (SELECT FROM desk.nights n WHERE n.district = old.district AND n.began_at > old.began_at)
        AND NOT EXISTS (SELECT FROM desk.held_sets h WHERE h.district = old.district AND h.sync_id = old.sync_id)
    LIMIT %(batch)s);

-- name: outlived
SELECT held_set FROM desk.held_sets
WHERE ended_at < %(before)s AND changes_deleted_at IS NULL
ORDER BY held_set FOR UPDATE SKIP LOCKED LIMIT 1;

-- name: delete_schools_of_changes
DELETE FROM desk.held_change_schools WHERE held_set = %(held_set)s;

-- name: delete_changes
DELETE FROM desk.held_changes WHERE held_set = %(held_set)s;

-- name: delete_chunks
DELETE FROM desk.held_chunks WHERE held_set = %(held_set)s;

-- name: deleted
UPDATE desk.held_sets SET changes_deleted_at = %(at)s WHERE held_set = %(held_set)s;
