-- name: entries
SELECT looked_at AS at, reviewer, 'saw names' AS did, change_set,
       (SELECT district FROM desk.held_sets WHERE held_sets.change_set = looks.change_set LIMIT 1) AS district, what
FROM desk.looks
UNION ALL
SELECT decided_at, reviewer, CASE decision WHEN 'approve' THEN 'approved' ELSE 'rejected' END, change_set, district, reason
FROM desk.decisions
UNION ALL
SELECT acted_at, operator, did, NULL, district, what
FROM desk.calendar_acts
ORDER BY at DESC
LIMIT %(most)s OFFSET %(skip)s;
