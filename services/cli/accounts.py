"""The accounts of the product as commands tell of them: found by email or id, and described."""

import uuid
from typing import Any

import psycopg
from psycopg.rows import dict_row

from services.cli.failures import CommandError
from services.database.queries import Queries

QUERIES = Queries("services.cli", "accounts.sql")


def accounts_named(connection: psycopg.Connection[Any], email_or_id: str) -> list[uuid.UUID]:
    """Give the accounts with this id or this email, which compares without case and surrounding space."""
    try:
        found = connection.execute(QUERIES["by_id"], {"account_id": uuid.UUID(email_or_id)})
    except ValueError:
        found = connection.execute(QUERIES["by_email"], {"email": email_or_id})
    return [row[0] for row in found]


def account_named(connection: psycopg.Connection[Any], email_or_id: str) -> uuid.UUID:
    """Give the one account with this id or email. Raises CommandError 'unknown-account' or 'shared-email'."""
    ids = accounts_named(connection, email_or_id)
    if not ids:
        raise CommandError(
            "unknown-account",
            f"there is no account {email_or_id}; `rollcall account add` makes one, an email or an id finds it",
        )
    if len(ids) > 1:
        raise CommandError(
            "shared-email",
            f"{len(ids)} accounts have this email: {', '.join(map(str, ids))}; name one of them by its id",
        )
    return ids[0]


def described_account(connection: psycopg.Connection[Any], account_id: uuid.UUID) -> dict[str, Any]:
    """Give what is known of an account that exists, for programs."""

    def rows(query: str) -> list[dict[str, Any]]:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(QUERIES[query], {"account_id": account_id}).fetchall()

    [account] = rows("one")
    return {
        "account_id": str(account_id),
        **account,
        "created_at": account["created_at"].isoformat(),
        "emails": [row["email"] for row in rows("emails")],
        "identities": [{**row, "linked_at": row["linked_at"].isoformat()} for row in rows("identities")],
        "people": rows("people"),
        "personal_classes": [{**row, "class_id": str(row["class_id"])} for row in rows("personal_classes")],
    }
