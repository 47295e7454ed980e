-- name: seen
SELECT FROM resolutions WHERE event_id = %(event_id)s;

-- name: withdraw
-- What the person said before does not count any more: they are to be asked.
UPDATE identities i SET proof = 'email' FROM district_tenants t
WHERE t.district = %(district)s AND i.provider = t.provider AND i.tenant = t.tenant AND i.subject = %(id)s
  AND i.proof <> 'email';

-- name: in_conflict
SELECT FROM activations
WHERE district = %(district)s AND kind IN ('teachers', 'students') AND id = %(id)s AND state = 'conflict';

-- name: ask
-- This very conflict is answered; another one is for a reviewer again.
UPDATE activations SET asked_reason = reason, asked_candidates = candidates
WHERE district = %(district)s AND kind IN ('teachers', 'students') AND id = %(id)s AND state = 'conflict';

-- name: tell_refusal
-- The person's state is told again, with why it stays.
WITH told AS (
    UPDATE activations SET told = told + 1
    WHERE district = %(district)s AND kind IN ('teachers', 'students') AND id = %(id)s AND state <> 'deactivated'
    RETURNING *
)
INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, source, subject)
SELECT md5(concat_ws(E'\x1f', p.person, t.told)), 'roster.activations', p.person,
    concat_ws('.', 'dev.rollcall.activation', t.state, 'v1'),
    json_build_object('district', t.district, 'kind', t.kind, 'id', t.id, 'state', t.state,
        'account_id', t.account_id, 'roster_version', t.roster_version, 'reason', 'resolution-refused',
        'text', %(text)s::text, 'candidates', t.candidates)::text,
    '/rollcall/activation', p.person
FROM told t CROSS JOIN LATERAL (SELECT concat_ws('/', t.district, t.kind, t.id) AS person) p;

-- name: keep
INSERT INTO resolutions (event_id, district, kind, id, account_id, reviewer, reason, decided_at, refusal)
VALUES (%(event_id)s, %(district)s, %(kind)s, %(id)s, %(account_id)s, %(reviewer)s, %(reason)s, %(decided_at)s,
        %(refusal)s);
