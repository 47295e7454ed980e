"""Whose account is it: everybody whom a change concerns is examined again, in one turn, in PostgreSQL.

The rule (DESIGN, "Whose account"; docs/decisions/0006-matching.md) looks at what is there now: the rostered people, the
accounts with their emails, and what is remembered of ids. It never looks at what came first, so that order, repetition
and the cut into nights make no difference. It is written in `matching.sql`, for a million people at once.

An account is only ever found, never made (promise 8): the roles that match could not, but for sign-in's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from services.activation.newcomers import NEWCOMERS
from services.activation.reasons import REASONS
from services.database.queries import Queries

QUERIES = Queries("services.activation", "matching.sql")


class PersonKey(NamedTuple):
    """A rostered person: the district, 'teachers' or 'students', the provider's id."""

    district: str
    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Rostered:
    """What an update says of a person: at which version, whether gone, and the facts that matching goes by."""

    key: PersonKey
    roster_version: int
    removed: bool
    email: str | None = None
    number: str | None = None
    birth_date: str | None = None
    given: str | None = None
    family: str | None = None


def match_roster(connection: psycopg.Connection[Any], people: Iterable[Rostered]) -> int:
    """Take what updates say of these people, each once, and match whom it concerns; give how many were told of.

    One transaction, or a part of the caller's. What was taken into account before, by its roster version, is no news.
    Raises psycopg.Error; then nothing has changed.
    """
    with connection.transaction():
        connection.execute(QUERIES["stage"])
        connection.execute(QUERIES["clear"])
        with connection.cursor() as cursor, cursor.copy(QUERIES["copy_staged"]) as copy:
            for person in people:
                copy.write_row(
                    (
                        *person.key,
                        person.roster_version,
                        person.removed,
                        person.email,
                        person.number,
                        person.birth_date,
                        person.given,
                        person.family,
                    )
                )
        _run(connection, "begin")
        told = _take_newcomers(connection)
        _run(connection, "forget_no_news")
        told += _let_go(connection)
        _run(connection, "people")
        return told + _examine(connection)


def match_again(
    connection: psycopg.Connection[Any],
    *,
    people: Sequence[PersonKey] = (),
    emails: Sequence[str] = (),
    accounts: Sequence[UUID] = (),
    linked: PersonKey | None = None,
) -> int:
    """Match again whom a change of these people, emails or accounts concerns; give how many were told of.

    For whoever has changed accounts, their emails or identities and wants the effect at once; it comes anyhow. Of
    `linked` is told that a person said whose account it is. One transaction, or a part of the caller's.
    """
    with connection.transaction():
        connection.execute(QUERIES["stage"])
        _run(connection, "begin")
        connection.execute(QUERIES["clear"])
        _run(connection, "touch_people", districts=[p.district for p in people], ids=[p.id for p in people])
        _run(connection, "touch_emails", emails=list(emails))
        _run(connection, "touch_accounts", accounts=list(accounts))
        return _examine(connection, linked)


def match_changed_accounts(connection: psycopg.Connection[Any], changes: int) -> bool:
    """Match whom the oldest account changes in the queue concern, at most so many; say whether there were any."""
    with connection.transaction():
        connection.execute(QUERIES["stage"])
        _run(connection, "begin")
        connection.execute(QUERIES["clear"])
        taken = _run(connection, "touch_queued", changes=changes)
        if taken:
            _examine(connection)
    return taken > 0


def _examine(connection: psycopg.Connection[Any], linked: PersonKey | None = None) -> int:
    gone = 0
    _run(connection, "concern")
    if _run(connection, "people_left"):
        gone = _let_go(connection)
        _run(connection, "concern")
    for step in ("give_way", "decide", "replace_identities", "remember_identities", "let_go"):
        _run(connection, step)
    told = gone + _run(
        connection,
        "settle",
        texts=Jsonb(REASONS),
        linked_district=linked.district if linked else None,
        linked_id=linked.id if linked else None,
    )
    _run(connection, "end")
    return told


def _take_newcomers(connection: psycopg.Connection[Any]) -> int:
    """Write those of the staged people who are new and meet nobody; give how many those were."""
    about = {"packed": NEWCOMERS, "texts": Jsonb(REASONS)}
    row = connection.execute(QUERIES["newcomers"], about, prepare=False).fetchone()
    assert row is not None, "a count is always answered"
    newcomers: int = row[0]
    return newcomers


def _let_go(connection: psycopg.Connection[Any]) -> int:
    """Note what the staged people touch, and deactivate those of them who are gone; give how many those were."""
    for step in ("touch_staged", "touch_staged_accounts"):
        _run(connection, step)
    return _run(connection, "people_gone", texts=Jsonb(REASONS))


def _run(connection: psycopg.Connection[Any], step: str, **parameters: object) -> int:
    """Run a query, planned anew: a plan made while the tables were empty would be kept while they fill."""
    return connection.execute(QUERIES[step], parameters or None, prepare=False).rowcount
