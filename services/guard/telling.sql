-- name: tell
-- Each notice is written once, whoever finds it how often.
INSERT INTO notices_told (notice_id, district, code, subject_id, text, noticed_at)
VALUES (%(notice_id)s, %(district)s, %(code)s, %(subject_id)s, %(text)s, %(noticed_at)s)
ON CONFLICT (notice_id) DO NOTHING
RETURNING notice_id;

-- name: forget
-- What was told long ago, and is not so any more: what is still so would be told again.
DELETE FROM notices_told WHERE noticed_at < %(before)s AND notice_id <> ALL(%(still_so)s);

-- name: disconnected
-- Districts that their provider has refused since it last let us read them, with the first night on which it did.
SELECT d.district, d.provider, first.sync_id, first.failure_code, first.requested_at, d.timezone
FROM districts d
CROSS JOIN LATERAL (
    SELECT max(n.requested_at) AS at FROM nights n
    WHERE n.district = d.district AND n.state NOT IN ('requested', 'pulling', 'failed')
) read
CROSS JOIN LATERAL (
    SELECT n.sync_id, n.failure_code, n.requested_at FROM nights n
    WHERE n.district = d.district AND n.state = 'failed' AND n.failure_code = ANY(%(codes)s)
        AND (read.at IS NULL OR n.requested_at > read.at)
    ORDER BY n.requested_at, n.sync_id LIMIT 1
) first
WHERE d.plan = 'districts'
ORDER BY d.district;

-- name: conflicts
-- How many people of each district somebody must decide about, and what its contact was last told of that.
SELECT d.district, d.timezone, c.teachers, c.students, told.text, told.noticed_at
FROM districts d
JOIN (
    SELECT district, count(*) FILTER (WHERE kind = 'teachers') AS teachers,
           count(*) FILTER (WHERE kind = 'students') AS students
    FROM activations WHERE state = 'conflict' GROUP BY district
) c USING (district)
LEFT JOIN LATERAL (
    SELECT n.text, n.noticed_at FROM notices_told n
    WHERE n.district = d.district AND n.code = 'conflicts' ORDER BY n.noticed_at DESC LIMIT 1
) told ON true
ORDER BY d.district;
