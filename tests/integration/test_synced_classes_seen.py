"""What accounts see of synced and personal classes, as people activate, come, go and are renamed."""

import hashlib

import pytest

from schemas.records import Class, School, Student, Teacher
from services.activation.classes import changing
from services.activation.classes.acting import RefusedError
from services.activation.classes.reading import account_of, class_of, classes_of
from services.activation.classes.work import record_work, work_of
from services.database.connect import connect
from tests.change_sets import removed, updated
from tests.classroom import DISTRICT, MATH, RECORDS, Classroom
from tests.rosters import activate_as, add_account, add_district, apply_changes, roster


@pytest.fixture
def room(database: str) -> Classroom:
    return Classroom(database)


@pytest.mark.parametrize("state", ["required", "conflict", "deactivated"])
def test_only_who_has_activated_has_synced_classes(room: Classroom, state: str) -> None:
    with connect(room.database, "rollcall_activation") as connection:
        connection.execute(
            "UPDATE activations SET state = %s, account_id = NULL WHERE account_id IN (%s, %s)",
            (state, room.teacher, room.ada),
        )
    with room.product() as connection:
        assert [one.class_id for one in classes_of(connection, room.teacher)] == [room.club]
        assert [one.class_id for one in classes_of(connection, room.ada)] == [room.club]
        [math] = classes_of(connection, room.bo)
    assert (math.students, math.students_activated) == (3, 1)


def test_a_student_sees_no_other_student_and_a_teacher_sees_who_has_not_activated(room: Classroom) -> None:
    with room.product() as connection:
        for class_id in (room.math, room.club):
            assert [one.account_id for one in class_of(connection, room.ada, class_id).students] == [room.ada]
        whole = class_of(connection, room.teacher, room.math)
    assert [(one.display_name, one.activated) for one in whole.students] == [
        ("Ada L.", True),
        ("Bo R.", True),
        ("Cy T.", False),
    ]
    assert [(one.display_name, one.is_primary) for one in whole.teachers] == [("Ms Hand", True), ("Mr Moe", False)]


def test_a_class_is_known_by_the_digest_of_its_key_on_roster_updates(room: Classroom) -> None:
    assert room.math.bytes == hashlib.sha256(b"springfield/classes/math/5").digest()[:16]
    assert room.person_id("students", "p1").bytes == hashlib.sha256(b"springfield/students/p1").digest()[:16]


def test_a_teacher_of_two_districts_has_the_classes_of_both(room: Classroom) -> None:
    add_district(room.database, "shelbyville")
    teacher = Teacher(id="t1", email=None, given="Dana", family="Hand", display_name="D. Hand")
    records = (
        School(id="s1", name="Shelbyville High"),
        teacher,
        Class(id="bio", name="Bio", school="s1", teachers=("t1",)),
    )
    roster(room.database, "shelbyville", records)
    activate_as(room.database, room.teacher, "shelbyville", "teachers", "t1")
    with room.product() as connection:
        found = {(one.district, one.name) for one in classes_of(connection, room.teacher)}
    assert found == {("springfield", MATH.name), ("shelbyville", "Bio"), (None, "Chess club")}


def test_who_teaches_and_learns_in_one_class_is_its_teacher(database: str) -> None:
    add_district(database, DISTRICT)
    both = Teacher(id="x", email=None, given="A", family="B", display_name="A B")
    learner = Student(id="x", email=None, given="A", family="B", display_name="A B")
    art = Class(id="art", name="Art", school="s", teachers=("x",), students=("x",))
    roster(database, DISTRICT, (School(id="s", name="S"), both, learner, art))
    account = add_account(database)
    activate_as(database, account, DISTRICT, "teachers", "x")
    activate_as(database, account, DISTRICT, "students", "x")
    with connect(database, "rollcall_product") as connection:
        [found] = classes_of(connection, account)
        assert (found.part, found.students) == ("teacher", 1)
        with pytest.raises(RefusedError):
            changing.leave_class(connection, account, found.class_id)


def test_leaving_the_district_takes_its_classes_and_its_name_and_nothing_of_the_accounts_own(room: Classroom) -> None:
    with room.product() as connection:
        work = record_work(connection, room.ada, "Fractions")
    math_without = Class(id=MATH.id, name=MATH.name, school=MATH.school, teachers=MATH.teachers, students=("p2", "p3"))
    apply_changes(room.database, DISTRICT, [removed(RECORDS[3]), updated(MATH, math_without)])
    with connect(room.database, "rollcall_activation") as connection:
        connection.execute("UPDATE activations SET state = 'deactivated', account_id = NULL WHERE id = 'p1'")
    with room.product() as connection:
        assert [one.class_id for one in classes_of(connection, room.ada)] == [room.club]
        assert work_of(connection, room.ada) == [work]
        assert account_of(connection, room.ada).display_name == "xX ada Xx"
        changing.rename_account(connection, room.ada, "Ada")
        assert account_of(connection, room.ada).display_name == "Ada"


def test_what_a_teacher_calls_a_student_counts_in_that_class_alone_until_a_roster_names_them(room: Classroom) -> None:
    with room.product() as connection:
        changing.rename_student(connection, room.teacher, room.club, room.fay, "Fay from 5b")
        assert account_of(connection, room.fay).display_name == "Fay"
        activate_as(room.database, room.fay, DISTRICT, "students", "p3")
        names = {one.display_name for one in class_of(connection, room.teacher, room.club).students}
    assert names == {"Ada L.", "Cy T."}
