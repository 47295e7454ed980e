-- name: oldest
-- Rows until there are a batch of messages, the last one whole: a chunk is taken for a thousand (ten of them are five
-- megabytes), newcomers for one in 64 characters, an id with an account. Their payloads are not read for that.
SELECT position, id, aggregatetype, aggregateid, type, payload, source, subject,
       to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), correlationid, causationid
FROM (
    SELECT *, sum(CASE type WHEN %(packed)s THEN 1000 WHEN %(newcomers)s THEN octet_length(payload) / 64 ELSE 1 END)
        OVER (ORDER BY position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS messages_before
    FROM (SELECT * FROM outbox ORDER BY position LIMIT %(batch)s) o
) o
WHERE coalesce(messages_before, 0) < %(batch)s
ORDER BY position;

-- name: published
DELETE FROM outbox WHERE position = ANY(%(positions)s);
