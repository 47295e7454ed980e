-- The classes of the product: synced ones as the district has them, personal ones as their teachers made them, in one
-- shape; what may be done in them and by whom; and the roster, kept from everybody but apply (promise 7).

-- Classes that accounts made themselves. No district ever touches them.
CREATE TABLE personal_classes (
    class_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    teacher uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    name text NOT NULL CHECK (name <> ''),
    google_classroom text CHECK (google_classroom <> ''), -- the id of a course there
    made_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX personal_classes_of_a_teacher ON personal_classes (teacher);

CREATE TABLE personal_students (
    class_id uuid NOT NULL REFERENCES personal_classes ON DELETE CASCADE,
    student uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    display_name text CHECK (display_name <> ''), -- what the teacher calls them in this class
    PRIMARY KEY (class_id, student)
);
CREATE INDEX personal_classes_of_a_student ON personal_students (student);

-- What an account has done in the product. It stays when its person leaves the district.
CREATE TABLE account_work (
    work_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    title text NOT NULL CHECK (title <> ''),
    done_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX work_of_an_account ON account_work (account_id, done_at DESC);

-- All that rollcall_product can reach. Its transaction says who acts: SET LOCAL rollcall.account = '<account id>'.
CREATE SCHEMA product;

-- One id for what a district has, made of its key on roster.updates: the first 16 bytes of its SHA-256.
CREATE FUNCTION product.id_of(district text, kind text, id text) RETURNS uuid LANGUAGE sql IMMUTABLE
RETURN encode(substring(sha256(convert_to(district || '/' || kind || '/' || id, 'UTF8')) FOR 16), 'hex')::uuid;

-- A synced class as people see it: with its label and how many of its students have an account.
CREATE VIEW synced_classes AS
SELECT
    c.district, c.id, product.id_of(c.district, 'classes', c.id) AS class_id, c.name, 'District Synced' AS label, c.school, s.name AS school_name,
    (SELECT count(*) FROM places p WHERE p.district = c.district AND p.class = c.id AND p.part = 'student') AS students,
    (SELECT count(*) FROM places p JOIN activations a ON a.district = p.district AND a.id = p.person
     WHERE p.district = c.district AND p.class = c.id AND p.part = 'student'
       AND a.kind = 'students' AND a.state = 'activated') AS students_activated
FROM classes c LEFT JOIN schools s ON s.district = c.district AND s.id = c.school;

-- What an account is called: a synced student as in the roster, whatever the account says.
CREATE VIEW account_names AS
SELECT a.account_id, coalesce(student.display_name, a.display_name, teacher.display_name) AS display_name,
    student.display_name IS NOT NULL AS synced_student
FROM accounts a
LEFT JOIN LATERAL (
    SELECT s.display_name FROM activations v JOIN students s USING (district, id)
    WHERE v.account_id = a.account_id AND v.kind = 'students' AND v.state = 'activated'
    ORDER BY v.district LIMIT 1) student ON true
LEFT JOIN LATERAL (
    SELECT t.display_name FROM activations v JOIN teachers t USING (district, id)
    WHERE v.account_id = a.account_id AND v.kind = 'teachers' AND v.state = 'activated'
    ORDER BY v.district LIMIT 1) teacher ON true;

-- The words of every refusal; pages, the HTTP interface and whoever is at a console read them from here.
CREATE TABLE product.rules (
    rule text PRIMARY KEY,
    code text NOT NULL UNIQUE CHECK (code ~ '^RC[0-9]{3}$'), -- the SQLSTATE of the refusal
    refusal text NOT NULL,
    instead text NOT NULL
);
INSERT INTO product.rules (rule, code, refusal, instead) VALUES
    ('students-come-from-the-district', 'RC001', 'Students come from your district.',
     'Ask your school office to change the roster; it shows up after the next night.'),
    ('synced-student-name', 'RC002', 'This name comes from the district.',
     'Ask your school office to correct it; it shows up after the next night.'),
    ('synced-class-name', 'RC003', 'The name of this class comes from your district.',
     'Ask your school office to change it; it shows up after the next night.'),
    ('no-google-classroom', 'RC004', 'Google Classroom cannot be attached to a class that comes from your district.',
     'Make a class of your own and attach Google Classroom there.'),
    ('district-teacher-stays', 'RC005', 'The teachers of this class come from your district.',
     'If somebody is not a teacher of this class, tell your school office; it shows up after the next night.'),
    ('district-class-is-kept', 'RC006', 'You are in this class because your district says so, and cannot leave it.',
     'If this is not your class, tell your school office; it shows up after the next night.'),
    ('synced-class-stays', 'RC007', 'This class comes from your district and cannot be deleted.',
     'It goes when your school office ends it there; that shows up after the next night.'),
    ('teacher-only', 'RC008', 'Only the teacher of this class can do that.', 'Ask your teacher.'),
    ('class-keeps-its-teacher', 'RC009', 'A class keeps the teacher who made it.',
     'Delete the class if it is no longer needed.'),
    ('unknown-class', 'RC010', 'There is no such class.', 'Look at the account''s classes.'),
    ('unknown-account', 'RC011', 'There is no such account.', 'Name an account by its id.'),
    ('unknown-person', 'RC012', 'There is no such person in this class.', 'Look at its students and teachers.'),
    ('name-length', 'RC013', 'A name has 1 to 200 characters.', 'Give a name of that length.'),
    ('course-id-length', 'RC014', 'A course of Google Classroom has an id of 1 to 200 characters.',
     'Give the course''s id, as its address there ends.'),
    ('roster-is-applied', 'RC100',
     'Rosters are written by apply alone, as role rollcall_apply, from an approved change set.',
     'Have the district correct its roster; `rollcall sync DISTRICT` brings it in without waiting for the night.');

CREATE FUNCTION refuse(broken text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = product, pg_temp
AS $$
DECLARE
    known product.rules;
BEGIN
    SELECT * INTO STRICT known FROM product.rules WHERE rule = broken;
    RAISE EXCEPTION USING
        ERRCODE = known.code, MESSAGE = known.refusal, HINT = known.instead, CONSTRAINT = known.rule;
END $$;

-- Who may do what in which class: no rule, no refusal.
CREATE TABLE product.class_actions (
    action text NOT NULL,
    synced boolean NOT NULL,
    part text NOT NULL CHECK (part IN ('teacher', 'student')),
    rule text REFERENCES product.rules,
    PRIMARY KEY (action, synced, part)
);
INSERT INTO product.class_actions (action, synced, part, rule) VALUES
    ('add-student', true, 'teacher', 'students-come-from-the-district'),
    ('add-student', true, 'student', 'students-come-from-the-district'),
    ('add-student', false, 'teacher', NULL),
    ('add-student', false, 'student', 'teacher-only'),
    ('remove-student', true, 'teacher', 'students-come-from-the-district'),
    ('remove-student', true, 'student', 'students-come-from-the-district'),
    ('remove-student', false, 'teacher', NULL),
    ('remove-student', false, 'student', 'teacher-only'),
    ('rename-student', true, 'teacher', 'synced-student-name'),
    ('rename-student', true, 'student', 'synced-student-name'),
    ('rename-student', false, 'teacher', NULL),
    ('rename-student', false, 'student', 'teacher-only'),
    ('rename-class', true, 'teacher', 'synced-class-name'),
    ('rename-class', true, 'student', 'synced-class-name'),
    ('rename-class', false, 'teacher', NULL),
    ('rename-class', false, 'student', 'teacher-only'),
    ('attach-google-classroom', true, 'teacher', 'no-google-classroom'),
    ('attach-google-classroom', true, 'student', 'no-google-classroom'),
    ('attach-google-classroom', false, 'teacher', NULL),
    ('attach-google-classroom', false, 'student', 'teacher-only'),
    ('remove-teacher', true, 'teacher', 'district-teacher-stays'),
    ('remove-teacher', true, 'student', 'district-teacher-stays'),
    ('remove-teacher', false, 'teacher', 'class-keeps-its-teacher'),
    ('remove-teacher', false, 'student', NULL),
    ('leave-class', true, 'teacher', 'district-class-is-kept'),
    ('leave-class', true, 'student', 'district-class-is-kept'),
    ('leave-class', false, 'teacher', 'class-keeps-its-teacher'),
    ('leave-class', false, 'student', NULL),
    ('delete-class', true, 'teacher', 'synced-class-stays'),
    ('delete-class', true, 'student', 'synced-class-stays'),
    ('delete-class', false, 'teacher', NULL),
    ('delete-class', false, 'student', 'teacher-only');

CREATE FUNCTION product.acting_account() RETURNS uuid LANGUAGE sql STABLE
RETURN nullif(current_setting('rollcall.account', true), '')::uuid;

-- The classes that the acting account is in. Every view below begins here, so that nobody sees, or touches, another's.
CREATE VIEW product.own_classes WITH (security_barrier) AS
SELECT class_id, district, id, max(part) AS part -- who is both in one class is its teacher
FROM (
    SELECT product.id_of(p.district, 'classes', p.class) AS class_id, p.district, p.class AS id, p.part
    FROM activations a JOIN places p ON p.district = a.district AND p.person = a.id AND p.part || 's' = a.kind
    WHERE a.account_id = product.acting_account() AND a.state = 'activated'
    UNION ALL
    SELECT class_id, NULL, NULL, 'teacher' FROM personal_classes WHERE teacher = product.acting_account()
    UNION ALL
    SELECT class_id, NULL, NULL, 'student' FROM personal_students WHERE student = product.acting_account()
) own
GROUP BY class_id, district, id;

CREATE VIEW product.classes WITH (security_barrier) AS
SELECT o.class_id, s.name, o.part, true AS synced, s.label, s.district, s.id, s.school_name,
    s.students, s.students_activated, NULL AS google_classroom
FROM product.own_classes o JOIN synced_classes s ON s.district = o.district AND s.id = o.id
UNION ALL
SELECT c.class_id, c.name, o.part, false, NULL, NULL, NULL, NULL, n.students, n.students, c.google_classroom
FROM product.own_classes o
JOIN personal_classes c USING (class_id)
CROSS JOIN LATERAL (SELECT count(*) AS students FROM personal_students s WHERE s.class_id = c.class_id) n;

-- A teacher sees the students of a class, a student only themselves.
CREATE VIEW product.class_students WITH (security_barrier) AS
SELECT o.class_id, product.id_of(s.district, 'students', s.id) AS person_id, a.account_id, s.display_name,
    a.account_id IS NOT NULL AS activated, s.district, s.id
FROM product.own_classes o
JOIN places p ON p.district = o.district AND p.class = o.id AND p.part = 'student'
JOIN students s ON s.district = p.district AND s.id = p.person
LEFT JOIN activations a ON a.district = s.district AND a.kind = 'students' AND a.id = s.id AND a.state = 'activated'
WHERE o.part = 'teacher' OR a.account_id = product.acting_account()
UNION ALL
SELECT o.class_id, m.student, m.student,
    CASE WHEN n.synced_student THEN n.display_name ELSE coalesce(m.display_name, n.display_name) END, true, NULL, NULL
FROM product.own_classes o JOIN personal_students m USING (class_id) JOIN account_names n ON n.account_id = m.student
WHERE o.part = 'teacher' OR m.student = product.acting_account();

CREATE VIEW product.class_teachers WITH (security_barrier) AS
SELECT o.class_id, product.id_of(t.district, 'teachers', t.id) AS person_id, a.account_id, t.display_name,
    p.is_primary, t.district, t.id
FROM product.own_classes o
JOIN places p ON p.district = o.district AND p.class = o.id AND p.part = 'teacher'
JOIN teachers t ON t.district = p.district AND t.id = p.person
LEFT JOIN activations a ON a.district = t.district AND a.kind = 'teachers' AND a.id = t.id AND a.state = 'activated'
UNION ALL
SELECT o.class_id, c.teacher, c.teacher, n.display_name, true, NULL, NULL
FROM product.own_classes o JOIN personal_classes c USING (class_id) JOIN account_names n ON n.account_id = c.teacher;

-- What the acting account may do in each of its classes, and why not, so that nobody is shown a dead button.
CREATE VIEW product.may WITH (security_barrier) AS
SELECT o.class_id, a.action, a.rule IS NULL AS allowed, a.rule, r.refusal, r.instead
FROM product.own_classes o
JOIN product.class_actions a ON a.synced = (o.district IS NOT NULL) AND a.part = o.part
LEFT JOIN product.rules r ON r.rule = a.rule;

-- The acting account itself.
CREATE VIEW product.accounts WITH (security_barrier) AS
SELECT n.account_id, n.display_name, n.synced_student, a.permissions
FROM account_names n JOIN accounts a USING (account_id)
WHERE n.account_id = product.acting_account();

CREATE VIEW product.work WITH (security_barrier) AS
SELECT work_id, account_id, title, done_at FROM account_work WHERE account_id = product.acting_account()
WITH CASCADED CHECK OPTION;
ALTER VIEW product.work ALTER COLUMN account_id SET DEFAULT product.acting_account();

-- Refuses what the acting account may not do; a class of others is as unknown as one that is not there.
CREATE FUNCTION product.check_may(class uuid, wanted text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    broken text;
BEGIN
    SELECT rule INTO broken FROM product.may WHERE class_id = class AND action = wanted;
    IF NOT FOUND THEN
        PERFORM refuse('unknown-class');
    ELSIF broken IS NOT NULL THEN
        PERFORM refuse(broken);
    END IF;
END $$;
REVOKE ALL ON FUNCTION product.check_may FROM PUBLIC;

CREATE FUNCTION product.check_name(name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF name IS NULL OR char_length(btrim(name)) NOT BETWEEN 1 AND 200 THEN
        PERFORM refuse('name-length');
    END IF;
END $$;
REVOKE ALL ON FUNCTION product.check_name FROM PUBLIC;

CREATE FUNCTION product.change_class() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NOT EXISTS (SELECT FROM product.accounts) THEN
            PERFORM refuse('unknown-account');
        END IF;
        PERFORM product.check_name(NEW.name);
        INSERT INTO personal_classes (teacher, name) VALUES (product.acting_account(), NEW.name)
        RETURNING class_id INTO NEW.class_id;
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM product.check_may(OLD.class_id, 'delete-class');
        DELETE FROM personal_classes WHERE class_id = OLD.class_id;
        RETURN OLD;
    END IF;
    IF NEW.name IS DISTINCT FROM OLD.name THEN
        PERFORM product.check_may(OLD.class_id, 'rename-class');
        PERFORM product.check_name(NEW.name);
    END IF;
    IF NEW.google_classroom IS DISTINCT FROM OLD.google_classroom THEN
        PERFORM product.check_may(OLD.class_id, 'attach-google-classroom');
        IF char_length(NEW.google_classroom) NOT BETWEEN 1 AND 200 THEN
            PERFORM refuse('course-id-length');
        END IF;
    END IF;
    UPDATE personal_classes SET name = NEW.name, google_classroom = NEW.google_classroom WHERE class_id = OLD.class_id;
    RETURN NEW;
END $$;
CREATE TRIGGER change_class INSTEAD OF INSERT OR UPDATE OR DELETE ON product.classes
    FOR EACH ROW EXECUTE FUNCTION product.change_class();

CREATE FUNCTION product.change_student() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM product.check_may(NEW.class_id, 'add-student');
        IF NOT EXISTS (SELECT FROM accounts WHERE account_id = NEW.account_id) THEN
            PERFORM refuse('unknown-account');
        END IF;
        PERFORM FROM personal_classes WHERE class_id = NEW.class_id FOR KEY SHARE;
        IF NOT FOUND THEN -- deleted at this very moment
            PERFORM refuse('unknown-class');
        END IF;
        INSERT INTO personal_students (class_id, student) VALUES (NEW.class_id, NEW.account_id)
        ON CONFLICT DO NOTHING;
        NEW.person_id := NEW.account_id;
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM product.check_may(OLD.class_id, CASE WHEN OLD.account_id = product.acting_account()
            THEN 'leave-class' ELSE 'remove-student' END);
        DELETE FROM personal_students WHERE class_id = OLD.class_id AND student = OLD.account_id;
        RETURN OLD;
    END IF;
    IF NEW.display_name IS DISTINCT FROM OLD.display_name THEN
        PERFORM product.check_may(OLD.class_id, 'rename-student');
        IF (SELECT synced_student FROM account_names WHERE account_id = OLD.account_id) THEN
            PERFORM refuse('synced-student-name');
        END IF;
        PERFORM product.check_name(NEW.display_name);
        UPDATE personal_students SET display_name = NEW.display_name
        WHERE class_id = OLD.class_id AND student = OLD.account_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER change_student INSTEAD OF INSERT OR UPDATE OR DELETE ON product.class_students
    FOR EACH ROW EXECUTE FUNCTION product.change_student();

-- A student who removes a teacher leaves all the personal classes of that teacher.
CREATE FUNCTION product.remove_teacher() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM product.check_may(OLD.class_id, 'remove-teacher');
    DELETE FROM personal_students s USING personal_classes c
    WHERE c.class_id = s.class_id AND c.teacher = OLD.account_id AND s.student = product.acting_account();
    RETURN OLD;
END $$;
CREATE TRIGGER remove_teacher INSTEAD OF DELETE ON product.class_teachers
    FOR EACH ROW EXECUTE FUNCTION product.remove_teacher();

CREATE FUNCTION product.rename_account() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.display_name IS DISTINCT FROM OLD.display_name THEN
        IF NOT OLD.synced_student THEN
            PERFORM product.check_name(NEW.display_name);
        END IF;
        UPDATE accounts SET display_name = NEW.display_name WHERE account_id = OLD.account_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER rename_account INSTEAD OF UPDATE ON product.accounts
    FOR EACH ROW EXECUTE FUNCTION product.rename_account();

-- The two rules that hold for every role, the tables' owner and a superuser at a console included.

-- Once a statement, so that it costs a million rows nothing. A district's removal cascades, so its trigger is not alone.
CREATE FUNCTION keep_roster() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user <> 'rollcall_apply' AND NOT (TG_OP = 'DELETE' AND pg_trigger_depth() > 1) THEN
        PERFORM refuse('roster-is-applied');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_roster BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON schools
    FOR EACH STATEMENT EXECUTE FUNCTION keep_roster();
CREATE TRIGGER keep_roster BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON teachers
    FOR EACH STATEMENT EXECUTE FUNCTION keep_roster();
CREATE TRIGGER keep_roster BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON students
    FOR EACH STATEMENT EXECUTE FUNCTION keep_roster();
CREATE TRIGGER keep_roster BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON classes
    FOR EACH STATEMENT EXECUTE FUNCTION keep_roster();
CREATE TRIGGER keep_roster BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON places
    FOR EACH STATEMENT EXECUTE FUNCTION keep_roster();

CREATE FUNCTION keep_synced_student_name() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM activations
               WHERE account_id = OLD.account_id AND kind = 'students' AND state = 'activated') THEN
        PERFORM refuse('synced-student-name');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_synced_student_name BEFORE UPDATE OF display_name ON accounts
    FOR EACH ROW WHEN (OLD.display_name IS DISTINCT FROM NEW.display_name)
    EXECUTE FUNCTION keep_synced_student_name();

GRANT USAGE ON SCHEMA product TO rollcall_product;
GRANT SELECT ON product.rules, product.classes, product.class_students, product.class_teachers, product.may,
    product.accounts, product.work TO rollcall_product;
GRANT INSERT (name), UPDATE (name, google_classroom), DELETE ON product.classes TO rollcall_product;
GRANT INSERT (class_id, account_id), UPDATE (display_name), DELETE ON product.class_students TO rollcall_product;
GRANT DELETE ON product.class_teachers TO rollcall_product;
GRANT UPDATE (display_name) ON product.accounts TO rollcall_product;
GRANT INSERT (title, done_at) ON product.work TO rollcall_product;

GRANT SELECT ON synced_classes, personal_classes, personal_students, account_work TO rollcall_operator;
