"""The rules of synced classes, each tried by connecting as each role; the database refuses by itself (promise 7)."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias, get_args
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.activation.classes import changing
from services.activation.classes.acting import RefusedError, UnknownError, acting
from services.activation.classes.reading import Action, Part, account_of, class_of, classes_of
from tests.classroom import MATH, Classroom

VIEWS = ("classes", "class_students", "class_teachers", "may", "accounts", "work")


@pytest.fixture
def room(database: str) -> Classroom:
    return Classroom(database)


def _do(room: Classroom, account: UUID | None, statement: str, *values: object) -> int:
    """Run a statement as the product does for an account; give how many rows it touched."""
    with room.product() as connection, connection.transaction():
        if account is not None:
            connection.execute("SELECT set_config('rollcall.account', %s, true)", (str(account),))
        return connection.execute(statement.encode(), values).rowcount


def _refused(rule: str, room: Classroom, account: UUID | None, statement: str, *values: object) -> None:
    """See that the database refuses by this rule, and says in words of its own why and what to do instead."""
    with pytest.raises(psycopg.DatabaseError) as refusal:
        _do(room, account, statement, *values)
    [(code, why, instead)] = room.rows("SELECT code, refusal, instead FROM product.rules WHERE rule = %s", rule)
    told = refusal.value.diag
    assert (refusal.value.sqlstate, told.constraint_name) == (code, rule)
    assert (told.message_primary, told.message_hint) == (why, instead)


def test_in_a_synced_class_nobody_adds_or_removes_a_student(room: Classroom) -> None:
    before = room.roster()
    rule = "students-come-from-the-district"
    add = "INSERT INTO product.class_students (class_id, account_id) VALUES (%s, %s)"
    for account in (room.teacher, room.ada):
        for newcomer in (room.stranger, room.fay, uuid4()):
            _refused(rule, room, account, add, room.math, newcomer)
    remove = "DELETE FROM product.class_students WHERE class_id = %s AND person_id = %s"
    for student in ("p1", "p2", "p3"):
        _refused(rule, room, room.teacher, remove, room.math, room.person_id("students", student))
    _refused(rule, room, room.teacher, "DELETE FROM product.class_students WHERE class_id = %s", room.math)
    assert _do(room, room.ada, remove, room.math, room.person_id("students", "p2")) == 0  # whom a student cannot see
    assert room.roster() == before


def test_nobody_edits_the_display_name_of_a_synced_student(room: Classroom) -> None:
    rule = "synced-student-name"
    in_class = "UPDATE product.class_students SET display_name = 'Zed' WHERE class_id = %s"
    for account in (room.teacher, room.ada):
        _refused(rule, room, account, in_class, room.math)
    _refused(rule, room, room.teacher, f"{in_class} AND account_id = %s", room.club, room.ada)
    _refused(rule, room, room.ada, "UPDATE product.accounts SET display_name = 'Zed'")
    for role in ("rollcall_operator", "rollcall_sign_in", "none"):
        with psycopg.connect(room.database) as connection:
            connection.execute(f"SET ROLE {role}".encode())
            with pytest.raises(psycopg.DatabaseError) as refusal:
                connection.execute("UPDATE accounts SET display_name = 'Zed' WHERE account_id = %s", (room.ada,))
        assert refusal.value.diag.constraint_name == rule, role
    with room.product() as connection:
        assert account_of(connection, room.ada).display_name == "Ada L."
        names = {one.display_name for one in class_of(connection, room.teacher, room.club).students}
        assert names == {"Ada L.", "Fay"}


def test_a_synced_class_keeps_its_name_and_no_google_classroom_is_attached_to_it(room: Classroom) -> None:
    for account in (room.teacher, room.ada):
        _refused("synced-class-name", room, account, "UPDATE product.classes SET name = 'Mine' WHERE synced")
        _refused("no-google-classroom", room, account, "UPDATE product.classes SET google_classroom = '7' WHERE synced")
        _refused("synced-class-stays", room, account, "DELETE FROM product.classes WHERE synced")


def test_a_student_neither_leaves_a_district_class_nor_removes_its_teachers(room: Classroom) -> None:
    leave = "DELETE FROM product.class_students WHERE class_id = %s AND account_id = %s"
    _refused("district-class-is-kept", room, room.ada, leave, room.math, room.ada)
    for teacher in ("t1", "t2"):
        remove = "DELETE FROM product.class_teachers WHERE class_id = %s AND person_id = %s"
        for account in (room.ada, room.teacher):
            _refused("district-teacher-stays", room, account, remove, room.math, room.person_id("teachers", teacher))


def test_one_refusal_in_a_statement_over_all_classes_undoes_the_statement(room: Classroom) -> None:
    _refused("synced-class-name", room, room.teacher, "UPDATE product.classes SET name = 'Mine'")
    assert room.rows("SELECT name FROM personal_classes") == [("Chess club",)]


def test_a_personal_class_keeps_all_of_that(room: Classroom) -> None:
    add = "INSERT INTO product.class_students (class_id, account_id) VALUES (%s, %s)"
    assert _do(room, room.teacher, add, room.club, room.stranger) == 1
    rename = "UPDATE product.class_students SET display_name = 'Sammy' WHERE account_id = %s"
    assert _do(room, room.teacher, rename, room.stranger) == 1
    assert _do(room, room.teacher, "DELETE FROM product.class_students WHERE account_id = %s", room.stranger) == 1
    assert (
        _do(room, room.teacher, "UPDATE product.classes SET name = 'C', google_classroom = '7' WHERE NOT synced") == 1
    )
    assert _do(room, room.fay, "DELETE FROM product.class_students WHERE class_id = %s", room.club) == 1
    assert _do(room, room.ada, "DELETE FROM product.class_teachers WHERE class_id = %s", room.club) == 1
    assert room.rows("SELECT * FROM personal_students") == []
    assert room.rows("SELECT name, google_classroom FROM personal_classes") == [("C", "7")]
    assert _do(room, room.teacher, "DELETE FROM product.classes WHERE class_id = %s", room.club) == 1


def test_in_a_personal_class_a_student_does_nothing_but_leave(room: Classroom) -> None:
    add = "INSERT INTO product.class_students (class_id, account_id) VALUES (%s, %s)"
    _refused("teacher-only", room, room.fay, add, room.club, room.stranger)
    for change in ("UPDATE product.classes SET name = 'Mine'", "UPDATE product.classes SET google_classroom = '7'"):
        _refused("teacher-only", room, room.fay, change)
    _refused("teacher-only", room, room.fay, "UPDATE product.class_students SET display_name = 'Zed'")
    _refused("teacher-only", room, room.fay, "DELETE FROM product.classes")
    keep = "DELETE FROM product.class_teachers WHERE class_id = %s"
    _refused("class-keeps-its-teacher", room, room.teacher, keep, room.club)


def test_a_stranger_sees_no_class_of_others_and_changes_none(room: Classroom) -> None:
    with room.product() as connection:
        assert classes_of(connection, room.stranger) == []
        with pytest.raises(UnknownError):
            class_of(connection, room.stranger, room.math)
    _changes_nothing(room, room.stranger)


def test_without_saying_who_acts_nothing_is_seen_and_nothing_done(room: Classroom) -> None:
    for account in (None, uuid4()):
        for view in VIEWS:
            assert _do(room, account, f"SELECT FROM product.{view}") == 0, view
        _refused("unknown-account", room, account, "INSERT INTO product.classes (name) VALUES ('Mine')")
        _changes_nothing(room, account)
    with pytest.raises(psycopg.errors.NotNullViolation):
        _do(room, None, "INSERT INTO product.work (title) VALUES ('Mine')")


def _changes_nothing(room: Classroom, account: UUID | None) -> None:
    before = (room.roster(), room.rows("SELECT * FROM personal_classes"), room.rows("SELECT * FROM personal_students"))
    for class_id in (room.math, room.club):
        add = "INSERT INTO product.class_students (class_id, account_id) VALUES (%s, %s)"
        _refused("unknown-class", room, account, add, class_id, account or room.stranger)
        for statement in (
            "UPDATE product.classes SET name = 'Mine', google_classroom = '7' WHERE class_id = %s",
            "DELETE FROM product.classes WHERE class_id = %s",
            "UPDATE product.class_students SET display_name = 'Zed' WHERE class_id = %s",
            "DELETE FROM product.class_students WHERE class_id = %s",
            "DELETE FROM product.class_teachers WHERE class_id = %s",
        ):
            assert _do(room, account, statement, class_id) == 0
    after = (room.roster(), room.rows("SELECT * FROM personal_classes"), room.rows("SELECT * FROM personal_students"))
    assert after == before


def test_who_acts_is_forgotten_with_the_transaction(room: Classroom) -> None:
    with room.product() as connection:
        assert len(classes_of(connection, room.teacher)) == 2
        assert connection.execute("SELECT count(*) FROM product.classes").fetchone() == (0,)
        with pytest.raises(RefusedError):
            changing.rename_class(connection, room.teacher, room.math, "Mine")
        assert connection.execute("SELECT count(*) FROM product.classes").fetchone() == (0,)


def test_every_action_has_its_rule_or_none_for_either_part_in_either_kind_of_class(room: Classroom) -> None:
    decided = room.rows("SELECT action, synced, part FROM product.class_actions")
    assert sorted(decided) == sorted(
        (action, synced, part) for action in get_args(Action) for synced in (True, False) for part in get_args(Part)
    )
    [(allowed,)] = room.rows("SELECT count(*) FROM product.class_actions WHERE synced AND rule IS NULL")
    assert allowed == 0


def test_a_refusal_inside_a_longer_act_undoes_all_of_it(room: Classroom) -> None:
    def rename_both(connection: psycopg.Connection[Any]) -> None:
        with acting(connection, room.teacher):
            connection.execute("UPDATE product.classes SET name = 'Mine' WHERE NOT synced")
            connection.execute("UPDATE product.classes SET name = 'Mine' WHERE synced")

    with room.product() as connection, pytest.raises(RefusedError) as refusal:
        rename_both(connection)
    assert refusal.value.rule == "synced-class-name"
    assert str(refusal.value) == f"{refusal.value.text} {refusal.value.instead}"
    assert room.rows("SELECT name FROM personal_classes") == [("Chess club",)]


Act: TypeAlias = Callable[[psycopg.Connection[Any], UUID, UUID, UUID], None]
ACTS: dict[str, Act] = {
    "add": changing.add_student,
    "remove": changing.remove_student,
    "rename student": lambda c, who, where, whom: changing.rename_student(c, who, where, whom, "Zed"),
    "rename class": lambda c, who, where, _: changing.rename_class(c, who, where, "Mine"),
    "attach": lambda c, who, where, _: changing.attach_google_classroom(c, who, where, "7"),
    "remove teacher": changing.remove_teacher,
    "leave": lambda c, who, where, _: changing.leave_class(c, who, where),
    "rename": lambda c, who, _where, _whom: changing.rename_account(c, who, "Zed"),
}
PEOPLE = ("teacher", "ada", "bo", "fay", "stranger", "p1", "p2", "p3", "t1", "t2")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tries=st.lists(
        st.tuples(
            st.sampled_from(sorted(ACTS)),
            st.sampled_from(PEOPLE[:5]),
            st.sampled_from(("math", "club")),
            st.sampled_from(PEOPLE),
        ),
        min_size=5,
        max_size=15,
    )
)
def test_whatever_accounts_try_in_whatever_order_the_roster_and_its_students_names_stay(
    classroom: tuple[Classroom, dict[str, UUID], Any], tries: list[tuple[str, str, str, str]]
) -> None:
    room, people, before = classroom
    with room.product() as connection:
        for act, who, where, whom in tries:
            with suppress(RefusedError):
                ACTS[act](connection, people[who], getattr(room, where), people[whom])
        assert room.roster() == before
        [math] = [one for one in classes_of(connection, room.teacher) if one.class_id == room.math]
        assert (math.name, math.google_classroom, math.students, math.students_activated) == (MATH.name, None, 3, 2)
        for account, name in ((room.ada, "Ada L."), (room.bo, "Bo R.")):
            assert account_of(connection, account).display_name == name


@pytest.fixture
def classroom(room: Classroom) -> tuple[Classroom, dict[str, UUID], Any]:
    people = {name: getattr(room, name) for name in PEOPLE[:5]}
    people |= {id_: room.person_id("students", id_) for id_ in ("p1", "p2", "p3")}
    people |= {id_: room.person_id("teachers", id_) for id_ in ("t1", "t2")}
    return room, people, room.roster()


def test_the_manual_tells_every_rule(room: Classroom) -> None:
    manual = (Path(__file__).parents[2] / "docs/classes.md").read_text(encoding="utf-8")
    table = manual[manual.index("| rule |") :].split("\n\n", 1)[0]
    told = [name for line in table.splitlines()[2:] for name in line.split("|")[1].replace("`", "").split(",")]
    rules = {rule for (rule,) in room.rows("SELECT rule FROM product.rules")}
    assert sorted(name.strip() for name in told) == sorted(rules)
