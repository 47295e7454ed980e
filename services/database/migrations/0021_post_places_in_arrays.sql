-- Places stand in the rows that they belong to: a class has its teachers and students, a person their classes. As rows
-- of their own, each with two indexes, six million places were two thirds of a first load's merge. Apply writes both
-- sides in one transaction, and refuses a change set after which they would not agree.

DROP TRIGGER keep_roster ON places;
ALTER TABLE places RENAME TO place_rows;
DROP INDEX places_of_a_person;
CREATE INDEX place_rows_of_a_person ON place_rows (district, part, person);

-- In the record's order: the primary teacher first, the others and the students by id.
ALTER TABLE classes
    ADD COLUMN teachers text[] NOT NULL DEFAULT '{}',
    ADD COLUMN students text[] NOT NULL DEFAULT '{}';
-- The other side of it, in no order.
ALTER TABLE teachers ADD COLUMN classes text[] NOT NULL DEFAULT '{}';
ALTER TABLE students ADD COLUMN classes text[] NOT NULL DEFAULT '{}';
-- Nobody plans by which ids are in them.
ALTER TABLE classes ALTER COLUMN teachers SET STATISTICS 0, ALTER COLUMN students SET STATISTICS 0;
ALTER TABLE teachers ALTER COLUMN classes SET STATISTICS 0;
ALTER TABLE students ALTER COLUMN classes SET STATISTICS 0;

ALTER TABLE classes DISABLE TRIGGER keep_roster;
ALTER TABLE teachers DISABLE TRIGGER keep_roster;
ALTER TABLE students DISABLE TRIGGER keep_roster;
UPDATE classes c SET
    teachers = ARRAY(SELECT p.person FROM place_rows p
                     WHERE p.district = c.district AND p.class = c.id AND p.part = 'teacher'
                     ORDER BY NOT p.is_primary, p.person COLLATE "C"),
    students = ARRAY(SELECT p.person FROM place_rows p
                     WHERE p.district = c.district AND p.class = c.id AND p.part = 'student'
                     ORDER BY p.person COLLATE "C");
UPDATE teachers t SET classes = ARRAY(
    SELECT p.class FROM place_rows p WHERE p.district = t.district AND p.part = 'teacher' AND p.person = t.id);
UPDATE students s SET classes = ARRAY(
    SELECT p.class FROM place_rows p WHERE p.district = s.district AND p.part = 'student' AND p.person = s.id);
ALTER TABLE classes ENABLE TRIGGER keep_roster;
ALTER TABLE teachers ENABLE TRIGGER keep_roster;
ALTER TABLE students ENABLE TRIGGER keep_roster;

-- Places as rows, of a district or of a class. Whoever looks for a person's reads `classes` of the person.
CREATE VIEW places AS
SELECT c.district, c.id AS class, 'teacher' AS part, p.person, p.number = 1 AS is_primary
FROM classes c CROSS JOIN LATERAL unnest(c.teachers) WITH ORDINALITY AS p (person, number)
UNION ALL
SELECT c.district, c.id, 'student', p.person, false
FROM classes c CROSS JOIN LATERAL unnest(c.students) AS p (person);

GRANT SELECT ON places
    TO rollcall_diff, rollcall_activation, rollcall_sign_in, rollcall_operator, rollcall_apply;

-- Who writes to it is told whose the roster is, as at the tables.
CREATE FUNCTION keep_places() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refuse('roster-is-applied');
END $$;
CREATE TRIGGER keep_roster BEFORE INSERT OR UPDATE OR DELETE ON places
    FOR EACH STATEMENT EXECUTE FUNCTION keep_places();
CREATE TRIGGER keep_places INSTEAD OF INSERT OR UPDATE OR DELETE ON places
    FOR EACH ROW EXECUTE FUNCTION keep_places();

CREATE OR REPLACE VIEW synced_classes AS
SELECT
    c.district, c.id, product.id_of(c.district, 'classes', c.id) AS class_id, c.name, 'District Synced' AS label, c.school, s.name AS school_name,
    cardinality(c.students)::bigint AS students,
    (SELECT count(*) FROM unnest(c.students) AS p (person) JOIN activations a ON a.district = c.district
         AND a.kind = 'students' AND a.id = p.person
     WHERE a.state = 'activated') AS students_activated
FROM classes c LEFT JOIN schools s ON s.district = c.district AND s.id = c.school;

CREATE OR REPLACE VIEW product.own_classes WITH (security_barrier) AS
SELECT class_id, district, id, max(part) AS part -- who is both in one class is its teacher
FROM (
    SELECT product.id_of(a.district, 'classes', p.class) AS class_id, a.district, p.class AS id, p.part
    FROM activations a CROSS JOIN LATERAL (
        SELECT 'teacher' AS part, unnest(t.classes) AS class FROM teachers t
        WHERE a.kind = 'teachers' AND t.district = a.district AND t.id = a.id
        UNION ALL
        SELECT 'student', unnest(s.classes) FROM students s
        WHERE a.kind = 'students' AND s.district = a.district AND s.id = a.id) p
    WHERE a.account_id = product.acting_account() AND a.state = 'activated'
    UNION ALL
    SELECT class_id, NULL, NULL, 'teacher' FROM personal_classes WHERE teacher = product.acting_account()
    UNION ALL
    SELECT class_id, NULL, NULL, 'student' FROM personal_students WHERE student = product.acting_account()
) own
GROUP BY class_id, district, id;

CREATE OR REPLACE VIEW product.class_students WITH (security_barrier) AS
SELECT o.class_id, product.id_of(s.district, 'students', s.id) AS person_id, a.account_id, s.display_name,
    a.account_id IS NOT NULL AS activated, s.district, s.id
FROM product.own_classes o
JOIN classes c ON c.district = o.district AND c.id = o.id
CROSS JOIN LATERAL unnest(c.students) AS p (person)
JOIN students s ON s.district = c.district AND s.id = p.person
LEFT JOIN activations a ON a.district = s.district AND a.kind = 'students' AND a.id = s.id AND a.state = 'activated'
WHERE o.part = 'teacher' OR a.account_id = product.acting_account()
UNION ALL
SELECT o.class_id, m.student, m.student,
    CASE WHEN n.synced_student THEN n.display_name ELSE coalesce(m.display_name, n.display_name) END, true, NULL, NULL
FROM product.own_classes o JOIN personal_students m USING (class_id) JOIN account_names n ON n.account_id = m.student
WHERE o.part = 'teacher' OR m.student = product.acting_account();

CREATE OR REPLACE VIEW product.class_teachers WITH (security_barrier) AS
SELECT o.class_id, product.id_of(t.district, 'teachers', t.id) AS person_id, a.account_id, t.display_name,
    p.number = 1 AS is_primary, t.district, t.id
FROM product.own_classes o
JOIN classes c ON c.district = o.district AND c.id = o.id
CROSS JOIN LATERAL unnest(c.teachers) WITH ORDINALITY AS p (person, number)
JOIN teachers t ON t.district = c.district AND t.id = p.person
LEFT JOIN activations a ON a.district = t.district AND a.kind = 'teachers' AND a.id = t.id AND a.state = 'activated'
UNION ALL
SELECT o.class_id, c.teacher, c.teacher, n.display_name, true, NULL, NULL
FROM product.own_classes o JOIN personal_classes c USING (class_id) JOIN account_names n ON n.account_id = c.teacher;

CREATE OR REPLACE VIEW desk.activation_of_classes AS
SELECT c.district, c.id AS class, c.name, c.school,
    count(*) FILTER (WHERE p.kind = 'students') AS students,
    count(*) FILTER (WHERE p.kind = 'students' AND a.state = 'activated') AS students_activated,
    count(*) FILTER (WHERE p.kind = 'students' AND a.state = 'required') AS students_required,
    count(*) FILTER (WHERE p.kind = 'students' AND a.state = 'conflict') AS students_conflict,
    count(*) FILTER (WHERE p.kind = 'teachers') AS teachers,
    count(*) FILTER (WHERE p.kind = 'teachers' AND a.state = 'activated') AS teachers_activated,
    count(*) FILTER (WHERE p.kind = 'teachers' AND a.state = 'required') AS teachers_required,
    count(*) FILTER (WHERE p.kind = 'teachers' AND a.state = 'conflict') AS teachers_conflict
FROM classes c
LEFT JOIN LATERAL (
    SELECT 'teachers' AS kind, unnest(c.teachers) AS person
    UNION ALL
    SELECT 'students', unnest(c.students)) p ON true
LEFT JOIN activations a ON a.district = c.district AND a.kind = p.kind AND a.id = p.person
GROUP BY c.district, c.id;

CREATE OR REPLACE FUNCTION remove_roster() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM classes WHERE district = OLD.district;
    DELETE FROM students WHERE district = OLD.district;
    DELETE FROM teachers WHERE district = OLD.district;
    DELETE FROM schools WHERE district = OLD.district;
    RETURN NULL;
END $$;

DROP TABLE place_rows;

-- After a merge that changed much, apply has what it wrote looked over: until then plans are made for the tables as
-- they were.
GRANT MAINTAIN ON schools, teachers, students, classes TO rollcall_apply;
