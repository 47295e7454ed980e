-- name: tell
-- Of two syncs of one district the newer one stands.
INSERT INTO night_stages AS stands (district, stage, sync_id, requested_at, records, bytes, seconds)
SELECT DISTINCT ON (n.district, work.stage)
    n.district, work.stage, n.sync_id, n.requested_at, work.records, work.bytes, work.seconds
FROM unnest(%(sync_ids)s::text[], %(stages)s::text[], %(records)s::bigint[], %(bytes)s::bigint[],
            %(seconds)s::float8[]) AS work (sync_id, stage, records, bytes, seconds)
JOIN nights n USING (sync_id)
ORDER BY n.district, work.stage, n.requested_at DESC
ON CONFLICT (district, stage) DO UPDATE
SET sync_id = excluded.sync_id, requested_at = excluded.requested_at,
    records = excluded.records + CASE WHEN stands.sync_id = excluded.sync_id THEN stands.records ELSE 0 END,
    bytes = excluded.bytes + CASE WHEN stands.sync_id = excluded.sync_id THEN stands.bytes ELSE 0 END,
    seconds = excluded.seconds + CASE WHEN stands.sync_id = excluded.sync_id THEN stands.seconds ELSE 0 END
WHERE stands.requested_at <= excluded.requested_at;

-- name: all
SELECT district, sync_id, stage, records, bytes, seconds FROM night_stages
ORDER BY district, array_position(ARRAY['pull', 'compare', 'route', 'merge', 'publish', 'match'], stage);
