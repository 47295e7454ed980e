-- name: entries
SELECT looked_at AS at, reviewer, 'saw names' AS did, change_set,
       (SELECT district FROM desk.held_sets WHERE held_sets.change_set = looks.change_set LIMIT 1) AS district, what, NULL AS person
FROM desk.looks
UNION ALL
SELECT decided_at, reviewer, CASE decision WHEN 'approve' THEN 'approved' ELSE 'rejected' END, change_set, district, reason, NULL
FROM desk.decisions
UNION ALL
SELECT acted_at, operator, did, NULL, district, what, NULL
FROM desk.calendar_acts
UNION ALL
SELECT looked_at, reviewer, 'saw names', NULL, district, 'the person and accounts of a conflict, ' || kind || '/' || id, kind || '/' || id
FROM desk.conflict_looks
UNION ALL
SELECT decided_at, reviewer, CASE WHEN account_id IS NULL THEN 'let the person be asked' ELSE 'said whose account it is' END,
       NULL, district, reason, kind || '/' || id
FROM desk.resolutions
ORDER BY at DESC
LIMIT %(most)s OFFSET %(skip)s;
