-- name: contact
SELECT contact FROM districts WHERE district = %(district)s;

-- name: on_record
SELECT FROM notices_sent WHERE notice_id = %(notice_id)s LIMIT 1;

-- name: receive
-- However often a notice is delivered, each recipient is told once.
INSERT INTO notices_sent (notice_id, recipient, district, code, subject_id, text, noticed_at, received_at, next_attempt_at)
VALUES (%(notice_id)s, %(recipient)s, %(district)s, %(code)s, %(subject_id)s, %(text)s, %(noticed_at)s, %(received_at)s,
        %(received_at)s)
ON CONFLICT (notice_id, recipient) DO NOTHING;

-- name: due
-- What waits to be packed for a webhook, or for mail; the name of a district that is gone is its id.
SELECT n.notice_id, n.recipient, n.district, n.code, n.subject_id, n.text, n.noticed_at, n.received_at,
       coalesce(d.name, n.district), coalesce(d.timezone, 'UTC')
FROM notices_sent n LEFT JOIN districts d USING (district)
WHERE n.state = 'due' AND (n.recipient = %(webhook)s) = %(by_webhook)s
ORDER BY n.received_at, n.notice_id LIMIT 1000;

-- name: pack
UPDATE notices_sent SET state = 'sending', parcel = %(parcel)s
WHERE recipient = %(recipient)s AND notice_id = ANY(%(notice_ids)s) AND state = 'due';

-- name: packed
-- Parcels that have a name and have not arrived, as far as is known, and whose next attempt has come.
SELECT n.notice_id, n.recipient, n.district, n.code, n.subject_id, n.text, n.noticed_at, n.received_at,
       coalesce(d.name, n.district), coalesce(d.timezone, 'UTC'), n.parcel, n.attempts
FROM notices_sent n LEFT JOIN districts d USING (district)
WHERE n.state = 'sending' AND (n.recipient = %(webhook)s) = %(by_webhook)s AND n.next_attempt_at <= %(now)s
ORDER BY n.parcel, n.noticed_at, n.notice_id;

-- name: sent
UPDATE notices_sent SET state = 'sent', sent_at = %(sent_at)s, attempts = attempts + 1 WHERE parcel = %(parcel)s;

-- name: put_off
UPDATE notices_sent SET attempts = attempts + 1, next_attempt_at = %(next_attempt_at)s WHERE parcel = %(parcel)s;

-- name: give_up
UPDATE notices_sent SET state = 'given up', attempts = attempts + 1 WHERE parcel = %(parcel)s;

-- name: forget
-- What is settled and was received long ago.
DELETE FROM notices_sent WHERE received_at < %(before)s AND state IN ('sent', 'given up');
