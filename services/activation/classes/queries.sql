-- What the product asks as the account that acts: every view shows that account's own, nothing else.

-- name: one_moment
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;

-- name: act_as
SELECT set_config('rollcall.account', %(account_id)s, true);

-- name: refuse
SELECT refuse(%(rule)s);

-- name: refuse_nothing_done
-- Nothing was there to act on: the rule that would have refused it anyway, else that it is unknown.
SELECT refuse(coalesce(
    (SELECT coalesce(rule, 'unknown-person') FROM product.may WHERE class_id = %(class_id)s AND action = %(action)s),
    'unknown-class'));

-- name: account
SELECT account_id, display_name, synced_student, permissions = 'limited' AS limited FROM product.accounts;

-- name: classes
SELECT class_id, name, part, synced, label, district, id, school_name, students, students_activated, google_classroom
FROM product.classes ORDER BY name, class_id;

-- name: class
SELECT class_id, name, part, synced, label, district, id, school_name, students, students_activated, google_classroom
FROM product.classes WHERE class_id = %(class_id)s;

-- name: students
SELECT person_id, account_id, display_name, activated FROM product.class_students
WHERE class_id = %(class_id)s ORDER BY lower(display_name), person_id;

-- name: taught
-- Everybody with an account whom the acting account sees as a student, once: a student sees no other.
SELECT DISTINCT ON (account_id) person_id, account_id, display_name, activated FROM product.class_students
WHERE account_id <> current_setting('rollcall.account')::uuid
ORDER BY account_id, display_name;

-- name: teachers
SELECT person_id, account_id, display_name, is_primary FROM product.class_teachers
WHERE class_id = %(class_id)s ORDER BY is_primary DESC, lower(display_name), person_id;

-- name: may
SELECT action, allowed, rule, refusal AS text, instead FROM product.may
WHERE class_id = %(class_id)s ORDER BY action;

-- name: make_class
INSERT INTO product.classes (name) VALUES (%(name)s) RETURNING class_id;

-- name: rename_class
UPDATE product.classes SET name = %(name)s WHERE class_id = %(class_id)s;

-- name: attach_google_classroom
UPDATE product.classes SET google_classroom = %(course)s WHERE class_id = %(class_id)s;

-- name: delete_class
DELETE FROM product.classes WHERE class_id = %(class_id)s;

-- name: add_student
INSERT INTO product.class_students (class_id, account_id) VALUES (%(class_id)s, %(student)s);

-- name: remove_student
DELETE FROM product.class_students WHERE class_id = %(class_id)s AND person_id = %(person_id)s;

-- name: rename_student
UPDATE product.class_students SET display_name = %(name)s WHERE class_id = %(class_id)s AND person_id = %(person_id)s;

-- name: leave_class
DELETE FROM product.class_students
WHERE class_id = %(class_id)s AND account_id = current_setting('rollcall.account')::uuid;

-- name: remove_teacher
DELETE FROM product.class_teachers WHERE class_id = %(class_id)s AND person_id = %(person_id)s;

-- name: rename_account
UPDATE product.accounts SET display_name = %(name)s;

-- name: work
SELECT work_id, title, done_at FROM product.work ORDER BY done_at DESC, work_id LIMIT 100;

-- name: record_work
INSERT INTO product.work (title) VALUES (%(title)s) RETURNING work_id, title, done_at;
