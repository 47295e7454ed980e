"""Who is signed in. A session is a random token in a cookie, known to the database by its digest.

Each change of what somebody may do gives a new token. Signing out ends every session that came of the same sign-in.
"""

import uuid
from dataclasses import dataclass
from typing import Any

import psycopg

from services.activation.matching import PersonKey
from services.activation.sign_in.outcomes import ActivationPending, SignedIn
from services.activation.sign_in.tokens import digest, new_token
from services.database.queries import Queries

QUERIES = Queries("services.activation.sign_in", "sessions.sql")

SIGNED_IN_SECONDS = 10 * 3600
IDLE_SECONDS = 2 * 3600
PENDING_SECONDS = 20 * 60


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody at a browser. Without `account_id` they are `person`, who has yet to say which account is theirs.

    `provider` is how they came: 'clever', 'classlink', 'password' or the name of an identity provider.
    """

    token: str
    family: str
    account_id: str | None
    provider: str
    person: PersonKey | None
    provider_user: str | None

    @property
    def is_pending(self) -> bool:
        """Tell whether this is an activation that is not done yet."""
        return self.account_id is None


def family_of(state: str) -> str:
    """Give the family of the sessions that come of one round to a provider, however often its code arrives."""
    return str(uuid.UUID(bytes=digest(state)[:16]))


def open_session(
    connection: psycopg.Connection[Any], outcome: SignedIn | ActivationPending, provider: str, family: str | None = None
) -> Session:
    """Begin a session with a token of its own; one of a family ends with the family."""
    account_id = outcome.account_id if isinstance(outcome, SignedIn) else None
    session = Session(
        new_token(), family or str(uuid.uuid4()), account_id, provider, outcome.person, outcome.provider_user
    )
    district, kind, id_ = session.person or (None, None, None)
    connection.execute(
        QUERIES["open"],
        {
            "token": digest(session.token),
            "family": session.family,
            "account_id": account_id,
            "provider": provider,
            "district": district,
            "kind": kind,
            "id": id_,
            "provider_user": outcome.provider_user,
            "seconds": PENDING_SECONDS if account_id is None else SIGNED_IN_SECONDS,
        },
    )
    if account_id is not None:
        connection.execute(QUERIES["shorten"], {"family": session.family})
    return session


def current(connection: psycopg.Connection[Any], token: str | None, *, by_person: bool = True) -> Session | None:
    """Give the session of a token; None where it is no token, over, idle for too long, or no longer right.

    What is not asked `by_person` but by an open page alone leaves the session idle.
    """
    return current_by_digest(connection, digest(token), token, by_person=by_person) if token else None


def current_by_digest(
    connection: psycopg.Connection[Any], token_digest: bytes, token: str = "", *, by_person: bool = True
) -> Session | None:
    """Give the session whose token has this digest; see `current`."""
    which = {"token": token_digest, "idle_seconds": IDLE_SECONDS, "by_person": by_person}
    row = connection.execute(QUERIES["current"], which).fetchone()
    if row is None:
        return None
    family, account_id, provider, district, kind, id_, provider_user = row
    person = PersonKey(district, kind, id_) if id_ is not None else None
    return Session(token, str(family), account_id, provider, person, provider_user)


def end(connection: psycopg.Connection[Any], token: str | None) -> None:
    """End the session of a token, and those that came of the same sign-in."""
    if token:
        connection.execute(QUERIES["end"], {"token": digest(token)})
