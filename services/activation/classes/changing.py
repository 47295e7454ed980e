"""What an account does in its classes. Each is one transaction; what a rule forbids the database refuses.

All raise UnknownError (no such account, class or person, or none of this account's) and RefusedError (a rule; its text
and what to do instead are for the person); then nothing has changed.
"""

import unicodedata
from typing import Any
from uuid import UUID

import psycopg

from services.activation.classes.acting import QUERIES, acting
from services.activation.classes.reading import Action

_UNPRINTABLE = {"Cc", "Cs"}  # control characters, halves of surrogate pairs


def make_class(connection: psycopg.Connection[Any], account_id: UUID, name: str) -> UUID:
    """Make a personal class, which the account then teaches; give its id."""
    with acting(connection, account_id):
        row = connection.execute(QUERIES["make_class"], {"name": _tidy(name)}).fetchone()
        assert row is not None, "an insert that returns its row gives one"
        class_id: UUID = row[0]
        return class_id


def rename_class(connection: psycopg.Connection[Any], account_id: UUID, class_id: UUID, name: str) -> None:
    """Give a personal class another name."""
    _change(connection, account_id, "rename-class", class_id, "rename_class", name=_tidy(name))


def attach_google_classroom(
    connection: psycopg.Connection[Any], account_id: UUID, class_id: UUID, course: str | None
) -> None:
    """Attach a Google Classroom course, by its id there, to a personal class; None detaches it."""
    _change(
        connection,
        account_id,
        "attach-google-classroom",
        class_id,
        "attach_google_classroom",
        course=_tidy(course or "") or None,
    )


def delete_class(connection: psycopg.Connection[Any], account_id: UUID, class_id: UUID) -> None:
    """Delete a personal class that the account teaches. Its students' accounts and work stay."""
    _change(connection, account_id, "delete-class", class_id, "delete_class")


def add_student(connection: psycopg.Connection[Any], account_id: UUID, class_id: UUID, student: UUID) -> None:
    """Put an account into a personal class as a student; one who is in it already stays."""
    _change(connection, account_id, "add-student", class_id, "add_student", student=student)


def remove_student(connection: psycopg.Connection[Any], account_id: UUID, class_id: UUID, person_id: UUID) -> None:
    """Take a student out of a personal class."""
    _change(connection, account_id, "remove-student", class_id, "remove_student", person_id=person_id)


def rename_student(
    connection: psycopg.Connection[Any], account_id: UUID, class_id: UUID, person_id: UUID, name: str
) -> None:
    """Call a student something else in this personal class alone, unless a district's roster names them."""
    _change(connection, account_id, "rename-student", class_id, "rename_student", person_id=person_id, name=_tidy(name))


def leave_class(connection: psycopg.Connection[Any], account_id: UUID, class_id: UUID) -> None:
    """Leave a personal class as its student."""
    _change(connection, account_id, "leave-class", class_id, "leave_class")


def remove_teacher(connection: psycopg.Connection[Any], account_id: UUID, class_id: UUID, person_id: UUID) -> None:
    """As a student, remove the teacher of a personal class: leaves every personal class of that teacher."""
    _change(connection, account_id, "remove-teacher", class_id, "remove_teacher", person_id=person_id)


def rename_account(connection: psycopg.Connection[Any], account_id: UUID, name: str) -> None:
    """Give the account another display name, unless a district's roster names it."""
    with acting(connection, account_id):
        connection.execute(QUERIES["rename_account"], {"name": _tidy(name)})


def _change(
    connection: psycopg.Connection[Any],
    account_id: UUID,
    action: Action,
    class_id: UUID,
    query: str,
    **values: object,
) -> None:
    about = {"class_id": class_id, "action": action, **values}
    with acting(connection, account_id):
        if connection.execute(QUERIES[query], about).rowcount == 0:
            connection.execute(QUERIES["refuse_nothing_done"], about)


def _tidy(name: str) -> str:
    """Give a name as it is stored: what cannot be seen is left out, runs of spaces are one."""
    spaced = "".join(" " if character.isspace() else character for character in name)
    return " ".join("".join(c for c in spaced if unicodedata.category(c) not in _UNPRINTABLE).split())
