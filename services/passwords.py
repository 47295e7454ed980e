"""Passwords and how many tries one gets: shared by the review desk and by people's own log in.

Passwords are kept as argon2id hashes. A try is written down before the password is looked at, so that tries made at
the same time count as well; those of a log in that succeeds are forgotten. Each place keeps its tries in a table of
its own, behind the queries `write_try`, `tries` and `forget_tries`.
"""

import functools
import hashlib
from typing import Any

import psycopg
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.database.queries import Queries

TRY_MINUTES = 15
MOST_TRIES_OF_ONE = 5
"""Tries of one email from one address within TRY_MINUTES."""
MOST_TRIES_OF_EMAIL = 50

_hasher = PasswordHasher()


class TooManyTriesError(Exception):
    """Sign-in is closed for a while for this email or from this address."""


def hash_password(password: str) -> str:
    """Give what is kept of a password: argon2id, with a salt of its own."""
    return _hasher.hash(password)


def fits(password_hash: str | None, password: str) -> bool:
    """Tell whether the password is the one that the hash was made of; no where nobody has one, which takes as long."""
    try:
        return _hasher.verify(password_hash or _nobodys_hash(), password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


@functools.cache
def _nobodys_hash() -> str:
    return _hasher.hash("nobody's password")


def count_try(
    connection: psycopg.Connection[Any], queries: Queries, email: str, address: str, *, most_of_address: int
) -> dict[str, str]:
    """Write a try down; give what `forget_tries` needs. Raises TooManyTriesError after too many."""
    digest = hashlib.blake2b(email.strip().lower().encode(), digest_size=16).hexdigest()
    key = {"email": digest, "address": address}
    connection.execute(queries["write_try"], key)
    tries = connection.execute(queries["tries"], {**key, "minutes": TRY_MINUTES}).fetchone()
    if tries is None or tries[0] > MOST_TRIES_OF_ONE or tries[1] > MOST_TRIES_OF_EMAIL or tries[2] > most_of_address:
        raise TooManyTriesError
    return key


def forget_tries(connection: psycopg.Connection[Any], queries: Queries, key: dict[str, str]) -> None:
    """Forget the tries of somebody who has signed in."""
    connection.execute(queries["forget_tries"], {**key, "minutes": TRY_MINUTES})
