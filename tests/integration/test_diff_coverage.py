"""What a set would leave without a teacher or without a class, against what a look at everybody says."""

from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.events import BeforeAndAfter, KindCounts
from schemas.records import Class
from services.database.connect import connect
from services.diff.applied import AppliedRoster
from services.diff.coverage import Coverage

PEOPLE = [f"student-{number}" for number in range(6)]


@st.composite
def rosters(draw: st.DrawFn) -> tuple[set[str], dict[str, Class]]:
    """Students, and classes with or without a teacher that have some of them."""
    students = draw(st.sets(st.sampled_from(PEOPLE)))
    some = st.sets(st.sampled_from(sorted(students))) if students else st.just(set())
    taught = st.booleans()
    ids = draw(st.sets(st.sampled_from(["art", "math", "music", "pe"])))
    made = {id_: Class(id_, id_, "s", ("t",) * draw(taught), tuple(sorted(draw(some)))) for id_ in sorted(ids)}
    return students, made


def apply(connection: psycopg.Connection[Any], district: str, students: set[str], classes: dict[str, Class]) -> None:
    """Put a roster where apply puts it."""
    connection.execute("INSERT INTO rosters (district) VALUES (%s)", (district,))
    connection.execute("SET ROLE rollcall_apply")  # the database lets nobody else
    for id_ in students:
        connection.execute(
            "INSERT INTO students (district, id, given, family, display_name, schools, classes, digest, roster_version)"
            " VALUES (%s, %s, 'x', 'x', 'x', '{}', %s, %s, 1)",
            (district, id_, [class_.id for class_ in classes.values() if id_ in class_.students], bytes(16)),
        )
    for class_ in classes.values():
        connection.execute(
            "INSERT INTO classes (district, id, name, school, teachers, students, digest, roster_version)"
            " VALUES (%s, %s, %s, 's', %s, %s, %s, 1)",
            (district, class_.id, class_.name, list(class_.teachers), list(class_.students), bytes(16)),
        )
    connection.execute("RESET ROLE")


def without(students: set[str], classes: dict[str, Class]) -> tuple[int, int]:
    """Look at everybody: classes without a teacher, students without a class."""
    placed = {student for class_ in classes.values() for student in class_.students}
    return sum(not class_.teachers for class_ in classes.values()), len(students - placed)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(was=rosters(), will=rosters())
def test_classes_without_a_teacher_and_students_without_a_class_are_counted_from_the_changes_alone(
    database: str, was: tuple[set[str], dict[str, Class]], will: tuple[set[str], dict[str, Class]]
) -> None:
    students, classes = was
    students_after, classes_after = will
    coverage = Coverage()
    for id_ in sorted(classes.keys() | classes_after.keys()):
        if classes.get(id_) != classes_after.get(id_):
            coverage.look_at(classes.get(id_), classes_after.get(id_))
    counts = KindCounts(existing=len(students), created=len(students_after - students))
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DELETE FROM districts")
        connection.execute(
            "INSERT INTO districts (district, name, provider, url, timezone, plan)"
            " VALUES ('springfield', 'Springfield', 'clever', 'http://127.0.0.1:9', 'UTC', 'districts')"
        )
        apply(connection, "springfield", students, classes)
    with connect(database, "rollcall_diff") as connection, AppliedRoster(connection, "springfield") as applied:
        now = applied.without_places()
        without_teacher = coverage.classes_without_teacher(now.classes_without_teacher)
        without_class = coverage.students_without_class(
            now.students_without_class, applied, counts, students - students_after
        )
    before, after = without(students, classes), without(students_after, classes_after)
    assert without_teacher == BeforeAndAfter(before=before[0], after=after[0])
    assert without_class == BeforeAndAfter(before=before[1], after=after[1])
