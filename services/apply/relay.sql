-- name: oldest
SELECT position, id, aggregatetype, aggregateid, type, payload, source, subject,
       to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), correlationid, causationid
FROM outbox ORDER BY position LIMIT %(batch)s;

-- name: published
DELETE FROM outbox WHERE position = ANY(%(positions)s);
