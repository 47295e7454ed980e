"""A person's own word, or a reviewer's, on whose account it is: remembered, and in effect at once.

It stands above what emails say from then on (docs/decisions/0006-matching.md).
"""

from typing import Any, Literal
from uuid import UUID

import psycopg

from services.activation.matching import QUERIES as MATCHING
from services.activation.matching import PersonKey, Rostered, match_again, match_roster
from services.database.queries import Queries

QUERIES = Queries("services.activation", "linking.sql")

__all__ = ["AccountTakenError", "LinkError", "NotRosteredError", "PersonKey", "PersonLinkedError", "link_person"]


class LinkError(Exception):
    """The person and the account cannot be linked. Nothing has changed; the text says why, without names."""


class NotRosteredError(LinkError):
    """Nobody is rostered under this id."""


class UnknownAccountError(LinkError):
    """There is no such account."""


class AccountTakenError(LinkError):
    """The account belongs to another person of the district who is there."""


class PersonLinkedError(LinkError):
    """The person has another account already, and has said so before; only a reviewer can change that."""


def link_person(
    connection: psycopg.Connection[Any],
    person: PersonKey,
    account_id: UUID,
    proof: Literal["sign-in", "reviewer"],
) -> None:
    """Remember that the account is this person's, match again whom that concerns, and tell that it is linked.

    One transaction, or a part of the caller's. Said again it does nothing. A person with two roles is linked in both.
    A link that others have by their email alone gives way to a reviewer, not to a sign-in. Afterwards the person may
    still be in conflict: where the email points to another account.

    Raises AccountTakenError, PersonLinkedError, NotRosteredError, UnknownAccountError; then nothing has changed.
    """
    about: dict[str, Any] = {"district": person.district, "id": person.id, "account_id": account_id, "proof": proof}
    with connection.transaction():
        connection.execute(MATCHING["begin"])
        _catch_up(connection, person)
        found = connection.execute(QUERIES["person"], about).fetchone()
        if found is None:
            raise NotRosteredError(f"nobody is rostered as {'/'.join(person)}")
        known, known_by, _ = found
        _check(connection, about, known, known_by)
        if known == account_id and known_by in (proof, "reviewer"):
            return
        connection.execute(MATCHING["begin"])  # catching up has ended a turn
        others = connection.execute(QUERIES["make_room"], about).fetchall()
        connection.execute(QUERIES["link"], about)
        match_again(
            connection,
            people=[person, *(PersonKey(person.district, person.kind, id_) for (id_,) in others)],
            accounts=[account_id] if known is None else [account_id, known],
            linked=person,
        )


def _catch_up(connection: psycopg.Connection[Any], person: PersonKey) -> None:
    """Take what the roster says of the person already, though its update is still on its way."""
    news = connection.execute(QUERIES["news"], {"district": person.district, "id": person.id}).fetchall()
    if news:
        match_roster(
            connection,
            [
                Rostered(PersonKey(person.district, kind, person.id), version, False, *facts)
                for kind, version, *facts in news
            ],
        )


def _check(
    connection: psycopg.Connection[Any], about: dict[str, Any], known: UUID | None, known_by: str | None
) -> None:
    account_id, proof = about["account_id"], about["proof"]
    if connection.execute(QUERIES["account"], about).fetchone() is None:
        raise UnknownAccountError(f"there is no account {account_id}")
    holders = [confirmed for (confirmed,) in connection.execute(QUERIES["holders"], about)]
    if any(holders) or (holders and proof == "sign-in"):
        raise AccountTakenError(f"account {account_id} belongs to another person of {about['district']}")
    if proof == "sign-in" and known_by in ("sign-in", "reviewer", "import") and known != account_id:
        raise PersonLinkedError(f"{about['district']}/{about['id']} has another account already")
