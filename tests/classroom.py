"""A teacher with a synced class and a personal one, their students, and a stranger, in a database of the test's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg

from schemas.records import KINDS, Class, School, Student, Teacher
from services.activation.classes.changing import add_student, make_class
from services.activation.classes.reading import classes_of
from services.database.connect import connect
from tests.rosters import activate_as, add_account, add_district, roster

DISTRICT = "springfield"
MATH = Class(id="math/5", name="Math 5 - Period 3", school="s1", teachers=("t1", "t2"), students=("p1", "p2", "p3"))
RECORDS = (
    School(id="s1", name="Lincoln Elementary"),
    Teacher(id="t1", email="dana@springfield.example", given="Dana", family="Hand", display_name="Ms Hand"),
    Teacher(id="t2", email=None, given="Eli", family="Moe", display_name="Mr Moe"),
    Student(id="p1", email=None, given="Ada", family="Lane", display_name="Ada L."),
    Student(id="p2", email=None, given="Bo", family="Reed", display_name="Bo R."),
    Student(id="p3", email=None, given="Cy", family="Tan", display_name="Cy T."),
    MATH,
)


class Classroom:
    """`teacher` (t1) and `ada` (p1) have activated; so has `bo` (p2). p3 and t2 have not.

    `math` is synced; `club` is the teacher's own, with `ada`, and with `fay`, whom no district knows. `stranger` is in
    no class of theirs.
    """

    def __init__(self, database: str) -> None:
        self.database = database
        add_district(database, DISTRICT)
        roster(database, DISTRICT, RECORDS)
        self.teacher = add_account(database, "Dana")
        self.ada = add_account(database, "xX ada Xx")
        self.bo = add_account(database)
        self.fay = add_account(database, "Fay")
        self.stranger = add_account(database, "Sam")
        activate_as(database, self.teacher, DISTRICT, "teachers", "t1")
        activate_as(database, self.ada, DISTRICT, "students", "p1")
        activate_as(database, self.bo, DISTRICT, "students", "p2")
        with connect(database, "rollcall_product") as connection:
            [math] = classes_of(connection, self.teacher)
            self.math = math.class_id
            self.club = make_class(connection, self.teacher, "Chess club")
            add_student(connection, self.teacher, self.club, self.ada)
            add_student(connection, self.teacher, self.club, self.fay)

    @contextmanager
    def product(self) -> Iterator[psycopg.Connection[Any]]:
        """Give a connection of the product's role."""
        with connect(self.database, "rollcall_product") as connection:
            yield connection

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Give what a superuser finds."""
        with psycopg.connect(self.database) as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def roster(self) -> list[list[tuple[Any, ...]]]:
        """Give every row of the roster."""
        with psycopg.connect(self.database) as connection:
            return [
                connection.execute(f"SELECT * FROM {table} ORDER BY district, 2, 3, 4".encode()).fetchall()
                for table in KINDS
            ]

    def person_id(self, kind: str, id_: str) -> UUID:
        """Give the id under which the product knows a rostered person."""
        [(person_id,)] = self.rows("SELECT product.id_of(%s, %s, %s)", DISTRICT, kind, id_)
        assert isinstance(person_id, UUID)
        return person_id
