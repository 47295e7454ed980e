-- name: district
SELECT setting_up FROM districts WHERE district = %(district)s;

-- name: judge
-- The first judgement of a change set and snapshot is the one that counts, however often it is delivered.
INSERT INTO judgements (change_set, snapshot_id, district, verdict, reasons, counts)
VALUES (%(change_set)s, %(snapshot_id)s, %(district)s, %(verdict)s, %(reasons)s, %(counts)s)
ON CONFLICT (change_set, snapshot_id) DO NOTHING;

-- name: judgement
SELECT reasons, judged_at FROM judgements WHERE change_set = %(change_set)s AND snapshot_id = %(snapshot_id)s;

-- name: supersede
-- What was held before this set was first judged gives way to it. A set that is delivered again, late, leaves what
-- came after it alone.
UPDATE holds SET state = 'superseded', superseded_by = %(change_set)s
WHERE district = %(district)s AND state IN ('held', 'approved') AND snapshot_id <> %(snapshot_id)s
    AND held_at < %(judged_at)s;

-- name: superseded_by
SELECT change_set FROM holds
WHERE district = %(district)s AND state = 'superseded' AND superseded_by = %(change_set)s;

-- name: hold
-- The same set of a later snapshot is held anew. The last decision stays on record, so that its message, delivered
-- again, is not taken for one about this snapshot.
INSERT INTO holds (change_set, district, sync_id, snapshot_id, base_version, counts, reasons, changes, chunks, state,
                   held_at, held_partition, first_offset, last_offset)
VALUES (%(change_set)s, %(district)s, %(sync_id)s, %(snapshot_id)s, %(base_version)s, %(counts)s, %(reasons)s,
        %(changes)s, %(chunks)s, 'held', now(), %(held_partition)s, %(first_offset)s, %(last_offset)s)
ON CONFLICT (change_set) DO UPDATE
SET sync_id = excluded.sync_id, snapshot_id = excluded.snapshot_id, reasons = excluded.reasons,
    changes = excluded.changes, chunks = excluded.chunks, state = 'held', held_at = excluded.held_at,
    held_partition = excluded.held_partition, first_offset = excluded.first_offset,
    last_offset = excluded.last_offset, superseded_by = NULL
WHERE holds.snapshot_id <> excluded.snapshot_id;

-- name: one
SELECT change_set, district, sync_id, snapshot_id, state, held_partition, first_offset, last_offset, decided_by,
       decision_reason, decided_at
FROM holds WHERE change_set = %(change_set)s;

-- name: decide
-- Only what is held can be decided, and each decision once.
UPDATE holds
SET state = %(state)s, decided_by = %(reviewer)s, decision_reason = %(reason)s, decided_at = %(decided_at)s
WHERE change_set = %(change_set)s AND district = %(district)s AND state = 'held'
    AND (decided_by, decided_at) IS DISTINCT FROM (%(reviewer)s, %(decided_at)s)
RETURNING change_set;

-- name: released
UPDATE holds SET state = 'released' WHERE change_set = %(change_set)s AND state = 'approved';

-- name: expire
-- It was approved, and is no longer whole on roster.held: a fresh sync takes its place.
UPDATE holds SET state = 'superseded' WHERE change_set = %(change_set)s AND state = 'approved' RETURNING change_set;
