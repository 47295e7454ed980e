-- name: give_up_children
-- Who is no longer known to be 13, by a date of birth that was corrected, is sent nothing; nor who has left.
UPDATE sign_in.mails SET state = 'given up'
WHERE state = 'due'
  AND sign_in.age(district, kind, id, (now() AT TIME ZONE 'Etc/GMT+12')::date) <> '13 or older';

-- name: next
-- The mail whose turn it is; another sender's are left alone.
SELECT m.mail, m.code, m.recipient, m.attempts, d.name
FROM sign_in.mails m JOIN districts d USING (district)
WHERE m.state = 'due' AND m.next_attempt_at <= now()
ORDER BY m.next_attempt_at LIMIT 1 FOR UPDATE OF m SKIP LOCKED;

-- name: sent
UPDATE sign_in.mails SET state = 'sent', attempts = attempts + 1 WHERE mail = %(mail)s;

-- name: put_off
UPDATE sign_in.mails
SET attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => %(seconds)s),
    state = CASE WHEN written_at < now() - interval '7 days' OR %(hopeless)s THEN 'given up' ELSE state END
WHERE mail = %(mail)s;
