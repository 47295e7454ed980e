"""`rollcall account …`: accounts of the product. Rostering itself never makes one (promise 8)."""

import re
import uuid
from typing import Annotated, Any

import psycopg
import typer

from services.cli.answer import AsJson, answer, output
from services.cli.failures import CommandError, WrongUsageError
from services.cli.operator_session import operator_session
from services.database.queries import Queries

QUERIES = Queries("services.cli", "accounts.sql")

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")

commands = typer.Typer(
    help="Accounts of the product.", no_args_is_help=True, epilog="Example: rollcall account show dana@example.org"
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(commands, name="account")


@commands.command("add", epilog="Example: rollcall account add dana@example.org")
def add(
    emails: Annotated[list[str], typer.Argument(metavar="EMAIL…", help="The account's emails.")],
    as_json: AsJson = False,
) -> None:
    """Make an account with these emails, as somebody's sign-up would."""
    for email in emails:
        if not _EMAIL.fullmatch(email.strip()):
            raise WrongUsageError("bad-email", f"{email!r} is not an email")
    with operator_session() as session, session.connection.transaction():
        row = session.connection.execute(QUERIES["add"]).fetchone()
        assert row is not None, "an insert that returns its row gives one"
        for email in emails:
            session.connection.execute(QUERIES["add_email"], {"account_id": row[0], "email": email.strip()})
        described = _described(session.connection, row[0])
    if as_json:
        answer(described)
    else:
        output.print(f"account {described['account_id']} is made")


@commands.command("show", epilog="Example: rollcall account show dana@example.org --json")
def show(
    email_or_id: Annotated[str, typer.Argument(metavar="EMAIL|ID", help="An email or the id of an account.")],
    as_json: AsJson = False,
) -> None:
    """Show an account, its emails and the rostered people it belongs to."""
    with operator_session() as session:
        ids = _accounts(session.connection, email_or_id)
        if not ids:
            raise CommandError("unknown-account", f"there is no account {email_or_id}")
        if len(ids) > 1:
            raise CommandError(
                "shared-email",
                f"{len(ids)} accounts have this email: {', '.join(map(str, ids))}; name one of them by its id",
            )
        described = _described(session.connection, ids[0])
    if as_json:
        answer(described)
        return
    output.print(f"account {described['account_id']}, made {described['created_at']}")
    for email in described["emails"]:
        output.print(f"  {email}")
    for person in described["people"]:
        output.print(f"  {person['state']}: {person['kind']} {person['id']} of {person['district']}")


def _accounts(connection: psycopg.Connection[Any], email_or_id: str) -> list[uuid.UUID]:
    try:
        found = connection.execute(QUERIES["by_id"], {"account_id": uuid.UUID(email_or_id)})
    except ValueError:
        found = connection.execute(QUERIES["by_email"], {"email": email_or_id})
    return [row[0] for row in found]


def _described(connection: psycopg.Connection[Any], account_id: uuid.UUID) -> dict[str, Any]:
    about = {"account_id": account_id}
    created = connection.execute(QUERIES["created_at"], about).fetchone()
    assert created is not None, "the account was found a moment ago, and accounts stay"
    people = connection.execute(QUERIES["people"], about).fetchall()
    return {
        "account_id": str(account_id),
        "created_at": created[0].isoformat(),
        "emails": [row[0] for row in connection.execute(QUERIES["emails"], about)],
        "people": [
            dict(zip(("district", "kind", "id", "state", "roster_version"), person, strict=True)) for person in people
        ],
    }
