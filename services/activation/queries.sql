-- name: stage
CREATE TEMPORARY TABLE IF NOT EXISTS rostered (
    district text NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    roster_version bigint NOT NULL,
    removed boolean NOT NULL,
    email_key text
) ON COMMIT DELETE ROWS;

-- name: copy_rostered
COPY rostered (district, kind, id, roster_version, removed, email_key) FROM STDIN;

-- name: forget_removed_districts
-- A district that was removed has left its updates on the topic; nobody is rostered there any more. Its removals count:
-- they let its people go.
DELETE FROM rostered r
WHERE NOT r.removed AND NOT EXISTS (SELECT FROM districts d WHERE d.district = r.district);

-- name: lock_districts
-- Two people of a district with one email must see each other, whichever partitions they came through.
SELECT pg_advisory_xact_lock(hashtextextended('activation/' || district, 0))
FROM (SELECT DISTINCT district FROM rostered ORDER BY district) d;

-- name: forget_seen
-- What has been taken into account already, at this roster version or a later one, is not news.
DELETE FROM rostered r USING activations a
WHERE a.district = r.district AND a.kind = r.kind AND a.id = r.id AND a.roster_version >= r.roster_version;

-- name: before
SELECT a.district, a.kind, a.id, a.state, a.account_id::text
FROM rostered r JOIN activations a USING (district, kind, id);

-- name: people
-- Write down everybody's email and version first, so that shared emails are seen.
INSERT INTO activations (district, kind, id, email_key, state, roster_version)
SELECT district, kind, id, email_key, CASE WHEN removed THEN 'deactivated' ELSE 'required' END, roster_version
FROM rostered
ON CONFLICT (district, kind, id) DO UPDATE
SET email_key = excluded.email_key, roster_version = excluded.roster_version,
    state = CASE WHEN excluded.state = 'deactivated' THEN 'deactivated' ELSE activations.state END,
    account_id = CASE WHEN excluded.state = 'deactivated' THEN NULL ELSE activations.account_id END;

-- name: candidates
-- For each person still here: the account they have, the accounts with their email, who shares it, whose it is already.
SELECT r.district, r.kind, r.id, r.roster_version, a.account_id::text,
    ARRAY(SELECT e.account_id::text FROM account_emails e WHERE e.email_key = r.email_key ORDER BY e.account_id),
    (SELECT count(*) FROM activations o
     WHERE o.district = r.district AND o.email_key = r.email_key AND o.state <> 'deactivated'),
    EXISTS (SELECT FROM activations o JOIN account_emails e ON e.account_id = o.account_id
            WHERE o.district = r.district AND e.email_key = r.email_key AND (o.kind, o.id) <> (r.kind, r.id))
FROM rostered r JOIN activations a USING (district, kind, id)
WHERE NOT r.removed
ORDER BY r.district, r.kind, r.id;

-- name: settle
UPDATE activations a SET state = m.state, account_id = m.account_id::uuid
FROM unnest(%(districts)s::text[], %(kinds)s::text[], %(ids)s::text[], %(states)s::text[], %(accounts)s::text[])
    AS m(district, kind, id, state, account_id)
WHERE a.district = m.district AND a.kind = m.kind AND a.id = m.id
  AND (a.state, a.account_id) IS DISTINCT FROM (m.state, m.account_id::uuid);
