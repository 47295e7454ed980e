"""What an account sees: itself, its classes, who is in them, and what it may do there."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from services.activation.classes.acting import QUERIES, acting

Part: TypeAlias = Literal["teacher", "student"]
Action: TypeAlias = Literal[
    "add-student",
    "remove-student",
    "rename-student",
    "rename-class",
    "attach-google-classroom",
    "remove-teacher",
    "leave-class",
    "delete-class",
]


@dataclass(frozen=True, slots=True)
class Account:
    """An account. A synced student's display name is that of the roster; `limited` is for those under 13."""

    account_id: UUID
    display_name: str | None
    synced_student: bool
    limited: bool


@dataclass(frozen=True, slots=True)
class AccountClass:
    """A class of an account, and the account's part in it.

    A synced one has its label ("District Synced"), its district and the id it has there; `students_activated` of its
    `students` have an account. A personal one may have a Google Classroom course attached.
    """

    class_id: UUID
    name: str
    part: Part
    synced: bool
    label: str | None
    district: str | None
    id: str | None
    school_name: str | None
    students: int
    students_activated: int
    google_classroom: str | None


@dataclass(frozen=True, slots=True)
class ClassStudent:
    """A student of a class; a synced one who has not activated yet has no account."""

    person_id: UUID
    account_id: UUID | None
    display_name: str | None
    activated: bool


@dataclass(frozen=True, slots=True)
class ClassTeacher:
    """A teacher of a class."""

    person_id: UUID
    account_id: UUID | None
    display_name: str | None
    is_primary: bool


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether an action is allowed in a class; where it is not, the rule, why, and what to do instead."""

    action: Action
    allowed: bool
    rule: str | None
    text: str | None
    instead: str | None


@dataclass(frozen=True, slots=True)
class WholeClass:
    """A class with its people and with what the account may do there. A student sees no other student."""

    summary: AccountClass
    teachers: tuple[ClassTeacher, ...]
    students: tuple[ClassStudent, ...]
    may: dict[Action, Permission]


def account_of(connection: psycopg.Connection[Any], account_id: UUID) -> Account:
    """Give the account. Raises UnknownError."""
    with acting(connection, account_id), connection.cursor(row_factory=class_row(Account)) as cursor:
        account = cursor.execute(QUERIES["account"]).fetchone()
        assert account is not None, "acting has found it in this transaction"
        return account


def classes_of(connection: psycopg.Connection[Any], account_id: UUID) -> list[AccountClass]:
    """Give the account's classes, synced and personal, by name. Raises UnknownError."""
    with acting(connection, account_id), connection.cursor(row_factory=class_row(AccountClass)) as cursor:
        return cursor.execute(QUERIES["classes"]).fetchall()


def taught_by(connection: psycopg.Connection[Any], account_id: UUID) -> list[ClassStudent]:
    """Give the students with an account in all classes that the account teaches, each once. Raises UnknownError."""
    with acting(connection, account_id), connection.cursor(row_factory=class_row(ClassStudent)) as cursor:
        return cursor.execute(QUERIES["taught"]).fetchall()


def class_of(connection: psycopg.Connection[Any], account_id: UUID, class_id: UUID) -> WholeClass:
    """Give a class of the account as it is at one moment. Raises UnknownError, also for a class of others."""
    about = {"class_id": class_id}
    with acting(connection, account_id, one_moment=True):
        with connection.cursor(row_factory=class_row(AccountClass)) as classes:
            summary = classes.execute(QUERIES["class"], about).fetchone()
        if summary is None:
            connection.execute(QUERIES["refuse"], {"rule": "unknown-class"})
            raise AssertionError("the database refuses above")
        with (
            connection.cursor(row_factory=class_row(ClassTeacher)) as teachers,
            connection.cursor(row_factory=class_row(ClassStudent)) as students,
            connection.cursor(row_factory=class_row(Permission)) as may,
        ):
            return WholeClass(
                summary=summary,
                teachers=tuple(teachers.execute(QUERIES["teachers"], about)),
                students=tuple(students.execute(QUERIES["students"], about)),
                may={one.action: one for one in may.execute(QUERIES["may"], about)},
            )
