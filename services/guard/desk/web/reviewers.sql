-- name: by_email
SELECT password_hash, id::text FROM desk.reviewers WHERE email = %(email)s;

-- name: by_id
SELECT id::text, email, name, role FROM desk.reviewers WHERE id::text = %(id)s;

-- name: all
SELECT id::text, email, name, role FROM desk.reviewers ORDER BY email;

-- name: put
INSERT INTO desk.reviewers (email, name, role, password_hash) VALUES (%(email)s, %(name)s, %(role)s, %(hash)s)
ON CONFLICT (email) DO UPDATE
SET id = gen_random_uuid(), name = excluded.name, role = excluded.role, password_hash = excluded.password_hash;

-- name: remove
DELETE FROM desk.reviewers WHERE email = %(email)s;

-- name: write_try
INSERT INTO desk.sign_in_tries (email_digest, address) VALUES (%(email)s, %(address)s);

-- name: tries
-- Of this email from this address, of this email, from this address.
SELECT count(*) FILTER (WHERE email_digest = %(email)s AND address = %(address)s),
       count(*) FILTER (WHERE email_digest = %(email)s),
       count(*) FILTER (WHERE address = %(address)s)
FROM desk.sign_in_tries
WHERE (email_digest = %(email)s OR address = %(address)s) AND tried_at > now() - make_interval(mins => %(minutes)s);

-- name: forget_tries
-- Those of who signed in, and those that count no more.
DELETE FROM desk.sign_in_tries
WHERE (email_digest = %(email)s AND address = %(address)s) OR tried_at < now() - make_interval(mins => %(minutes)s);
