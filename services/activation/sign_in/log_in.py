"""Which account is somebody's own: by email and password, or by the word of an identity provider."""

from typing import Any

import psycopg

from services.activation.sign_in.outcomes import RefusedError
from services.activation.sign_in.providers import AccountClaim
from services.activation.sign_in.rostered import QUERIES as PEOPLE
from services.database.queries import Queries
from services.passwords import TooManyTriesError, count_try, fits, forget_tries

QUERIES = Queries("services.activation.sign_in", "log_in.sql")

MOST_TRIES_OF_ADDRESS = 200
"""A whole school may be behind one address."""


def account_of_password(connection: psycopg.Connection[Any], email: str, password: str, address: str) -> str:
    """Give the account whose email and password these are.

    Raises RefusedError 'wrong-password', which never says whether the email is known, or 'too-many-tries'.
    """
    try:
        key = count_try(connection, QUERIES, email, address, most_of_address=MOST_TRIES_OF_ADDRESS)
    except TooManyTriesError:
        raise RefusedError("too-many-tries") from None
    rows = connection.execute(QUERIES["by_email"], {"email": email}).fetchall()
    with_password = [row for row in rows if row[1] is not None]
    account_id, password_hash = with_password[0] if len(with_password) == 1 else (None, None)
    if not fits(password_hash, password) or account_id is None:
        raise RefusedError("wrong-password")
    forget_tries(connection, QUERIES, key)
    return str(account_id)


def account_of_login(connection: psycopg.Connection[Any], claim: AccountClaim) -> str:
    """Give the account that this login opens: the one it opened before, else the only one with its verified email.

    Raises RefusedError 'no-account' where there is none, or no single one.
    """
    login = {"issuer": claim.issuer, "subject": claim.subject}
    known = connection.execute(PEOPLE["external_account"], login).fetchone()
    if known is not None:
        return str(known[0])
    found = (
        connection.execute(PEOPLE["accounts_with_email"], {"email": claim.email}).fetchall()
        if claim.email is not None
        else []
    )
    if len(found) != 1:
        raise RefusedError("no-account")
    account_id = str(found[0][0])
    connection.execute(PEOPLE["link_external"], {**login, "account_id": account_id})
    return account_id
