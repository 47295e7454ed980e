-- name: stage
-- The connection's own tables of one turn: what updates say, what they touch, whom that concerns, what is decided.
CREATE TEMPORARY TABLE IF NOT EXISTS matching_staged (
    district text NOT NULL, kind text NOT NULL, id text NOT NULL, roster_version bigint NOT NULL,
    removed boolean NOT NULL, email text, number text, birth_date text, given text, family text,
    email_key text GENERATED ALWAYS AS (nullif(lower(btrim(email)), '')) STORED,
    name_key text GENERATED ALWAYS AS (lower(btrim(given) || ' ' || btrim(family))) STORED
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS matching_emails (
    email_key text NOT NULL, of_people boolean NOT NULL DEFAULT false -- touched because people got or lost it
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS matching_accounts (account_id uuid NOT NULL) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS matching_people (
    district text NOT NULL, kind text NOT NULL, id text NOT NULL
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS matching_decisions (
    district text NOT NULL, kind text NOT NULL, id text NOT NULL,
    provider text NOT NULL, tenant text NOT NULL,
    state text NOT NULL, account_id uuid, reason text NOT NULL, candidates uuid[] NOT NULL,
    was_state text NOT NULL, was_account_id uuid, was_reason text, was_candidates uuid[] NOT NULL,
    replace boolean NOT NULL, remember boolean NOT NULL,
    number text, birth_date text, name_key text
) ON COMMIT DELETE ROWS;

-- name: begin
-- One turn at a time in the whole database: whose account it is depends on people of other partitions and districts,
-- who may be matched at this very moment. The identities that matching writes are no news to it.
-- Every table is reached by its index, person by person: while a first load fills them, what PostgreSQL believes of
-- their sizes is wrong by orders of magnitude, and it would rather read them whole. For the same reason, below, what
-- must not choose the index is written IS NOT DISTINCT FROM, which none can answer; and OFFSET 0 holds it to the order
-- in which a query is written.
SELECT pg_advisory_xact_lock(hashtextextended('activation', 0)), set_config('rollcall.matching', 'on', true),
    set_config(planner.setting, 'off', true)
FROM unnest(ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'enable_bitmapscan',
    'enable_material', 'jit']) AS planner(setting);

-- name: clear
TRUNCATE matching_staged, matching_emails, matching_accounts, matching_people, matching_decisions;

-- name: end
SELECT set_config('rollcall.matching', 'off', true), set_config(planner.setting, 'on', true)
FROM unnest(ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'enable_bitmapscan',
    'enable_material', 'jit']) AS planner(setting);

-- name: copy_staged
COPY matching_staged (district, kind, id, roster_version, removed, email, number, birth_date, given, family) FROM STDIN;

-- name: newcomers
-- Who is new and meets nobody: never rostered, in either role; known by no id; with an email that nobody else has, here
-- or in the roster, and no account, or one that has no other email and is nobody's. `decide` would come to the same, and
-- examining anybody else for them to nothing else; so they are written at once as they end. In a first load that is
-- nearly everybody. Only the others stay staged. A row of the outbox stands for all who end alike.
WITH staged AS MATERIALIZED (
    SELECT r.ctid AS row, r.*, t.provider, t.tenant
    FROM matching_staged r
    CROSS JOIN LATERAL (SELECT * FROM district_tenants t WHERE t.district = r.district OFFSET 0) t
), newcomers AS MATERIALIZED (
    SELECT s.*, m.account_id, v.state, v.reason
    FROM staged s
    CROSS JOIN LATERAL (
        SELECT ARRAY(SELECT e.account_id FROM account_emails e WHERE e.email_key = s.email_key) AS accounts OFFSET 0) f
    CROSS JOIN LATERAL (SELECT f.accounts[1] AS account_id) m
    CROSS JOIN LATERAL (
        SELECT CASE WHEN m.account_id IS NULL THEN 'required' ELSE 'activated' END AS state,
            CASE WHEN m.account_id IS NULL THEN 'no-account' ELSE 'same-email' END AS reason) v
    WHERE NOT s.removed AND cardinality(f.accounts) <= 1
      AND (s.provider, s.tenant, s.id) NOT IN (
          SELECT provider, tenant, id FROM staged GROUP BY provider, tenant, id HAVING count(*) > 1)
      AND (s.email_key IS NULL OR s.email_key NOT IN (
          SELECT email_key FROM matching_staged WHERE email_key IS NOT NULL GROUP BY email_key HAVING count(*) > 1))
      AND NOT EXISTS (SELECT FROM activations o WHERE o.email_key = s.email_key OFFSET 0)
      AND NOT EXISTS (SELECT FROM activations o WHERE o.id = s.id AND o.district = s.district OFFSET 0)
      AND NOT EXISTS (
          SELECT FROM identities i
          WHERE i.provider = s.provider AND i.tenant = s.tenant AND i.subject = s.id OFFSET 0)
      AND NOT EXISTS (SELECT FROM identities i WHERE i.account_id = m.account_id OFFSET 0)
      AND NOT EXISTS (
          SELECT FROM account_emails e WHERE e.account_id = m.account_id AND e.email_key <> s.email_key OFFSET 0)
), taken AS (
    DELETE FROM matching_staged r USING newcomers n WHERE r.ctid = n.row
), remembered AS (
    INSERT INTO identities (provider, tenant, subject, account_id, proof, district, kind, number, birth_date, name_key)
    SELECT provider, tenant, id, account_id, 'email', district, kind, number, birth_date, name_key
    FROM newcomers WHERE account_id IS NOT NULL
    ON CONFLICT (provider, tenant, subject) DO NOTHING
), settled AS (
    INSERT INTO activations (district, kind, id, email_key, number, birth_date, name_key, state, account_id, reason,
        roster_version, told)
    SELECT district, kind, id, email_key, number, birth_date, name_key, state, account_id, reason, roster_version, 1
    FROM newcomers
), told AS (
    INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, source, subject)
    SELECT md5(concat_ws(E'\x1f', district, kind, state, roster_version, min(id))), 'roster.activations', district,
        %(packed)s,
        json_build_object('district', district, 'kind', kind, 'state', state, 'roster_version', roster_version,
            'reason', reason, 'text', %(texts)s::jsonb ->> reason,
            'ids', array_agg(id), 'accounts', array_agg(account_id))::text,
        '/rollcall/activation', district
    FROM newcomers
    GROUP BY district, kind, state, roster_version, reason
)
SELECT count(*) FROM newcomers;

-- name: forget_no_news
-- A district that was removed has left its updates on the topic; nobody is rostered there any more. Its removals count:
-- they let its people go. And what was taken into account, at this roster version or a later one, is not news.
DELETE FROM matching_staged r
WHERE EXISTS (SELECT FROM activations a WHERE a.district = r.district AND a.kind = r.kind AND a.id = r.id
              AND a.roster_version >= r.roster_version)
   OR (NOT r.removed AND NOT EXISTS (SELECT FROM districts d WHERE d.district = r.district));

-- name: touch_staged
-- The emails that people had and have now, where they come, go or change.
INSERT INTO matching_emails (email_key, of_people)
SELECT e.email_key, true
FROM matching_staged r
LEFT JOIN activations a ON a.district = r.district AND a.kind = r.kind AND a.id = r.id AND a.state <> 'deactivated'
CROSS JOIN LATERAL (
    SELECT a.email_key UNION SELECT r.email_key WHERE NOT r.removed
) e
WHERE e.email_key IS NOT NULL AND (a.id IS NULL OR r.removed OR a.email_key IS DISTINCT FROM r.email_key);

-- name: touch_staged_accounts
-- The accounts that they are known by.
INSERT INTO matching_accounts (account_id)
SELECT i.account_id
FROM matching_staged r
CROSS JOIN LATERAL (SELECT * FROM district_tenants t WHERE t.district = r.district OFFSET 0) t
CROSS JOIN LATERAL (
    SELECT * FROM identities i
    WHERE i.provider = t.provider AND i.tenant = t.tenant AND i.subject = r.id OFFSET 0) i;

-- name: people_gone
WITH gone AS (
    UPDATE activations a
    SET state = 'deactivated', account_id = NULL, email_key = NULL, reason = 'left-roster', candidates = '{}',
        number = NULL, birth_date = NULL, name_key = NULL, asked_reason = NULL, asked_candidates = NULL,
        roster_version = r.roster_version, told = a.told + 1
    FROM matching_staged r
    WHERE r.removed AND a.district = r.district AND a.kind = r.kind AND a.id = r.id AND a.state <> 'deactivated'
    RETURNING a.*
)
INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, source, subject)
SELECT md5(concat_ws(E'\x1f', p.person, g.told)), 'roster.activations', p.person,
    'dev.rollcall.activation.deactivated.v1',
    json_build_object('district', g.district, 'kind', g.kind, 'id', g.id, 'state', g.state, 'account_id', NULL,
        'roster_version', g.roster_version, 'reason', g.reason, 'text', %(texts)s::jsonb ->> g.reason,
        'candidates', g.candidates)::text,
    '/rollcall/activation', p.person
FROM gone g CROSS JOIN LATERAL (SELECT concat_ws('/', g.district, g.kind, g.id) AS person) p;

-- name: people
-- Everybody's facts as they are now. Whoever comes is decided about in a moment.
INSERT INTO activations AS a
    (district, kind, id, email_key, number, birth_date, name_key, state, reason, roster_version)
SELECT district, kind, id, email_key, number, birth_date, name_key,
    CASE WHEN removed THEN 'deactivated' ELSE 'required' END, CASE WHEN removed THEN 'left-roster' ELSE '' END,
    roster_version
FROM matching_staged
ON CONFLICT (district, kind, id) DO UPDATE
SET email_key = excluded.email_key, number = excluded.number, birth_date = excluded.birth_date,
    name_key = excluded.name_key, roster_version = excluded.roster_version,
    state = CASE WHEN a.state = 'deactivated' THEN excluded.state ELSE a.state END,
    reason = CASE WHEN a.state = 'deactivated' THEN excluded.reason ELSE a.reason END
WHERE a.roster_version < excluded.roster_version;

-- name: touch_queued
-- What others changed; taken in the same transaction as it is acted upon.
WITH taken AS (
    DELETE FROM account_changes WHERE position IN (
        SELECT position FROM account_changes ORDER BY position LIMIT %(changes)s)
    RETURNING account_id, email_key, subject
), emails AS (
    INSERT INTO matching_emails (email_key) SELECT DISTINCT email_key FROM taken WHERE email_key IS NOT NULL
), people AS (
    INSERT INTO matching_people SELECT a.district, a.kind, a.id
    FROM (SELECT DISTINCT subject FROM taken WHERE subject IS NOT NULL) s
    CROSS JOIN LATERAL (SELECT * FROM activations a WHERE a.id = s.subject AND a.state <> 'deactivated' OFFSET 0) a
)
INSERT INTO matching_accounts SELECT DISTINCT account_id FROM taken;

-- name: touch_people
-- People to be looked at, with all that they point at.
WITH named AS (
    SELECT a.district, a.kind, a.id, a.email_key
    FROM unnest(%(districts)s::text[], %(ids)s::text[]) AS p(district, id)
    CROSS JOIN LATERAL (
        SELECT * FROM activations a
        WHERE a.district = p.district AND a.kind IN ('teachers', 'students') AND a.id = p.id
          AND a.state <> 'deactivated' OFFSET 0) a
), people AS (
    INSERT INTO matching_people SELECT district, kind, id FROM named
), emails AS (
    INSERT INTO matching_emails (email_key) SELECT email_key FROM named WHERE email_key IS NOT NULL
)
INSERT INTO matching_accounts
SELECT i.account_id
FROM named n
CROSS JOIN LATERAL (SELECT * FROM district_tenants t WHERE t.district = n.district OFFSET 0) t
CROSS JOIN LATERAL (
    SELECT * FROM identities i
    WHERE i.provider = t.provider AND i.tenant = t.tenant AND i.subject = n.id OFFSET 0) i;

-- name: touch_emails
INSERT INTO matching_emails (email_key) SELECT lower(btrim(email)) FROM unnest(%(emails)s::text[]) AS e(email);

-- name: touch_accounts
INSERT INTO matching_accounts SELECT unnest(%(accounts)s::uuid[]);

-- name: concern
-- Whom what was touched concerns: who is in the updates, who has one of the emails, who points at the same accounts by
-- another email of them or is known by them. A person with two roles is concerned in both. Whose email no account has is
-- not concerned by who else has it: thousands may share one that the district puts where there is none.
INSERT INTO matching_people (district, kind, id)
WITH accounts AS MATERIALIZED (
    SELECT account_id FROM matching_accounts
    UNION
    SELECT e.account_id FROM matching_emails m
    CROSS JOIN LATERAL (SELECT account_id FROM account_emails e WHERE e.email_key = m.email_key OFFSET 0) e
), emails AS MATERIALIZED (
    SELECT email_key, bool_and(of_people) AS of_people FROM matching_emails GROUP BY email_key
    UNION
    SELECT e.email_key, true FROM accounts
    CROSS JOIN LATERAL (SELECT email_key FROM account_emails e WHERE e.account_id = accounts.account_id OFFSET 0) e
)
SELECT district, kind, id FROM matching_staged WHERE NOT removed
UNION
SELECT o.district, o.kind, o.id
FROM emails
CROSS JOIN LATERAL (
    SELECT * FROM activations o
    WHERE o.email_key = emails.email_key AND o.state <> 'deactivated'
      AND NOT (emails.of_people AND o.state = 'required' AND o.reason = 'no-account') OFFSET 0) o
UNION
SELECT o.district, o.kind, o.id
FROM accounts
CROSS JOIN LATERAL (SELECT * FROM identities i WHERE i.account_id = accounts.account_id OFFSET 0) i
CROSS JOIN LATERAL (
    SELECT * FROM activations o
    WHERE o.id = i.subject COLLATE "default" AND o.state <> 'deactivated' OFFSET 0) o
CROSS JOIN LATERAL (
    SELECT FROM district_tenants t
    WHERE t.district = o.district AND t.provider = i.provider AND t.tenant = i.tenant OFFSET 0) t;

-- name: people_left
-- Of those whom it concerns, who is in the roster no longer: their removals are still on their way, perhaps behind the
-- update of somebody new with their email. What the roster says now stands for all its versions so far.
INSERT INTO matching_staged (district, kind, id, roster_version, removed)
SELECT a.district, a.kind, a.id, r.roster_version, true
FROM (SELECT district, kind, id FROM matching_people EXCEPT SELECT district, kind, id FROM matching_staged) p
JOIN activations a USING (district, kind, id) JOIN rosters r USING (district)
WHERE a.state <> 'deactivated' AND a.roster_version < r.roster_version
  AND NOT EXISTS (SELECT FROM teachers t WHERE a.kind = 'teachers' AND t.district = a.district AND t.id = a.id)
  AND NOT EXISTS (SELECT FROM students s WHERE a.kind = 'students' AND s.district = a.district AND s.id = a.id);

-- name: give_way
-- A link by email alone gives way to somebody of the district who is known by the same account by more than that.
DELETE FROM identities WHERE (provider, tenant, subject) IN (
    SELECT i.provider, i.tenant, i.subject
    FROM (SELECT DISTINCT district, id FROM matching_people) p
    CROSS JOIN LATERAL (SELECT * FROM district_tenants t WHERE t.district = p.district OFFSET 0) t
    CROSS JOIN LATERAL (
        SELECT * FROM identities i
        WHERE i.provider = t.provider AND i.tenant = t.tenant AND i.subject = p.id AND i.proof = 'email' OFFSET 0) i
    CROSS JOIN LATERAL (
        SELECT * FROM identities h
        WHERE h.account_id = i.account_id AND h.provider IS NOT DISTINCT FROM i.provider
          AND h.tenant IS NOT DISTINCT FROM i.tenant AND h.subject <> i.subject AND h.proof <> 'email' OFFSET 0) h
    CROSS JOIN LATERAL (
        SELECT FROM activations o
        WHERE o.id = h.subject COLLATE "default" AND o.district IS NOT DISTINCT FROM p.district
          AND o.state <> 'deactivated' OFFSET 0) o);

-- name: decide
-- The rule (docs/decisions/0006-matching.md), for everybody concerned at once. `known` is the account that the person's
-- id is remembered with, `mail` are the accounts with the person's email.
INSERT INTO matching_decisions
WITH concerned AS MATERIALIZED (
    SELECT DISTINCT district, id FROM matching_people
), person AS MATERIALIZED (
    SELECT a.district, a.kind, a.id, t.provider, t.tenant,
        -- Both roles go by the student's facts, so that they come to one decision.
        CASE WHEN m.by_twin THEN b.number ELSE a.number END AS number,
        CASE WHEN m.by_twin THEN b.birth_date ELSE a.birth_date END AS birth_date,
        CASE WHEN m.by_twin THEN b.name_key ELSE a.name_key END AS name_key,
        a.state AS was_state, a.account_id AS was_account_id, a.reason AS was_reason, a.candidates AS was_candidates,
        coalesce(a.asked_reason, b.asked_reason) AS asked_reason,
        coalesce(a.asked_candidates, b.asked_candidates) AS asked_candidates,
        b.id IS NOT NULL AS two_roles, m.emails, m.opposite_kinds, i.account_id AS known, coalesce(i.proof, '') AS proof,
        (i.district, i.kind, i.number, i.birth_date, i.name_key) AS remembered,
        ARRAY(SELECT DISTINCT e.account_id FROM account_emails e WHERE e.email_key = ANY (m.emails) ORDER BY 1) AS mail
    FROM concerned p
    CROSS JOIN LATERAL (SELECT * FROM district_tenants t WHERE t.district = p.district OFFSET 0) t
    CROSS JOIN LATERAL (
        SELECT * FROM activations a
        WHERE a.district = p.district AND a.kind IN ('teachers', 'students') AND a.id = p.id AND a.state <> 'deactivated'
        OFFSET 0
    ) a
    LEFT JOIN LATERAL (
        SELECT * FROM activations b
        WHERE b.district = a.district AND b.id = a.id AND b.state <> 'deactivated'
          AND b.kind = CASE a.kind WHEN 'teachers' THEN 'students' ELSE 'teachers' END
        OFFSET 0
    ) b ON true
    LEFT JOIN LATERAL (
        SELECT * FROM identities i WHERE i.provider = t.provider AND i.tenant = t.tenant AND i.subject = a.id OFFSET 0
    ) i ON true
    CROSS JOIN LATERAL (
        SELECT array_remove(ARRAY[a.email_key, b.email_key], NULL) AS emails,
            CASE WHEN b.id IS NOT NULL THEN ARRAY['teachers', 'students']
                 WHEN a.kind = 'teachers' THEN ARRAY['students'] ELSE ARRAY['teachers'] END AS opposite_kinds,
            a.kind = 'teachers' AND b.id IS NOT NULL AS by_twin
    ) m
), evidence AS MATERIALIZED (
    SELECT p.*, x.account_id AS found,
        -- Somebody else of the district who is there is known by this account.
        coalesce(h.held, false) AS held, coalesce(h.confirmed, false) AS held_by_word,
        coalesce(h.reviewed, false) AS held_by_reviewer,
        -- The district's person whom this account is remembered with, if that is another one.
        g.subject IS NOT NULL AS other, CASE
            WHEN g.number IS NOT NULL AND p.number IS NOT NULL THEN g.number = p.number
            WHEN g.birth_date IS NOT NULL AND p.birth_date IS NOT NULL THEN g.birth_date = p.birth_date
            ELSE coalesce(g.name_key = p.name_key, false)
        END AS other_is_same
    FROM person p
    CROSS JOIN LATERAL (SELECT coalesce(p.known, p.mail[1]) AS account_id) x
    LEFT JOIN LATERAL (
        SELECT true AS held, bool_or(i.proof <> 'email') AS confirmed, bool_or(i.proof = 'reviewer') AS reviewed
        FROM identities i
        WHERE i.account_id = x.account_id AND i.provider IS NOT DISTINCT FROM p.provider
          AND i.tenant IS NOT DISTINCT FROM p.tenant AND i.subject <> p.id
          AND EXISTS (SELECT FROM activations o WHERE o.id = i.subject COLLATE "default"
                      AND o.district IS NOT DISTINCT FROM p.district AND o.state <> 'deactivated')
        HAVING count(*) > 0
    ) h ON true
    LEFT JOIN identities g ON g.district IS NOT DISTINCT FROM p.district AND g.account_id = x.account_id
        AND (g.provider, g.tenant, g.subject) <> (p.provider, p.tenant, p.id)
), ruled AS MATERIALIZED (
    SELECT e.*, CASE
        WHEN proof NOT IN ('', 'email') THEN CASE
            WHEN held_by_word AND (proof <> 'reviewer' OR held_by_reviewer) THEN 'account-taken'
            WHEN proof = 'reviewer' THEN 'reviewer'
            WHEN mail <> '{}' AND known <> ALL (mail) AND NOT coalesce(proof = 'sign-in' AND mail <@ asked_candidates, false)
                THEN 'email-and-id-differ'
            WHEN proof = 'sign-in' THEN 'signed-in'
            ELSE 'imported' END
        WHEN mail = '{}' THEN CASE
            WHEN known IS NOT NULL THEN 'kept-link'
            ELSE 'no-account' END
        WHEN known <> ALL (mail) THEN 'email-and-id-differ'
        WHEN cardinality(mail) > 1 THEN 'several-accounts'
        WHEN EXISTS (SELECT FROM activations o WHERE o.email_key = ANY (e.emails) AND o.kind = ANY (e.opposite_kinds)
            AND (o.district, o.id) <> (e.district, e.id) AND o.state <> 'deactivated')
            THEN 'student-and-teacher'
        WHEN EXISTS (SELECT FROM activations o WHERE o.email_key = ANY (e.emails)
            AND o.district IS NOT DISTINCT FROM e.district AND o.id <> e.id AND o.state <> 'deactivated')
            THEN 'shared-email'
        WHEN held OR EXISTS (SELECT FROM account_emails s JOIN activations o ON o.email_key = s.email_key
            WHERE s.account_id = e.found AND s.email_key <> ALL (e.emails)
              AND o.district IS NOT DISTINCT FROM e.district AND o.id <> e.id AND o.state <> 'deactivated')
            THEN 'account-taken'
        WHEN other AND NOT other_is_same THEN 'recycled-email'
        ELSE 'same-email'
    END AS rule
    FROM evidence e
), judged AS (
    SELECT r.*, CASE
        WHEN rule IN ('reviewer', 'signed-in', 'imported', 'kept-link', 'same-email') THEN 'activated'
        WHEN rule = 'no-account' THEN 'required'
        ELSE 'conflict' END AS state, c.candidates
    FROM ruled r CROSS JOIN LATERAL (
        SELECT CASE WHEN r.known IS NULL OR r.known = ANY (r.mail) THEN r.mail
            ELSE (SELECT array_agg(u ORDER BY u) FROM unnest(r.mail || r.known) u) END AS candidates
    ) c
)
SELECT district, kind, id, provider, tenant,
    CASE WHEN asked.by_reviewer THEN 'required' ELSE state END,
    CASE WHEN state = 'activated' THEN found END,
    CASE WHEN asked.by_reviewer THEN 'asked-by-reviewer' ELSE rule END,
    CASE WHEN state = 'conflict' AND NOT asked.by_reviewer THEN candidates ELSE '{}' END,
    was_state, was_account_id, was_reason, was_candidates,
    other AND state = 'activated',
    state = 'activated' AND (kind = 'students' OR NOT two_roles) AND (known IS NULL
        OR remembered IS DISTINCT FROM (district, kind, number, birth_date, name_key)),
    number, birth_date, name_key
FROM judged CROSS JOIN LATERAL (
    SELECT coalesce(state = 'conflict' AND rule = asked_reason AND candidates = asked_candidates, false) AS by_reviewer
) asked;

-- name: replace_identities
-- The account is remembered with one person of the district.
DELETE FROM identities i USING matching_decisions d
WHERE d.replace AND i.district = d.district AND i.account_id = d.account_id
  AND (i.provider, i.tenant, i.subject) <> (d.provider, d.tenant, d.id);

-- name: remember_identities
INSERT INTO identities (provider, tenant, subject, account_id, proof, district, kind, number, birth_date, name_key)
SELECT DISTINCT ON (provider, tenant, id)
    provider, tenant, id, account_id, 'email', district, kind, number, birth_date, name_key
FROM matching_decisions WHERE remember ORDER BY provider, tenant, id, district
ON CONFLICT (provider, tenant, subject) DO UPDATE
SET district = excluded.district, kind = excluded.kind, number = excluded.number, birth_date = excluded.birth_date,
    name_key = excluded.name_key;

-- name: let_go
-- First whoever has an account no longer, so that no account has two people for a moment.
UPDATE activations a SET state = 'required', account_id = NULL
FROM matching_decisions d
WHERE d.was_account_id IS NOT NULL AND d.was_account_id IS DISTINCT FROM d.account_id
  AND a.district = d.district AND a.kind = d.kind AND a.id = d.id;

-- name: settle
-- Write what is decided and tell of it, where it is not what it was.
WITH settled AS (
    UPDATE activations a
    SET state = d.state, account_id = d.account_id, reason = d.reason, candidates = d.candidates,
        told = a.told + d.changed::int
    FROM (
        SELECT m.*, l.linked, was_reason = '' OR (state, account_id) IS DISTINCT FROM (was_state, was_account_id)
            OR (state = 'conflict' AND (reason, candidates) IS DISTINCT FROM (was_reason, was_candidates))
            OR l.linked AS changed
        FROM matching_decisions m CROSS JOIN LATERAL (
            SELECT state = 'activated' AND coalesce((district, id) = (%(linked_district)s::text, %(linked_id)s::text), false)
                AS linked
        ) l
        WHERE (state, account_id, reason, candidates)
            IS DISTINCT FROM (was_state, was_account_id, was_reason, was_candidates)
    ) d
    WHERE a.district = d.district AND a.kind = d.kind AND a.id = d.id
    RETURNING a.*, d.changed, CASE WHEN d.linked THEN 'linked' ELSE a.state END AS word
)
INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, source, subject)
SELECT md5(concat_ws(E'\x1f', p.person, s.told)), 'roster.activations', p.person,
    concat_ws('.', 'dev.rollcall.activation', s.word, 'v1'),
    json_build_object('district', s.district, 'kind', s.kind, 'id', s.id, 'state', s.word,
        'account_id', s.account_id, 'roster_version', s.roster_version, 'reason', s.reason,
        'text', %(texts)s::jsonb ->> s.reason, 'candidates', s.candidates)::text,
    '/rollcall/activation', p.person
FROM settled s CROSS JOIN LATERAL (SELECT concat_ws('/', s.district, s.kind, s.id) AS person) p
WHERE s.changed;
