"""`rollcall account …`: accounts of the product. Rostering itself never makes one (promise 8)."""

import time
import uuid
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer

from services.cli.account_import import MOST_TOLD, Import, import_accounts
from services.cli.account_lines import (
    COLUMNS,
    BadValueError,
    Identity,
    classlink_identity,
    clever_identity,
    email_of,
)
from services.cli.accounts import account_named, described_account
from services.cli.answer import AsJson, answer, output, progress
from services.cli.failures import FAILED, CommandError, WrongUsageError
from services.cli.operator_session import operator_session
from services.database.queries import Queries

QUERIES = Queries("services.cli", "accounts.sql")

commands = typer.Typer(
    help="Accounts of the product.", no_args_is_help=True, epilog="Example: rollcall account show dana@example.org"
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(commands, name="account")


@commands.command("add", epilog="Example: rollcall account add dana@example.org --clever-id 58da8c6b2e4b")
def add(
    emails: Annotated[list[str] | None, typer.Argument(metavar="EMAIL…", help="The account's emails.")] = None,
    clever_ids: Annotated[
        list[str] | None, typer.Option("--clever-id", metavar="ID", help="A Clever id of its person; may be repeated.")
    ] = None,
    classlink_ids: Annotated[
        list[str] | None,
        typer.Option("--classlink", metavar="TENANT:SOURCEDID", help="A ClassLink id of its person; may be repeated."),
    ] = None,
    display_name: Annotated[str | None, typer.Option("--display-name", help="What the product calls them.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make an account with these emails and ids, as somebody's sign-up would."""
    given, identities = _given(emails or [], clever_ids or [], classlink_ids or [])
    with operator_session() as session, session.connection.transaction():
        name = (display_name or "").strip() or None
        [(account_id,)] = session.connection.execute(QUERIES["add"], {"display_name": name}).fetchall()
        for email in given:
            session.connection.execute(QUERIES["add_email"], {"account_id": account_id, "email": email})
        for identity in identities:
            _add_identity(session.connection, account_id, identity)
        described = described_account(session.connection, account_id)
    if as_json:
        answer(described)
    else:
        output.print(f"account {described['account_id']} is made")


def _given(emails: list[str], clever_ids: list[str], classlink_ids: list[str]) -> tuple[list[str], list[Identity]]:
    if not emails and not clever_ids and not classlink_ids:
        raise WrongUsageError(
            "nothing-given", "give an email or an id, else nobody could ever be matched to the account"
        )
    for given, reads in ((emails, email_of), (clever_ids, clever_identity), (classlink_ids, classlink_identity)):
        for one in given:
            try:
                reads(one)
            except BadValueError as error:
                raise WrongUsageError("bad-email" if reads is email_of else "bad-id", f"{one!r}: {error}") from None
    identities = [*map(clever_identity, clever_ids), *map(classlink_identity, classlink_ids)]
    return [email_of(email) for email in emails], list(dict.fromkeys(identities))


def _add_identity(connection: psycopg.Connection[Any], account_id: uuid.UUID, identity: Identity) -> None:
    about = {"provider": identity.provider, "tenant": identity.tenant, "subject": identity.subject}
    if connection.execute(QUERIES["add_identity"], {**about, "account_id": account_id}).rowcount == 0:
        [taken_by] = connection.execute(QUERIES["account_of_identity"], about).fetchone() or ("that is gone",)
        raise CommandError("taken-id", f"{identity} belongs to account {taken_by} already; no account was made")


@commands.command("import", epilog="Example: rollcall account import accounts.csv --check")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help=f"CSV in UTF-8; columns: {', '.join(COLUMNS)}.")],
    check: Annotated[bool, typer.Option("--check", help="Only say what is wrong with the file; make nothing.")] = False,
    shared_emails: Annotated[
        bool, typer.Option("--shared-emails", help="Let several accounts have the same email, if they do at yours.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an account of each line of a file: all of them, or none where one is wrong.

    Several emails or ids in one value are parted with ';'. Of emails and ids at least one must be there.
    """
    began = time.monotonic()
    try:
        # What is not UTF-8 comes through as surrogates, so that its line can be named.
        opened = file.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        raise WrongUsageError("file", f"{file} cannot be read ({error.strerror}); name an existing CSV file") from None
    with opened, operator_session() as session:
        found = import_accounts(session.connection, opened, shared_emails=shared_emails, check_only=check)
    _tell_import(found, time.monotonic() - began, check=check, as_json=as_json)
    if found.problems:
        raise typer.Exit(FAILED)


def _tell_import(found: Import, seconds: float, *, check: bool, as_json: bool) -> None:
    outcome = "refused" if found.problems else "checked" if check else "imported"
    if as_json:
        answer(
            {
                "outcome": outcome,
                "accounts": found.accounts,
                "emails": found.emails,
                "identities": found.identities,
                "problems": found.problems,
                "bad_lines": [{"line": bad.line, "text": bad.text} for bad in found.told],
            }
        )
        return
    for bad in found.told:
        progress.print(f"line {bad.line}: {bad.text}")
    if found.problems > MOST_TOLD:
        progress.print(f"… and {found.problems - MOST_TOLD:,} more")
    holds = f"{found.accounts:,} accounts with {found.emails:,} emails and {found.identities:,} ids"
    match outcome:
        case "refused":
            output.print(f"Refused: {found.problems:,} things are wrong with the file. No account was made.")
        case "checked":
            output.print(f"Nothing is wrong with it: {holds}. No account was made.")
        case _:
            output.print(f"{holds} are made, in {seconds:.1f} s.")


@commands.command("show", epilog="Example: rollcall account show dana@example.org --json")
def show(
    email_or_id: Annotated[str, typer.Argument(metavar="EMAIL|ID", help="An email or the id of an account.")],
    as_json: AsJson = False,
) -> None:
    """Show an account: its emails, ids and permissions, the rostered people it belongs to, its classes."""
    with operator_session() as session:
        described = described_account(session.connection, account_named(session.connection, email_or_id))
    if as_json:
        answer(described)
        return
    output.print(f"account {described['account_id']}, made {described['created_at']}")
    output.print(f"  permissions: {described['permissions']}" + _signs_in(described))
    for email in described["emails"]:
        output.print(f"  email {email}")
    for identity in described["identities"]:
        output.print(f"  {identity_line(identity)}")
    for person in described["people"]:
        output.print(f"  {person['state']}: {person['district']}/{person['kind']}/{person['id']}")
    for own in described["personal_classes"]:
        output.print(f"  {own['part']} of the personal class {own['name']}")
    if described["work_done"]:
        output.print(f"  pieces of work: {described['work_done']:,}")


def _signs_in(described: dict[str, Any]) -> str:
    return ", signs in with a password" if described["has_password"] else ""


def identity_line(identity: dict[str, Any]) -> str:
    """Say an identity in a line: what the provider calls the person, and how we know that it is they."""
    where = f" of {identity['tenant']}" if identity["tenant"] else ""
    rostered = f", last rostered in {identity['district']}" if identity["district"] else ""
    how = {
        "email": "found by email",
        "sign-in": "signed in with it",
        "reviewer": "a reviewer said so",
        "import": "came with the account",
    }
    return f"{identity['provider']} id {identity['subject']}{where}: {how[identity['proof']]}{rostered}"
