"""Who may sign in at the desk, and in which role."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import psycopg
from psycopg.rows import class_row

from services.database.queries import Queries
from services.passwords import count_try, fits, forget_tries, hash_password

Role: TypeAlias = Literal["viewer", "reviewer", "operator"]

QUERIES = Queries("services.guard.desk.web", "reviewers.sql")
SHORTEST_PASSWORD = 12
MOST_TRIES_OF_ADDRESS = 30


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Somebody who may sign in. `id` is new whenever the password is, which ends the sessions begun before."""

    id: str
    email: str
    name: str
    role: Role

    @property
    def may_decide(self) -> bool:
        """Tell whether approving and rejecting is theirs."""
        return self.role in {"reviewer", "operator"}


def sign_in(connection: psycopg.Connection[Any], email: str, password: str, address: str) -> Reviewer | None:
    """Give the reviewer whose email and password these are, or None.

    Raises TooManyTriesError after too many tries for this email or from this address.
    """
    email = email.strip().lower()
    key = count_try(connection, QUERIES, email, address, most_of_address=MOST_TRIES_OF_ADDRESS)
    row = connection.execute(QUERIES["by_email"], {"email": email}).fetchone()
    if not fits(row[0] if row else None, password) or row is None:
        return None
    forget_tries(connection, QUERIES, key)
    return reviewer(connection, row[1])


def reviewer(connection: psycopg.Connection[Any], reviewer_id: str) -> Reviewer | None:
    """Give the reviewer with this id, or None where there is none any more."""
    with connection.cursor(row_factory=class_row(Reviewer)) as cursor:
        return cursor.execute(QUERIES["by_id"], {"id": reviewer_id}).fetchone()


def reviewers(connection: psycopg.Connection[Any]) -> list[Reviewer]:
    """Give everybody who may sign in, by email."""
    with connection.cursor(row_factory=class_row(Reviewer)) as cursor:
        return cursor.execute(QUERIES["all"]).fetchall()


def put_reviewer(connection: psycopg.Connection[Any], *, email: str, name: str, role: Role, password: str) -> None:
    """Let somebody sign in, or change their name, role and password. Raises ValueError for what cannot be meant."""
    email = email.strip().lower()
    if "@" not in email:
        raise ValueError(f"{email!r} is no email address")
    if not name.strip():
        raise ValueError("a reviewer needs a name, which is told with every decision")
    if len(password) < SHORTEST_PASSWORD:
        raise ValueError(f"a password has at least {SHORTEST_PASSWORD} characters")
    connection.execute(
        QUERIES["put"], {"email": email, "name": name.strip(), "role": role, "hash": hash_password(password)}
    )


def remove_reviewer(connection: psycopg.Connection[Any], email: str) -> bool:
    """Take the right to sign in away, at once. Gives False where nobody had this email."""
    return connection.execute(QUERIES["remove"], {"email": email.strip().lower()}).rowcount == 1
