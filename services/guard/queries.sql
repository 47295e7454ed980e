-- name: judge
-- The first judgement of a change set and snapshot is the one that counts, however often it is delivered: it is given.
-- Nothing is given where the district is not registered.
INSERT INTO judgements (change_set, snapshot_id, district, verdict, reasons, counts, held_by, quiet, paused_until, limits,
                        judged_at)
SELECT %(change_set)s, %(snapshot_id)s, district, %(verdict)s, %(reasons)s, %(counts)s, %(held_by)s, %(quiet)s,
       %(paused_until)s, %(limits)s, %(judged_at)s
FROM districts WHERE district = %(district)s
ON CONFLICT (change_set, snapshot_id) DO UPDATE SET verdict = judgements.verdict
RETURNING reasons, held_by, quiet, paused_until, limits, judged_at;

-- name: rejection
-- The last word about this content, where it was a rejection. A first approval of two is no last word.
SELECT reviewer, reason, decided_at
FROM (SELECT decision, reviewer, reason, decided_at FROM reviews
      WHERE district = %(district)s AND content = %(content)s AND decisive ORDER BY id DESC LIMIT 1) AS last
WHERE decision = 'reject';

-- name: supersede
-- What was judged before this set gives way to it. A set that is delivered again, late, leaves what came after it alone,
-- and gives again what gave way to it the first time.
WITH given_way AS (
    UPDATE holds SET state = 'superseded', superseded_by = %(change_set)s
    WHERE district = %(district)s AND state IN ('held', 'approved') AND snapshot_id <> %(snapshot_id)s
        AND NOT EXISTS (
            SELECT FROM judgements this, judgements theirs
            WHERE (this.change_set, this.snapshot_id) = (%(change_set)s, %(snapshot_id)s)
                AND (theirs.change_set, theirs.snapshot_id) = (holds.change_set, holds.snapshot_id)
                AND theirs.position > this.position)
    RETURNING change_set)
SELECT change_set FROM given_way
UNION
SELECT change_set FROM holds
WHERE district = %(district)s AND state = 'superseded' AND superseded_by = %(change_set)s;

-- name: hold
-- The same set of a later snapshot is held anew. Where its approval waits for the end of a pause it goes on waiting:
-- an approval is for exactly this set, and every night of the pause brings it again.
INSERT INTO holds (change_set, district, sync_id, snapshot_id, base_version, content, counts, reasons, changes, chunks,
                   state, held_by, quiet, paused_until, approvals_needed, held_at, held_partition, first_offset,
                   last_offset)
VALUES (%(change_set)s, %(district)s, %(sync_id)s, %(snapshot_id)s, %(base_version)s, %(content)s, %(counts)s,
        %(reasons)s, %(changes)s, %(chunks)s, 'held', %(held_by)s, %(quiet)s, %(paused_until)s, %(approvals_needed)s,
        %(held_at)s, %(held_partition)s, %(first_offset)s, %(last_offset)s)
ON CONFLICT (change_set) DO UPDATE
SET sync_id = excluded.sync_id, snapshot_id = excluded.snapshot_id, reasons = excluded.reasons,
    changes = excluded.changes, chunks = excluded.chunks, held_at = excluded.held_at,
    held_partition = excluded.held_partition, first_offset = excluded.first_offset,
    last_offset = excluded.last_offset, superseded_by = NULL, held_by = excluded.held_by, quiet = excluded.quiet,
    content = excluded.content, approvals_needed = excluded.approvals_needed,
    (state, paused_until) = (
        SELECT CASE WHEN waits THEN 'approved' ELSE 'held' END,
               CASE WHEN waits THEN holds.paused_until ELSE excluded.paused_until END
        FROM (SELECT holds.superseded_by = holds.change_set AND holds.paused_until IS NOT NULL AND EXISTS (
                  SELECT FROM reviews r
                  WHERE r.change_set = holds.change_set AND r.decisive AND r.decision = 'approve'
                      AND r.reviewer = holds.decided_by AND r.decided_at = holds.decided_at) AS waits) AS approval)
WHERE holds.snapshot_id <> excluded.snapshot_id;

-- name: looked_first
DELETE FROM look_first WHERE district = %(district)s;

-- name: one
SELECT change_set, district, sync_id, snapshot_id, base_version, content, counts, reasons, changes, state, held_by,
       held_at, held_partition, first_offset, last_offset, approvals_needed, paused_until, decided_by, decision_reason,
       decided_at, decision_id
FROM holds WHERE change_set = %(change_set)s;

-- name: one_locked
SELECT change_set, district, sync_id, snapshot_id, base_version, content, counts, reasons, changes, state, held_by,
       held_at, held_partition, first_offset, last_offset, approvals_needed, paused_until, decided_by, decision_reason,
       decided_at, decision_id
FROM holds WHERE change_set = %(change_set)s FOR UPDATE;

-- name: reviewed
-- Of which snapshot this very decision was followed; the same set of another one is not decided by it.
SELECT snapshot_id FROM reviews
WHERE change_set = %(change_set)s AND reviewer = %(reviewer)s AND decision = %(decision)s
    AND decided_at = %(decided_at)s;

-- name: approvals
SELECT reviewer FROM reviews
WHERE change_set = %(change_set)s AND snapshot_id = %(snapshot_id)s AND decision = 'approve' ORDER BY id;

-- name: review
INSERT INTO reviews (district, change_set, snapshot_id, content, decision, reviewer, reason, decided_at, saw, decisive)
VALUES (%(district)s, %(change_set)s, %(snapshot_id)s, %(content)s, %(decision)s, %(reviewer)s, %(reason)s,
        %(decided_at)s, %(saw)s, %(decisive)s);

-- name: decide
-- Only what is held can be decided.
UPDATE holds
SET state = %(state)s, decided_by = %(reviewer)s, decision_reason = %(reason)s, decided_at = %(decided_at)s,
    decision_id = %(decision_id)s, paused_until = %(paused_until)s
WHERE change_set = %(change_set)s AND state = 'held';

-- name: released
UPDATE holds SET state = 'released', paused_until = NULL WHERE change_set = %(change_set)s AND state = 'approved';

-- name: expire
-- It was approved, and is no longer whole on roster.held: a fresh sync takes its place.
UPDATE holds SET state = 'superseded', paused_until = NULL WHERE change_set = %(change_set)s AND state = 'approved'
RETURNING change_set;

-- name: in_a_pause
SELECT change_set, district, sync_id, snapshot_id, base_version, content, counts, reasons, changes, state, held_by,
       held_at, held_partition, first_offset, last_offset, approvals_needed, paused_until, decided_by, decision_reason,
       decided_at, decision_id
FROM holds
WHERE paused_until IS NOT NULL AND state IN ('held', 'approved') AND held_partition = ANY(%(partitions)s)
ORDER BY held_at;

-- name: roster_version
SELECT roster_version FROM rosters WHERE district = %(district)s;

-- name: approve_after_pause
UPDATE holds SET state = 'approved', decided_by = NULL, decision_reason = NULL, decided_at = %(decided_at)s, decision_id = NULL
WHERE change_set = %(change_set)s AND snapshot_id = %(snapshot_id)s AND state = 'held' AND held_by = 'pause'
    AND paused_until IS NOT NULL;

-- name: hold_after_pause
UPDATE holds
SET reasons = %(reasons)s, held_by = %(held_by)s, quiet = %(quiet)s, paused_until = %(paused_until)s
WHERE change_set = %(change_set)s AND snapshot_id = %(snapshot_id)s AND state = 'held' AND held_by = 'pause'
    AND paused_until IS NOT NULL;

-- name: replace_after_pause
-- It waits for the pause no longer, but for the set of the fresh sync, which supersedes it.
UPDATE holds SET paused_until = NULL
WHERE change_set = %(change_set)s AND snapshot_id = %(snapshot_id)s AND state = 'held' AND paused_until IS NOT NULL;

-- name: night_held_on
UPDATE nights SET reasons = %(reasons)s WHERE sync_id = %(sync_id)s AND state = 'held';

-- name: night_goes_on
UPDATE nights SET state = 'approved' WHERE sync_id = %(sync_id)s AND state = 'held';
