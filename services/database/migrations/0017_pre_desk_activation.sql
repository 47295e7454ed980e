-- What the review desk shows of activation: conflicts, which it follows on roster.activations, and how far a district is.
-- What it may see of accounts and rosters beside the topics are the views here, and no more than they give.

-- People about whom nobody may guess, open or not any more: from roster.activations, one row a person.
CREATE TABLE desk.conflicts (
    district text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('teachers', 'students')),
    id text NOT NULL,
    state text NOT NULL CHECK (state IN ('conflict', 'activated', 'linked', 'required', 'deactivated')),
    reason text NOT NULL, -- of the conflict, also when it is over
    text text NOT NULL,
    candidates text[] NOT NULL, -- the accounts it could be
    account_id text, -- of a conflict that is over: whose it is
    ended_text text,
    since timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    last_offset bigint NOT NULL, -- a person's events are in one partition, in order
    PRIMARY KEY (district, kind, id)
);
CREATE INDEX conflicts_open ON desk.conflicts (district, since) WHERE state = 'conflict';

-- What was said of conflicts, whichever tool said it; what the desk says is written before it is published.
CREATE TABLE desk.resolutions (
    event_id text PRIMARY KEY,
    district text NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    account_id text, -- none: ask the person at their next sign-in
    reviewer text NOT NULL,
    reason text NOT NULL,
    decided_at timestamptz NOT NULL,
    published boolean NOT NULL
);
CREATE INDEX resolutions_of_a_conflict ON desk.resolutions (district, kind, id, decided_at);

-- Who looked at whose names. Nothing changes or removes a row.
CREATE TABLE desk.conflict_looks (
    look bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reviewer text NOT NULL CHECK (reviewer <> ''),
    district text NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    looked_at timestamptz NOT NULL DEFAULT now()
);

-- What came of each decision: taken, or refused and why.
CREATE VIEW desk.resolution_answers AS SELECT event_id, refusal, taken_at FROM resolutions;

-- The people in conflict as they are rostered, and who shares their email. Of nobody else.
CREATE VIEW desk.conflict_people AS
SELECT a.district, a.kind, a.id, p.display_name, p.email, p.number, p.schools,
    ARRAY(SELECT o.kind || '/' || o.id FROM activations o
          WHERE o.email_key = a.email_key AND o.district = a.district AND (o.kind, o.id) <> (a.kind, a.id)
              AND o.state <> 'deactivated'
          ORDER BY o.kind, o.id LIMIT 20) AS sharing_email
FROM activations a
JOIN LATERAL (
    SELECT t.display_name, t.email, t.number, t.schools FROM teachers t
    WHERE a.kind = 'teachers' AND t.district = a.district AND t.id = a.id
    UNION ALL
    SELECT s.display_name, s.email, s.number, s.schools FROM students s
    WHERE a.kind = 'students' AND s.district = a.district AND s.id = a.id) p ON true
WHERE a.state = 'conflict';

-- The accounts that a person in conflict could have, with what speaks for each. Of no other account.
CREATE VIEW desk.conflict_accounts AS
SELECT a.district, a.kind, a.id, c.account_id::text AS account_id, c.created_at, c.display_name,
    ARRAY(SELECT e.email FROM account_emails e WHERE e.account_id = c.account_id ORDER BY e.email_key) AS emails,
    EXISTS (SELECT FROM account_emails e
            WHERE e.account_id = c.account_id AND e.email_key = a.email_key) AS same_email,
    EXISTS (SELECT FROM identities i JOIN district_tenants t ON t.provider = i.provider AND t.tenant = i.tenant
            WHERE t.district = a.district AND i.subject = a.id AND i.account_id = c.account_id) AS same_id,
    ARRAY(SELECT o.district || '/' || o.kind || '/' || o.id FROM activations o
          WHERE o.account_id = c.account_id ORDER BY o.district, o.kind, o.id LIMIT 20) AS people
FROM activations a JOIN accounts c ON c.account_id = ANY (a.candidates)
WHERE a.state = 'conflict';

-- How far a district's people are, by kind and state; 'waiting' are those whom matching has not come to yet.
CREATE VIEW desk.activation_of_kinds AS
SELECT p.district, p.kind,
    CASE WHEN a.state IN ('activated', 'required', 'conflict') THEN a.state ELSE 'waiting' END AS state,
    count(*) AS people
FROM (SELECT district, 'teachers' AS kind, id FROM teachers UNION ALL SELECT district, 'students', id FROM students) p
LEFT JOIN activations a USING (district, kind, id)
GROUP BY 1, 2, 3;

-- The same by school. Who is in two schools counts in both.
CREATE VIEW desk.activation_of_schools AS
SELECT p.district, school, p.kind,
    CASE WHEN a.state IN ('activated', 'required', 'conflict') THEN a.state ELSE 'waiting' END AS state,
    count(*) AS people
FROM (SELECT district, 'teachers' AS kind, id, schools FROM teachers
      UNION ALL SELECT district, 'students', id, schools FROM students) p
CROSS JOIN LATERAL unnest(p.schools) AS school
LEFT JOIN activations a USING (district, kind, id)
GROUP BY 1, 2, 3, 4;

-- The same by class: a class's name and its counts, and nobody's name.
CREATE VIEW desk.activation_of_classes AS
SELECT c.district, c.id AS class, c.name, c.school,
    count(*) FILTER (WHERE p.part = 'student') AS students,
    count(*) FILTER (WHERE p.part = 'student' AND a.state = 'activated') AS students_activated,
    count(*) FILTER (WHERE p.part = 'student' AND a.state = 'required') AS students_required,
    count(*) FILTER (WHERE p.part = 'student' AND a.state = 'conflict') AS students_conflict,
    count(*) FILTER (WHERE p.part = 'teacher') AS teachers,
    count(*) FILTER (WHERE p.part = 'teacher' AND a.state = 'activated') AS teachers_activated,
    count(*) FILTER (WHERE p.part = 'teacher' AND a.state = 'required') AS teachers_required,
    count(*) FILTER (WHERE p.part = 'teacher' AND a.state = 'conflict') AS teachers_conflict
FROM classes c
LEFT JOIN places p ON p.district = c.district AND p.class = c.id
LEFT JOIN activations a ON a.district = p.district AND a.kind = p.part || 's' AND a.id = p.person
GROUP BY c.district, c.id;

GRANT SELECT, INSERT, UPDATE ON desk.conflicts, desk.resolutions TO rollcall_desk;
GRANT SELECT, INSERT ON desk.conflict_looks TO rollcall_desk;
GRANT SELECT ON desk.resolution_answers, desk.conflict_people, desk.conflict_accounts, desk.activation_of_kinds,
    desk.activation_of_schools, desk.activation_of_classes TO rollcall_desk;

-- For `rollcall explain`: the held changes of a person, and of the classes that they would join or leave. Ids only.
CREATE VIEW desk.held_changes_of_people AS
SELECT s.district, c.kind, c.id, c.op AS what, NULL AS class, s.change_set, s.held_at
FROM desk.held_sets s JOIN desk.held_changes c USING (held_set)
WHERE s.state = 'held' AND c.kind IN ('teachers', 'students')
UNION ALL
SELECT s.district, part.kind, person.id, CASE WHEN person.joins THEN 'joins' ELSE 'leaves' END, c.id, s.change_set,
    s.held_at
FROM desk.held_sets s
JOIN desk.held_changes c USING (held_set)
CROSS JOIN (VALUES ('teachers'), ('students')) AS part (kind)
CROSS JOIN LATERAL (
    SELECT id, bool_or(after) AS joins
    FROM (SELECT jsonb_array_elements_text(c.before -> part.kind), false
          UNION ALL SELECT jsonb_array_elements_text(c.record -> part.kind), true) AS member (id, after)
    GROUP BY id HAVING count(DISTINCT after) = 1
) person
WHERE s.state = 'held' AND c.kind = 'classes';

GRANT SELECT ON desk.held_changes_of_people TO rollcall_operator;
