"""What a reviewer decides about a person in conflict: followed once, or refused with the reason."""

from typing import Any
from uuid import UUID

import psycopg

from schemas.events import ConflictResolved
from services.activation.linking import LinkError, link_person
from services.activation.matching import QUERIES as MATCHING
from services.activation.matching import PersonKey, match_again
from services.database.queries import Queries

QUERIES = Queries("services.activation", "resolving.sql")


def resolve(connection: psycopg.Connection[Any], event_id: str, resolved: ConflictResolved) -> str | None:
    """Follow the decision, in one transaction; give why it is refused where it cannot be followed, else None.

    An account is linked with the proof 'reviewer', which stands above all else. No account: the person is asked at
    sign-in, until the conflict is another one. Delivered again it does nothing. A refusal is told with the state that
    the person stays in.
    """
    about: dict[str, Any] = {**resolved.model_dump(), "event_id": event_id}
    with connection.transaction():
        connection.execute(MATCHING["begin"])
        if connection.execute(QUERIES["seen"], about).fetchone() is not None:
            return None
        person = PersonKey(resolved.district, resolved.kind, resolved.id)
        refusal = _ask(connection, person, about) if resolved.account_id is None else _link(connection, person, about)
        if refusal is not None:
            connection.execute(QUERIES["tell_refusal"], {**about, "text": f"The decision was not followed: {refusal}."})
        connection.execute(QUERIES["keep"], {**about, "refusal": refusal})
    return refusal


def _link(connection: psycopg.Connection[Any], person: PersonKey, about: dict[str, Any]) -> str | None:
    try:
        account_id = UUID(about["account_id"])
    except ValueError:
        return "what it names is not an account"
    try:
        link_person(connection, person, account_id, "reviewer")
    except LinkError as error:
        return str(error)
    return None


def _ask(connection: psycopg.Connection[Any], person: PersonKey, about: dict[str, Any]) -> str | None:
    if connection.execute(QUERIES["in_conflict"], about).fetchone() is None:
        return "the person is not in conflict"
    connection.execute(QUERIES["withdraw"], about)
    match_again(connection, people=[person])
    connection.execute(QUERIES["ask"], about)
    match_again(connection, people=[person])
    return None
