-- Each statement deletes at most so many rows, found district by district by the indexes that are there for other ends.

-- name: nights
-- Kept: a district's newest night, its newest one in which the provider let itself be read, the first night of a failure
-- that has lasted since then (whoever was told of it is not told again), and nights whose set somebody may still decide.
DELETE FROM nights WHERE sync_id IN (
    SELECT old.sync_id
    FROM districts d
    CROSS JOIN LATERAL (SELECT * FROM nights n WHERE n.district = d.district AND n.requested_at < %(before)s) old
    CROSS JOIN LATERAL (
        SELECT (SELECT n.requested_at FROM nights n WHERE n.district = d.district
                ORDER BY n.requested_at DESC LIMIT 1) AS newest,
               (SELECT n.requested_at FROM nights n
                WHERE n.district = d.district AND n.state NOT IN ('requested', 'pulling', 'failed')
                ORDER BY n.requested_at DESC LIMIT 1) AS newest_read
    ) kept
    WHERE old.requested_at < kept.newest
        AND (old.requested_at < kept.newest_read
             OR old.requested_at IS DISTINCT FROM kept.newest_read AND EXISTS (
                 SELECT FROM nights earlier
                 WHERE earlier.district = d.district AND earlier.state = 'failed'
                     AND earlier.failure_code = old.failure_code AND earlier.requested_at < old.requested_at
                     AND earlier.requested_at > coalesce(kept.newest_read, '-infinity')))
        AND old.sync_id NOT IN (SELECT sync_id FROM holds WHERE state IN ('held', 'approved'))
    LIMIT %(batch)s);

-- name: judgements
DELETE FROM judgements WHERE (change_set, snapshot_id) IN (
    SELECT old.change_set, old.snapshot_id
    FROM districts d
    CROSS JOIN LATERAL (SELECT * FROM judgements j WHERE j.district = d.district AND j.judged_at < %(before)s) old
    WHERE (old.change_set, old.snapshot_id) NOT IN (
        SELECT change_set, snapshot_id FROM holds WHERE state IN ('held', 'approved'))
    LIMIT %(batch)s);

-- name: holds
DELETE FROM holds WHERE change_set IN (
    SELECT old.change_set
    FROM districts d
    CROSS JOIN LATERAL (SELECT * FROM holds h WHERE h.district = d.district AND h.held_at < %(before)s) old
    WHERE old.state NOT IN ('held', 'approved')
    LIMIT %(batch)s);

-- name: ledger
-- The version that a district is at stays, however old.
DELETE FROM ledger WHERE change_set IN (
    SELECT old.change_set
    FROM rosters r
    CROSS JOIN LATERAL (SELECT * FROM ledger l WHERE l.district = r.district AND l.applied_at < %(before)s) old
    WHERE old.roster_version < r.roster_version
    LIMIT %(batch)s);
