"""Places stand twice, with their class and with their person: both sides change together, or nothing does."""

from dataclasses import replace

import psycopg
import pytest

from schemas.events import Change
from schemas.records import Class, Record, School, Student, Teacher, digest_of, encode_record
from services.apply.merge import MisfitError
from services.cli.roster_checks import roster_check
from services.database import migrate as migrating
from services.database.connect import connect
from tests.change_sets import created, removed, updated
from tests.rosters import activate_as, add_account, add_district, apply_changes, roster
from tests.stack import new_database

DISTRICT = "springfield"
SCHOOL = School("s1", "Lincoln")
TEACHERS = [Teacher(f"t{n}", None, "Ada", f"Hand {n}", f"Ada Hand {n}", ("s1",)) for n in range(3)]
STUDENTS = [Student(f"p{n}", None, "Sam", f"Lee {n}", f"Sam Lee {n}", ("s1",)) for n in range(4)]
ART = Class("art", "Art", "s1", ("t1", "t0"), ("p0", "p1"))
MATH = Class("math", "Math", "s1", ("t0",), ("p1", "p2"))
RECORDS: list[Record] = [SCHOOL, *TEACHERS, *STUDENTS, ART, MATH]


@pytest.fixture
def rostered(database: str) -> str:
    add_district(database, DISTRICT)
    roster(database, DISTRICT, RECORDS)
    return database


def _places(database: str) -> dict[str, set[tuple[str, str]]]:
    """Give each person's classes, with `!` where they are the primary teacher, as both sides say them."""
    with psycopg.connect(database) as connection:
        by_class = connection.execute("SELECT part, person, class, is_primary FROM places").fetchall()
        by_person = connection.execute(
            "SELECT 'teacher', id, unnest(classes) FROM teachers UNION ALL SELECT 'student', id, unnest(classes)"
            " FROM students"
        ).fetchall()
    assert sorted(by_person) == sorted((part, person, class_) for part, person, class_, _ in by_class)
    found: dict[str, set[tuple[str, str]]] = {}
    for part, person, class_, primary in by_class:
        found.setdefault(person, set()).add((part, class_ + "!" * primary))
    return found


def _version(database: str) -> int:
    with psycopg.connect(database) as connection:
        [(version,)] = connection.execute("SELECT roster_version FROM rosters").fetchall()
        return int(version)


def test_a_first_load_gives_every_class_its_people_and_every_person_their_classes(rostered: str) -> None:
    assert _places(rostered) == {
        "t0": {("teacher", "art"), ("teacher", "math!")},
        "t1": {("teacher", "art!")},
        "p0": {("student", "art")},
        "p1": {("student", "art"), ("student", "math")},
        "p2": {("student", "math")},
    }


def test_who_moves_comes_goes_or_becomes_primary_stands_so_with_class_and_person(rostered: str) -> None:
    new = Student("p9", None, "Kit", "Ray", "Kit Ray", ("s1",))
    music = Class("music", "Music", "s1", ("t2",), ("p1", "p9"))
    changes = [
        created(new),
        removed(STUDENTS[0]),
        updated(STUDENTS[1], replace(STUDENTS[1], grade="6")),
        updated(ART, replace(ART, teachers=("t0", "t1"), students=("p3",))),
        removed(MATH),
        created(music),
    ]
    # The header counts a new primary teacher as two places updated.
    apply_changes(rostered, DISTRICT, changes, places_updated=2)
    assert _places(rostered) == {
        "t0": {("teacher", "art!")},
        "t1": {("teacher", "art")},
        "t2": {("teacher", "music!")},
        "p1": {("student", "music")},
        "p3": {("student", "art")},
        "p9": {("student", "music")},
    }


def _wrong(true: Class, told: Class, will: Class) -> Change:
    """Give a change that names the digest that stands and tells another record."""
    change = updated(told, will)
    return change.model_copy(update={"before_digest": digest_of(encode_record(true))})


@pytest.mark.parametrize(
    "change",
    [
        _wrong(ART, replace(ART, students=("p0", "p1", "p2")), replace(ART, students=("p0", "p1"))),
        _wrong(ART, replace(ART, students=("p0",)), ART),
        created(Class("music", "Music", "s1", ("t2",), ("p1", "p1"))),
        created(Class("music", "Music", "s1", ("p1",), ())),
        created(Class("music", "Music", "s1", ("t2",), ("nobody",))),
        removed(STUDENTS[0]),
    ],
    ids=["loses who is not there", "gains who is there", "twice", "no teacher", "nobody", "still in a class"],
)
def test_a_change_set_after_which_class_and_person_would_not_agree_is_refused_whole(
    rostered: str, change: Change
) -> None:
    before = _places(rostered)
    with pytest.raises(MisfitError):
        apply_changes(rostered, DISTRICT, [created(School("s2", "Adams")), change])
    assert (_places(rostered), _version(rostered)) == (before, 1)


def test_the_doctor_finds_a_place_that_stands_with_its_person_alone(rostered: str) -> None:
    with psycopg.connect(rostered, autocommit=True) as connection:
        assert roster_check(connection, DISTRICT).ok
        connection.execute("SET ROLE rollcall_apply")
        connection.execute("UPDATE students SET classes = '{art}' WHERE id = 'p3'")
        connection.execute("RESET ROLE")
        found = roster_check(connection, DISTRICT)
    assert not found.ok
    assert "1 places stand with their class alone, or with their person alone" in found.text


def test_tables_that_a_first_load_filled_are_looked_over_at_once_and_people_and_classes_found_by_their_keys(
    database: str,
) -> None:
    add_district(database, DISTRICT)
    students = [Student(f"p{n:05}", None, "Sam", "Lee", "Sam Lee", ("s1",)) for n in range(10_000)]
    ids = [student.id for student in students]
    classes = [Class(f"c{n:05}", "Art", "s1", ("t0",), tuple(sorted(ids[n::1000]))) for n in range(1000)]
    roster(database, DISTRICT, [SCHOOL, *TEACHERS, *students, *classes])
    account = add_account(database)
    activate_as(database, account, DISTRICT, "students", "p00007")
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT reltuples FROM pg_class WHERE relname = 'students'").fetchone() == (10_000,)
        connection.execute("ANALYZE classes")
    with connect(database, "rollcall_product") as connection:
        connection.execute("SELECT set_config('rollcall.account', %s, false)", (str(account),))
        seen = connection.execute("SELECT id, students FROM product.classes").fetchall()
    assert seen == [("c00007", 10)]
    with psycopg.connect(database) as connection:  # only an owner may look behind a view
        connection.execute("SELECT set_config('rollcall.account', %s, false)", (str(account),))
        connection.execute("SET enable_seqscan = off")  # of tables this small PostgreSQL rather reads every row
        for query in (
            "SELECT * FROM product.classes",
            "SELECT * FROM product.class_students",
            "SELECT * FROM places WHERE district = 'springfield' AND class = 'c00007'",
        ):
            plan = "\n".join(line for (line,) in connection.execute(f"EXPLAIN {query}".encode()))
            assert "Seq Scan on students" not in plan, plan
            assert "Seq Scan on classes" not in plan, plan


def test_places_that_stood_as_rows_are_taken_into_classes_and_people(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = migrating.migrations()
    with new_database(postgres) as database:
        with monkeypatch.context() as until:
            until.setattr(migrating, "migrations", lambda: [one for one in everything if one.number <= 20])
            migrating.migrate(database)
        add_district(database, DISTRICT)
        with connect(database, "rollcall_apply") as connection:
            for kind, records in (("teachers", TEACHERS), ("students", STUDENTS)):
                for person in records:
                    connection.execute(
                        f"INSERT INTO {kind} (district, id, given, family, display_name, schools, digest,"
                        " roster_version) VALUES ('springfield', %s, 'x', 'x', 'x', '{}', %s, 1)".encode(),
                        (person.id, bytes(16)),
                    )
            for class_ in (ART, MATH):
                connection.execute(
                    "INSERT INTO classes (district, id, name, school, digest, roster_version)"
                    " VALUES ('springfield', %s, 'x', 's1', %s, 1)",
                    (class_.id, bytes(16)),
                )
                for part, people in (("teacher", class_.teachers), ("student", class_.students)):
                    for at, id_ in reversed(list(enumerate(people))):
                        connection.execute(
                            "INSERT INTO places VALUES ('springfield', %s, %s, %s, %s)",
                            (class_.id, part, id_, part == "teacher" and at == 0),
                        )
        migrating.migrate(database)
        with psycopg.connect(database) as connection:
            kept = connection.execute("SELECT id, teachers, students FROM classes ORDER BY id").fetchall()
        assert kept == [(one.id, list(one.teachers), list(one.students)) for one in (ART, MATH)]
        assert _places(database)["p1"] == {("student", "art"), ("student", "math")}
