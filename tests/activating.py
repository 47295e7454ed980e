"""A district in which some have accounts, some are asked and three are in conflict: by real workers."""

from collections.abc import Sequence

from schemas.records import Class, Record, RecordKind, School, Student, Teacher
from tests.desk import DISTRICT, NAME
from tests.pipeline import Pipeline, until
from tests.rostered import add_account

STUDENTS = 24
ACTIVATED = 18
TWO_ACCOUNTS = ("s019", "s020", "s021")
"""Students with whose email there are two accounts each."""


def activated_roster() -> dict[RecordKind, Sequence[Record]]:
    """Give two schools: a class of everybody at the first, one of three of them at the second, one of nobody."""
    students = [
        Student(f"s{n:03}", f"kid{n}@example.org", "Kim", f"Ortega{n}", f"Kim Ortega{n}", ("school-1",), number=f"{n}")
        for n in range(1, STUDENTS + 1)
    ]
    teachers = [
        Teacher("t1", "teach@example.org", "Edna", "Krabappel", "Edna Krabappel", ("school-1", "school-2")),
        Teacher("t2", "other@example.org", "Elizabeth", "Hoover", "Elizabeth Hoover", ("school-2",)),
    ]
    return {
        "schools": [School("school-1", "Lincoln Elementary"), School("school-2", "Adams Middle")],
        "teachers": teachers,
        "students": students,
        "classes": [
            Class("c1", "Math 5", "school-1", ("t1",), tuple(one.id for one in students)),
            Class("=c2", "Art 5", "school-2", ("t2",), ("s001", "s002", "s024")),
            Class("c3", "Study hall", "school-2", ("t2",), ()),
        ],
    }


def activate_a_district(running: Pipeline) -> dict[str, tuple[str, str]]:
    """Have it rostered and matched; give the accounts that each student in conflict could have."""
    running.add_district(DISTRICT, name=NAME)
    with running.connect() as connection:
        for number in range(1, ACTIVATED + 1):
            add_account(connection, f"Kid{number}@example.org")
        add_account(connection, "teach@example.org")
        accounts = {
            student: (
                add_account(connection, f"kid{int(student[1:])}@example.org"),
                add_account(connection, f"kid{int(student[1:])}@example.org", f"second{student}@home.example"),
            )
            for student in TWO_ACCOUNTS
        }
    night = running.ended(running.publish_snapshot(DISTRICT, activated_roster()))
    assert night.state == "applied", night
    until(
        "the desk knows of every conflict",
        lambda: running.query("SELECT 1 FROM desk.conflicts HAVING count(*) = %s", len(TWO_ACCOUNTS)) or None,
    )
    return accounts
