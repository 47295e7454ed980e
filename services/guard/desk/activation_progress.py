"""How far a district is with activation: by kind, school and class, in counts and nobody's names."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import psycopg
from psycopg.rows import class_row

from services.database.queries import Queries

State: TypeAlias = Literal["activated", "required", "conflict", "waiting"]
STATES: tuple[State, ...] = ("activated", "required", "conflict", "waiting")
"""'required': they are asked at their first sign-in. 'waiting': matching has not come to them yet."""

QUERIES = Queries("services.guard.desk", "activation.sql")


@dataclass(slots=True)
class Tally:
    """How many people there are in each state."""

    states: dict[State, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))

    @property
    def people(self) -> int:
        """All of them."""
        return sum(self.states.values())

    @property
    def activated(self) -> int:
        """Those who have their account."""
        return self.states["activated"]


@dataclass(frozen=True, slots=True)
class SchoolProgress:
    """A school's people by kind. Who is in two schools counts in both."""

    school: str
    name: str
    students: Tally
    teachers: Tally


@dataclass(frozen=True, slots=True)
class ClassProgress:
    """A class's people; a class's name is nobody's."""

    class_id: str
    name: str
    school: str
    school_name: str
    students: Tally
    teachers: Tally


@dataclass(frozen=True, slots=True)
class Progress:
    """A district's progress: schools by name, classes with the smallest share of activated students first."""

    students: Tally
    teachers: Tally
    schools: Sequence[SchoolProgress]
    classes: Sequence[ClassProgress]


def progress(connection: psycopg.Connection[Any], district: str) -> Progress:
    """Give the progress of a district as it is now; of one that is not known, nothing but zeros."""
    about = {"district": district}
    kinds = {"students": Tally(), "teachers": Tally()}
    for kind, state, people in connection.execute(QUERIES["kinds"], about):
        kinds[kind].states[state] = people
    schools: dict[str, SchoolProgress] = {}
    for school, name, kind, state, people in connection.execute(QUERIES["schools"], about):
        found = schools.setdefault(school, SchoolProgress(school, name, Tally(), Tally()))
        (found.students if kind == "students" else found.teachers).states[state] = people
    by_name = sorted(schools.values(), key=lambda one: (one.name.casefold(), one.school))
    return Progress(kinds["students"], kinds["teachers"], by_name, _classes(connection, district))


@dataclass(frozen=True, slots=True)
class _ClassRow:
    class_: str
    name: str
    school: str
    school_name: str
    students: int
    students_activated: int
    students_required: int
    students_conflict: int
    teachers: int
    teachers_activated: int
    teachers_required: int
    teachers_conflict: int

    def tally(self, kind: Literal["students", "teachers"]) -> Tally:
        told: dict[State, int] = {
            "activated": getattr(self, f"{kind}_activated"),
            "required": getattr(self, f"{kind}_required"),
            "conflict": getattr(self, f"{kind}_conflict"),
        }
        return Tally({**told, "waiting": getattr(self, kind) - sum(told.values())})


def _classes(connection: psycopg.Connection[Any], district: str) -> list[ClassProgress]:
    with connection.cursor(row_factory=class_row(_ClassRow)) as cursor:
        rows = cursor.execute(QUERIES["classes"], {"district": district}).fetchall()
    return [
        ClassProgress(row.class_, row.name, row.school, row.school_name, row.tally("students"), row.tally("teachers"))
        for row in rows
    ]
