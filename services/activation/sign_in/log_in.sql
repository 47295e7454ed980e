-- name: by_email
-- Nobody can log in by an email that several accounts have.
SELECT a.account_id::text, a.password_hash FROM account_emails e JOIN accounts a USING (account_id)
WHERE e.email_key = lower(btrim(%(email)s));

-- name: write_try
INSERT INTO sign_in.tries (email_digest, address) VALUES (%(email)s, %(address)s);

-- name: tries
-- Of this email from this address, of this email, from this address.
SELECT count(*) FILTER (WHERE email_digest = %(email)s AND address = %(address)s),
       count(*) FILTER (WHERE email_digest = %(email)s),
       count(*) FILTER (WHERE address = %(address)s)
FROM sign_in.tries
WHERE (email_digest = %(email)s OR address = %(address)s) AND tried_at > now() - make_interval(mins => %(minutes)s);

-- name: forget_tries
-- Those of who logged in, and those that count no more.
DELETE FROM sign_in.tries
WHERE (email_digest = %(email)s AND address = %(address)s) OR tried_at < now() - make_interval(mins => %(minutes)s);
