"""Rounds to a provider and back: begun by us alone, bound to one browser, one code each, over in minutes.

The same code delivered twice by the browser that began (native browsers do that; dev.clever.com, "OAuth
Implementation") gets the same outcome, without a second exchange.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
import tenacity
from psycopg_pool import ConnectionPool

from services.activation.matching import PersonKey
from services.activation.sign_in.outcomes import REFUSALS, ActivationPending, Outcome, Refused, RefusedError, SignedIn
from services.activation.sign_in.providers import Round
from services.activation.sign_in.tokens import digest, new_token
from services.database.queries import Queries

QUERIES = Queries("services.activation.sign_in", "visits.sql")

VISIT_SECONDS = 600
MOST_RESTARTS = 3
_TWIN_SECONDS = 25
"""How long the second delivery of a code waits for the first one: longer than all requests of an exchange."""

Pool = ConnectionPool[psycopg.Connection[Any]]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A round that is ours to finish."""

    state: bytes
    nonce_digest: bytes
    code_verifier: str
    district: str | None
    session: bytes | None


def begin(
    pool: Pool, provider: str, browser: str, district: str | None, session: bytes | None, *, restarted: bool
) -> Round:
    """Begin a round for this browser. Raises RefusedError 'going-in-circles' for a browser that never finishes one."""
    began = Round(new_token(), new_token(), new_token())
    whose = {"browser": digest(browser), "provider": provider}
    with pool.connection() as connection:
        connection.execute(QUERIES["sweep"])
        if restarted:
            row = connection.execute(QUERIES["restarts"], whose).fetchone()
            if row is not None and row[0] >= MOST_RESTARTS:
                raise RefusedError("going-in-circles")
        connection.execute(
            QUERIES["begin"],
            {
                **whose,
                "state": digest(began.state),
                "nonce": digest(began.nonce),
                "code_verifier": began.code_verifier,
                "district": district,
                "session": session,
                "restarted": restarted,
                "seconds": VISIT_SECONDS,
            },
        )
    return began


def claim(pool: Pool, provider: str, browser: str, state: str, code: str) -> Claimed | Outcome:
    """Take the round over; or give what came of it, where the same code has been here already.

    Raises RefusedError: 'state-unknown' for a state that is forged, over or another browser's, 'code-again' for
    another code on a used state.
    """
    state_digest = digest(state)
    which = {"state": state_digest, "browser": digest(browser), "provider": provider, "code": digest(code)}
    with pool.connection() as connection:
        row = connection.execute(QUERIES["claim"], which).fetchone()
    if row is not None:
        nonce, verifier, district, session = row
        return Claimed(state_digest, bytes(nonce), verifier, district, bytes(session) if session else None)
    return _outcome_of_the_first(pool, which)


def _outcome_of_the_first(pool: Pool, which: dict[str, Any]) -> Outcome:
    def look() -> Outcome | None:
        with pool.connection() as connection:
            row = connection.execute(QUERIES["claimed"], which).fetchone()
        if row is None:
            raise RefusedError("state-unknown")
        if not row[0]:
            raise RefusedError("code-again")
        return _read(row[1]) if row[1] is not None else None

    waiting = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda found: found is None),
        wait=tenacity.wait_fixed(0.1),
        stop=tenacity.stop_after_delay(_TWIN_SECONDS),
    )
    try:
        found = waiting(look)
    except tenacity.RetryError as error:
        raise RefusedError("provider-away") from error
    assert found is not None, "it is waited for until it is there"
    return found


def settle(pool: Pool, claimed: Claimed, outcome: Outcome) -> None:
    """Write down what came of the round."""
    with pool.connection() as connection:
        connection.execute(QUERIES["settle"], {"state": claimed.state, "outcome": _written(outcome)})


def forget(pool: Pool, browser: str) -> None:
    """End all rounds of this browser."""
    with pool.connection() as connection:
        connection.execute(QUERIES["forget_browser"], {"browser": digest(browser)})


def _written(outcome: Outcome) -> str:
    if isinstance(outcome, Refused):
        return json.dumps({"refused": outcome.code})
    return json.dumps(asdict(outcome))


def _read(written: dict[str, Any]) -> Outcome:
    if "refused" in written:
        code = written["refused"]
        return REFUSALS[code]
    person = PersonKey(*written["person"]) if written["person"] else None
    if "account_id" in written:
        return SignedIn(written["account_id"], person, written["provider_user"])
    assert person is not None, "whose activation is pending is rostered"
    return ActivationPending(person, written["provider_user"])
