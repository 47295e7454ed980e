-- name: all
SELECT partition, offset_in_partition, handled, handled_at FROM dead_letters_handled;

-- name: handled
-- The last thing that was done counts.
INSERT INTO dead_letters_handled (partition, offset_in_partition, handled)
VALUES (%(partition)s, %(offset)s, %(handled)s)
ON CONFLICT (partition, offset_in_partition) DO UPDATE SET handled = excluded.handled, handled_at = now();
