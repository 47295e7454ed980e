"""Acting as an account: a transaction of the product in which the database shows and allows what is that account's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg

from services.database.queries import Queries

QUERIES = Queries("services.activation.classes")


class RefusedError(Exception):
    """The database refuses: which rule (a key of product.rules), why, and what to do instead, in its own words."""

    def __init__(self, rule: str, text: str, instead: str) -> None:
        super().__init__(f"{text} {instead}")
        self.rule = rule
        self.text = text
        self.instead = instead


class UnknownError(RefusedError):
    """There is no such account, class or person, or it is none of this account's business: the two look the same."""


@contextmanager
def acting(connection: psycopg.Connection[Any], account_id: UUID, *, one_moment: bool = False) -> Iterator[None]:
    """Act as the account for one transaction; what the block did is durable once it has ended.

    With `one_moment`, for blocks that only read, and on a connection that is in no transaction, all of it is the
    roster of one moment, never half of two (promise 3). Raises UnknownError and RefusedError; then nothing has changed.
    """
    try:
        with connection.transaction():
            if one_moment:
                connection.execute(QUERIES["one_moment"])
            connection.execute(QUERIES["act_as"], {"account_id": str(account_id)})
            if connection.execute(QUERIES["account"]).fetchone() is None:
                connection.execute(QUERIES["refuse"], {"rule": "unknown-account"})
            yield
    except psycopg.DatabaseError as error:
        refusal = _refusal_of(error)
        if refusal is None:
            raise
        raise refusal from None


def _refusal_of(error: psycopg.DatabaseError) -> RefusedError | None:
    if not (error.sqlstate or "").startswith("RC"):
        return None
    told = error.diag
    kind = UnknownError if (told.constraint_name or "").startswith("unknown-") else RefusedError
    return kind(told.constraint_name or "", told.message_primary or "", told.message_hint or "")
