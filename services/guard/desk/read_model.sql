-- What the desk's pages read.

-- name: board
-- Each district with its last night, what it was applied to last, what waits for a review, and what it was told. One
-- that is no longer registered has left the board.
WITH seen AS (
    SELECT DISTINCT district FROM desk.nights UNION SELECT DISTINCT district FROM desk.held_sets WHERE state = 'held'
    UNION SELECT district FROM desk.district_labels WHERE has_nights
)
SELECT seen.district, label.timezone, label.has_nights, label.registered_at, applied.totals, applied.roster_version, applied.synced_at AS applied_at,
       waiting.change_set, waiting.held_at, waiting.held_by, waiting.reasons,
       awaits.reviewer AS awaits_reviewer, awaits.waits_for,
       pause.code AS pause_code, pause.text AS pause_text, pause.noticed_at AS pause_at,
       told.noticed_at AS held_told_at, lost.noticed_at AS lost_told_at,
       (SELECT min(failed.began_at) FROM desk.nights failed
        WHERE failed.district = seen.district AND failed.aborted_at IS NOT NULL
            AND failed.began_at > coalesce((SELECT max(good.began_at) FROM desk.nights good
                                            WHERE good.district = seen.district AND good.pulled_at IS NOT NULL),
                                           '-infinity')) AS broken_since,
       (SELECT count(*) FROM desk.nights missed
        WHERE missed.district = seen.district
            AND (missed.snapshot_id IS NOT NULL OR missed.change_set IS NOT NULL) -- not only asked for
            AND missed.began_at > coalesce(applied.began_at, '-infinity')) AS nights_since
FROM seen
LEFT JOIN desk.district_labels label USING (district)
LEFT JOIN LATERAL (
    SELECT totals, roster_version, synced_at, began_at FROM desk.nights
    WHERE district = seen.district AND synced_at IS NOT NULL ORDER BY began_at DESC LIMIT 1
) applied ON true
LEFT JOIN LATERAL (
    SELECT change_set, partition, first_offset, held_at, held_by, reasons FROM desk.held_sets
    WHERE district = seen.district AND state = 'held' AND whole_at IS NOT NULL ORDER BY held_set DESC LIMIT 1
) waiting ON true
LEFT JOIN LATERAL (
    SELECT reviewer, waits_for FROM desk.waiting_approvals w
    WHERE w.change_set = waiting.change_set AND w.partition = waiting.partition
        AND w.last_offset > waiting.first_offset
    ORDER BY w.last_offset DESC LIMIT 1
) awaits ON true
LEFT JOIN LATERAL (
    SELECT code, text, noticed_at FROM desk.notices
    WHERE district = seen.district AND code IN ('pause-begun', 'pause-over') ORDER BY noticed_at DESC LIMIT 1
) pause ON true
LEFT JOIN desk.notices told
    ON told.district = seen.district AND told.code = 'held' AND told.subject_id = waiting.change_set
LEFT JOIN LATERAL (
    SELECT noticed_at FROM desk.notices
    WHERE district = seen.district AND code = 'disconnected' ORDER BY noticed_at DESC LIMIT 1
) lost ON true
WHERE label.district IS NOT NULL OR NOT EXISTS (SELECT FROM desk.district_labels)
ORDER BY seen.district;

-- name: last_nights
SELECT n.*, h.state AS held_state, h.held_by, h.reasons, h.limits, h.held_at, h.whole_at, h.ended_at,
       NULL::timestamptz AS afresh_at -- a fresh sync in its place would be the last one
FROM (SELECT DISTINCT district FROM desk.nights) seen
CROSS JOIN LATERAL (
    SELECT * FROM desk.nights WHERE district = seen.district ORDER BY began_at DESC LIMIT 1
) n
LEFT JOIN LATERAL (
    SELECT * FROM desk.held_sets WHERE district = n.district AND sync_id = n.sync_id ORDER BY held_set DESC LIMIT 1
) h ON true;

-- name: nights_of
SELECT n.*, h.state AS held_state, h.held_by, h.reasons, h.limits, h.held_at, h.whole_at, h.ended_at,
       (SELECT min(afresh.requested_at) FROM desk.nights afresh
        WHERE afresh.district = n.district AND afresh.requested_for = 'stale'
            AND afresh.requested_at >= n.compared_at) AS afresh_at
FROM desk.nights n
LEFT JOIN LATERAL (
    SELECT * FROM desk.held_sets WHERE district = n.district AND sync_id = n.sync_id ORDER BY held_set DESC LIMIT 1
) h ON true
WHERE n.district = %(district)s
ORDER BY n.began_at DESC LIMIT %(nights)s;

-- name: held_sets
-- One set by its id, its newest snapshot; or a district's, the newest first.
SELECT s.*, n.provider, n.synced_at AS applied_at, n.roster_version AS applied_version,
       previous.change_set AS previous_change_set, previous.held_at AS previous_held_at,
       (SELECT coalesce(sum(c.changes), 0) FROM desk.held_chunks c WHERE c.held_set = s.held_set) AS loaded,
       (SELECT min(afresh.requested_at) FROM desk.nights afresh
        WHERE afresh.district = s.district AND afresh.requested_for = 'stale'
            AND afresh.requested_at >= s.ended_at) AS afresh_at,
       awaits.reviewer AS awaits_reviewer, awaits.waits_for, awaits.until AS awaits_until, awaits.awaits_since
FROM desk.held_sets s
LEFT JOIN desk.nights n ON n.district = s.district AND n.sync_id = s.sync_id
LEFT JOIN desk.held_sets previous ON previous.held_set = s.compared_with
LEFT JOIN LATERAL (
    SELECT reviewer, waits_for, until, awaits_since FROM desk.waiting_approvals w
    WHERE w.change_set = s.change_set AND w.district = s.district AND w.partition = s.partition
        AND w.last_offset > s.first_offset
    ORDER BY w.last_offset DESC LIMIT 1
) awaits ON true
WHERE (s.change_set = %(change_set)s OR s.district = %(district)s)
ORDER BY s.held_set DESC LIMIT %(limit)s;

-- name: counts
SELECT school, kind, op, changes FROM desk.held_counts WHERE held_set = %(held_set)s;

-- name: school_names
SELECT id, name FROM desk.schools WHERE district = %(district)s AND id = ANY(%(ids)s);

-- name: pageable
-- The set whose changes are to be paged through: whole, and not deleted.
SELECT held_set, district FROM desk.held_sets
WHERE change_set = %(change_set)s AND whole_at IS NOT NULL AND changes_deleted_at IS NULL
ORDER BY held_set DESC LIMIT 1;

-- name: total
SELECT coalesce(sum(changes), 0) FROM desk.held_counts
WHERE held_set = %(held_set)s AND school = coalesce(%(school)s::text, '')
    AND (%(op)s::text IS NULL OR op = %(op)s) AND (%(kind)s::text IS NULL OR kind = %(kind)s);

-- name: total_found
SELECT count(*) FROM desk.held_changes c
WHERE held_set = %(held_set)s
    AND (%(op)s::text IS NULL OR op = %(op)s) AND (%(kind)s::text IS NULL OR kind = %(kind)s)
    AND (%(school)s::text IS NULL OR EXISTS (
        SELECT FROM desk.held_change_schools s
        WHERE s.held_set = c.held_set AND s.school = %(school)s AND s.place = c.place))
    AND (starts_with(id, %(search)s) OR title ILIKE %(part)s);

-- name: page
-- The places first, from the index alone, then the rows of these few.
SELECT place, op, kind, id, title, schools, same_as, before, record
FROM desk.held_changes
WHERE held_set = %(held_set)s AND place = ANY (ARRAY(
    SELECT place FROM desk.held_changes c
    WHERE held_set = %(held_set)s
        AND (%(op)s::text IS NULL OR op = %(op)s) AND (%(kind)s::text IS NULL OR kind = %(kind)s)
        AND (%(school)s::text IS NULL OR place IN (
            SELECT s.place FROM desk.held_change_schools s WHERE s.held_set = %(held_set)s AND s.school = %(school)s))
        AND (%(search)s = '' OR starts_with(id, %(search)s) OR title ILIKE %(part)s)
    ORDER BY beside, place LIMIT %(size)s OFFSET %(skip)s))
ORDER BY beside, place;

-- name: change
SELECT place, op, kind, id, title, schools, same_as, before, record
FROM desk.held_changes WHERE held_set = %(held_set)s AND place = %(place)s;

-- name: look
INSERT INTO desk.looks (reviewer, change_set, what, looked_at)
VALUES (%(reviewer)s, %(change_set)s, %(what)s, %(at)s);

-- name: decisions
-- A decision is about the set as it was held last before it; guard's clock and a reviewer's may differ a little.
SELECT d.event_id, d.decision, d.reviewer, d.reason, d.decided_at, r.text AS refusal, r.refused_at,
       w.waits_for, w.text AS awaits_text, w.awaits_since, s.state, s.ended_at
FROM desk.decisions d
LEFT JOIN desk.refusals r ON r.event_id = d.event_id
LEFT JOIN desk.waiting_approvals w ON w.event_id = d.event_id
LEFT JOIN LATERAL (
    SELECT state, ended_at FROM desk.held_sets
    WHERE change_set = d.change_set AND district = d.district
    ORDER BY held_at <= d.decided_at DESC, abs(extract(epoch FROM held_at - d.decided_at)) LIMIT 1
) s ON true
WHERE d.change_set = %(change_set)s
ORDER BY d.decided_at, d.event_id;
