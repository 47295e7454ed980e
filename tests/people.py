"""A small school in a database, for the people's pages: a teacher, and a class of 24 of whom 18 have activated."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from schemas.records import Class, Record, School, Student, Teacher
from services.activation.matching import PersonKey
from services.activation.sign_in.outcomes import ActivationPending, SignedIn
from services.activation.sign_in.sessions import open_session
from services.database.connect import connect
from tests.rosters import activate_as, add_account, add_district, roster

PASSWORD = "correct horse battery staple"
DISTRICT = "springfield"
IN_CLASS, ACTIVATED = 24, 18


def records() -> Sequence[Record]:
    """Give the district's roster."""
    students = [
        Student(f"s{n:02}", f"kid{n}@springfield.example", "Kim", f"Ortega{n:02}", f"Kim Ortega{n:02}", ("school-1",))
        for n in range(IN_CLASS)
    ]
    return [
        School("school-1", "Lincoln Elementary"),
        Teacher("t1", "edna@springfield.example", "Edna", "Krabappel", "Edna Krabappel", ("school-1",)),
        Teacher("t2", "dewey@springfield.example", "Dewey", "Largo", "Dewey Largo", ("school-1",)),
        *students,
        Student("s90", "new@springfield.example", "Lee", "Nowhere", "Lee Nowhere", ("school-1",)),
        Class("c1", "Math 5 - Period 3", "school-1", ("t1", "t2"), tuple(student.id for student in students)),
        Class("c2", "Art 5", "school-1", ("t1",), ("s00", "s20")),
    ]


@dataclass(frozen=True)
class SmallSchool:
    """Who has an account: the teacher, and the class's students from the first on."""

    teacher: UUID
    students: tuple[UUID, ...]


def open_school(database: str) -> SmallSchool:
    """Roster the district and let its people activate, all but six of the class."""
    add_district(database, DISTRICT)
    roster(database, DISTRICT, records())
    teacher = add_account(database)
    activate_as(database, teacher, DISTRICT, "teachers", "t1")
    students = []
    for number in range(ACTIVATED):
        students.append(add_account(database))
        activate_as(database, students[-1], DISTRICT, "students", f"s{number:02}")
    with connect(database, "rollcall_activation") as connection:
        connection.execute(
            "INSERT INTO activations (district, kind, id, state, roster_version)"
            " SELECT district, 'students', id, 'required', 1 FROM students WHERE district = %s"
            " ON CONFLICT DO NOTHING",
            (DISTRICT,),
        )
    return SmallSchool(teacher, tuple(students))


def session_of(database: str, account_id: UUID) -> str:
    """Sign an account in; give the token of its session."""
    with connect(database, "rollcall_sign_in") as connection:
        return open_session(connection, SignedIn(str(account_id)), "password").token


def pending_session_of(database: str, student: str) -> str:
    """Let a student of the district come from Clever without an account; give the token of the session."""
    with connect(database, "rollcall_sign_in") as connection:
        pending = ActivationPending(PersonKey(DISTRICT, "students", student))
        return open_session(connection, pending, "clever").token
