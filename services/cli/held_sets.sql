-- name: waiting
-- What waits for a person, and what has been approved and is on its way.
SELECT change_set, district, sync_id, snapshot_id, base_version, counts, reasons, changes, chunks, state, held_at,
       held_partition, first_offset, last_offset, decided_by, decision_reason, decided_at, superseded_by
FROM holds WHERE state IN ('held', 'approved') ORDER BY held_at;

-- name: all
SELECT change_set, district, sync_id, snapshot_id, base_version, counts, reasons, changes, chunks, state, held_at,
       held_partition, first_offset, last_offset, decided_by, decision_reason, decided_at, superseded_by
FROM holds ORDER BY held_at;

-- name: beginning_with
SELECT change_set, district, sync_id, snapshot_id, base_version, counts, reasons, changes, chunks, state, held_at,
       held_partition, first_offset, last_offset, decided_by, decision_reason, decided_at, superseded_by
FROM holds WHERE starts_with(change_set, %(prefix)s) ORDER BY change_set LIMIT 5;
