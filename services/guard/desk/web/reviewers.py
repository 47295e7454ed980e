"""Who may sign in at the desk, in which role, and how many tries a password gets.

Passwords are kept as argon2id hashes. A try is written down before the password is looked at, so that tries made at
the same time count as well; those of a sign-in that succeeds are forgotten.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import psycopg
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from psycopg.rows import class_row

from services.database.queries import Queries

Role: TypeAlias = Literal["viewer", "reviewer", "operator"]

QUERIES = Queries("services.guard.desk.web", "reviewers.sql")
SHORTEST_PASSWORD = 12
TRY_MINUTES = 15
MOST_TRIES_OF_ONE = 5
"""Tries of one email from one address within TRY_MINUTES."""
MOST_TRIES_OF_EMAIL = 50
MOST_TRIES_OF_ADDRESS = 30

_hasher = PasswordHasher()
_NOBODYS_HASH = _hasher.hash("nobody's password")
"""Checked where the email is unknown, so that the answer takes as long as for a known one."""


class TooManyTriesError(Exception):
    """Sign-in is closed for a while for this email or from this address."""


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
    key = {"email": hashlib.blake2b(email.encode(), digest_size=16).hexdigest(), "address": address}
    connection.execute(QUERIES["write_try"], key)
    tries = connection.execute(QUERIES["tries"], {**key, "minutes": TRY_MINUTES}).fetchone()
    if tries is None or (
        tries[0] > MOST_TRIES_OF_ONE or tries[1] > MOST_TRIES_OF_EMAIL or tries[2] > MOST_TRIES_OF_ADDRESS
    ):
        raise TooManyTriesError
    row = connection.execute(QUERIES["by_email"], {"email": email}).fetchone()
    if not _fits(row[0] if row else _NOBODYS_HASH, password) or row is None:
        return None
    connection.execute(QUERIES["forget_tries"], {**key, "minutes": TRY_MINUTES})
    return reviewer(connection, row[1])


def _fits(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


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
        QUERIES["put"], {"email": email, "name": name.strip(), "role": role, "hash": _hasher.hash(password)}
    )


def remove_reviewer(connection: psycopg.Connection[Any], email: str) -> bool:
    """Take the right to sign in away, at once. Gives False where nobody had this email."""
    return connection.execute(QUERIES["remove"], {"email": email.strip().lower()}).rowcount == 1
