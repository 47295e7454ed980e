-- name: open
INSERT INTO sign_in.sessions (token, family, account_id, provider, district, kind, id, provider_user, expires_at)
VALUES (%(token)s, %(family)s, %(account_id)s, %(provider)s, %(district)s, %(kind)s, %(id)s, %(provider_user)s,
        now() + make_interval(secs => %(seconds)s));

-- name: current
-- Who came through the district is signed in as long as the district's person has this very account.
-- A page that refreshes itself is nobody at the computer.
UPDATE sign_in.sessions s SET seen_at = CASE WHEN %(by_person)s THEN now() ELSE s.seen_at END
WHERE s.token = %(token)s AND s.expires_at > now() AND s.seen_at > now() - make_interval(secs => %(idle_seconds)s)
  AND (s.account_id IS NULL OR s.id IS NULL OR EXISTS (
        SELECT FROM activations a
        WHERE a.district = s.district AND a.kind = s.kind AND a.id = s.id AND a.account_id = s.account_id))
RETURNING s.family, s.account_id::text, s.provider, s.district, s.kind, s.id, s.provider_user;

-- name: shorten
-- A pending session that has led to an account: it stays for the second click on the same button.
UPDATE sign_in.sessions SET expires_at = least(expires_at, now() + interval '1 minute')
WHERE family = %(family)s AND account_id IS NULL;

-- name: end
DELETE FROM sign_in.sessions WHERE family = (SELECT family FROM sign_in.sessions WHERE token = %(token)s);

-- name: end_family
DELETE FROM sign_in.sessions WHERE family = %(family)s;
