-- name: request
-- A sync has been asked for; asking twice for the same one changes nothing and returns no row.
INSERT INTO nights (sync_id, district, reason, state, requested_at)
VALUES (%(sync_id)s, %(district)s, %(reason)s, 'requested', %(requested_at)s)
ON CONFLICT (sync_id) DO NOTHING
RETURNING sync_id;

-- name: pulling
-- Ingest has begun to pull, or begins again after it was cut off; also for requests that came past the outbox.
INSERT INTO nights (sync_id, district, reason, state, requested_at, pulling_at, snapshot_id)
VALUES (%(sync_id)s, %(district)s, %(reason)s, 'pulling', %(requested_at)s, %(at)s, %(snapshot_id)s)
ON CONFLICT (sync_id) DO UPDATE
SET state = 'pulling', pulling_at = %(at)s, snapshot_id = excluded.snapshot_id, pulled = '{}',
    failure_code = NULL, failure_text = NULL, finished_at = NULL
WHERE nights.state IN ('requested', 'pulling', 'failed');

-- name: pulled
-- How many records of each kind have been pulled so far.
UPDATE nights SET pulled = %(pulled)s WHERE sync_id = %(sync_id)s AND state = 'pulling';

-- name: failed
-- The sync has ended without an effect; the reason is for people.
UPDATE nights
SET state = 'failed', finished_at = %(at)s, failure_code = %(code)s, failure_text = %(text)s
WHERE sync_id = %(sync_id)s AND state IN ('requested', 'pulling', 'comparing', 'approved');

-- name: comparing
-- The snapshot is whole; diff works out what it changes.
UPDATE nights SET state = 'comparing', snapshot_id = %(snapshot_id)s, defects = %(defects)s
WHERE sync_id = %(sync_id)s AND state IN ('requested', 'pulling', 'failed');

-- name: judged
-- The counts are known. Of what changes nothing diff has not said that it compares: nobody could have seen it.
UPDATE nights
SET state = CASE WHEN state = 'failed' THEN state ELSE 'comparing' END, change_set = %(change_set)s,
    snapshot_id = %(snapshot_id)s, counts = %(counts)s, defects = %(defects)s
WHERE sync_id = %(sync_id)s AND state IN ('requested', 'pulling', 'comparing', 'failed');

-- name: held
-- A person must look.
UPDATE nights
SET state = 'held', change_set = %(change_set)s, counts = %(counts)s, reasons = %(reasons)s, defects = %(defects)s,
    finished_at = %(at)s
WHERE sync_id = %(sync_id)s AND state IN ('requested', 'pulling', 'comparing', 'failed');

-- name: decided
-- A held change set has been approved, rejected or superseded.
UPDATE nights SET state = %(state)s
WHERE change_set = %(change_set)s AND state IN ('held', 'approved');

-- name: applied
-- The sync's change set is in the accounts database, or there was nothing to change.
UPDATE nights
SET state = %(state)s, change_set = %(change_set)s, roster_version = %(roster_version)s, counts = %(counts)s,
    defects = %(defects)s, finished_at = %(at)s, failure_code = NULL, failure_text = NULL
WHERE sync_id = %(sync_id)s AND state <> 'applied';

-- name: follow
-- The change set can no longer be applied: the roster or the calendar has moved on. A fresh sync takes its place.
UPDATE nights
SET state = 'failed', finished_at = %(at)s, failure_code = 'stale', failure_text = %(text)s, followed_by = %(followed_by)s
WHERE sync_id = %(sync_id)s AND state <> 'applied';

-- name: one
SELECT sync_id, district, reason, state, requested_at, pulling_at, finished_at, pulled, snapshot_id, change_set,
       roster_version, counts, reasons, defects, failure_code, failure_text, followed_by
FROM nights WHERE sync_id = %(sync_id)s;

-- name: last_of_each_district
SELECT DISTINCT ON (district) sync_id, district, reason, state, requested_at, pulling_at, finished_at, pulled,
       snapshot_id, change_set, roster_version, counts, reasons, defects, failure_code, failure_text, followed_by
FROM nights ORDER BY district, requested_at DESC;
