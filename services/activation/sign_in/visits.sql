-- name: begin
INSERT INTO sign_in.visits (state, browser, nonce, code_verifier, provider, district, session, restarted, expires_at)
VALUES (%(state)s, %(browser)s, %(nonce)s, %(code_verifier)s, %(provider)s, %(district)s, %(session)s, %(restarted)s,
        now() + make_interval(secs => %(seconds)s));

-- name: restarts
-- How often this browser has come back without our state within a minute.
SELECT count(*) FROM sign_in.visits
WHERE browser = %(browser)s AND provider = %(provider)s AND restarted AND begun_at > now() - interval '1 minute';

-- name: claim
-- The first to come with a code has the round.
UPDATE sign_in.visits SET code = %(code)s
WHERE state = %(state)s AND browser = %(browser)s AND provider = %(provider)s AND code IS NULL AND expires_at > now()
RETURNING nonce, code_verifier, district, session;

-- name: claimed
SELECT code = %(code)s, outcome FROM sign_in.visits
WHERE state = %(state)s AND browser = %(browser)s AND provider = %(provider)s AND code IS NOT NULL AND expires_at > now();

-- name: settle
UPDATE sign_in.visits SET outcome = %(outcome)s WHERE state = %(state)s;

-- name: forget_browser
DELETE FROM sign_in.visits WHERE browser = %(browser)s;

-- name: sweep
-- Whoever begins sweeps up some of what has run out; rows that another one sweeps just now are left to it.
WITH visits AS (
    DELETE FROM sign_in.visits WHERE state IN
        (SELECT state FROM sign_in.visits WHERE expires_at < now() ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED)
)
DELETE FROM sign_in.sessions WHERE token IN
    (SELECT token FROM sign_in.sessions WHERE expires_at < now() ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED);
