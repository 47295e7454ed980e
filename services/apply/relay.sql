-- name: oldest
-- Not more than a batch of messages at once, a chunk taken for a thousand (ten of them are five megabytes).
SELECT position, id, aggregatetype, aggregateid, type, payload, source, subject,
       to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), correlationid, causationid
FROM (
    SELECT *, sum(CASE type WHEN %(packed)s THEN 1000 ELSE 1 END)
        OVER (ORDER BY position ROWS UNBOUNDED PRECEDING) AS messages
    FROM (SELECT * FROM outbox ORDER BY position LIMIT %(batch)s) o
) o
WHERE messages < %(batch)s + 1000
ORDER BY position;

-- name: published
DELETE FROM outbox WHERE position = ANY(%(positions)s);
