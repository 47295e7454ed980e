"""`rollcall explain PERSON`: why a person is where they are."""

import uuid
from datetime import datetime
from typing import Annotated, Any

import psycopg
import typer

from services.cli.account_commands import identity_line
from services.cli.accounts import accounts_named, described_account
from services.cli.answer import AsJson, answer, output
from services.cli.failures import CommandError
from services.cli.operator_session import operator_session
from services.cli.people import PersonKey, described_person, people, person_key


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("explain", epilog="Example: rollcall explain springfield/students/58da8c63")(explain)


def explain(
    person: Annotated[
        str, typer.Argument(metavar="PERSON", help="DISTRICT/KIND/ID, or an id; or an account's id or email.")
    ],
    district: Annotated[
        str | None, typer.Option("--district", help="The district of the id; without it, wherever the id is known.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say why a person is where they are: their roster, classes, account, nights, and what to do next."""
    with operator_session() as session:
        found, accounts = _found(session.connection, person, district)
        described: dict[str, Any] = {
            "asked": person,
            "people": [described_person(session.connection, one) for one in found],
            "accounts": [described_account(session.connection, account) for account in accounts],
        }
    if not found and not accounts:
        where = f" in district {district!r}" if district is not None else ""
        raise CommandError(
            "unknown-person",
            f"nobody is or was rostered{where} as {person!r}, and no account has this id or email; name a person as "
            "DISTRICT/teachers/ID or DISTRICT/students/ID, with the id that the district's provider gives",
        )
    if as_json:
        answer(described)
        return
    for number, one in enumerate(described["people"]):
        if number:
            output.print()
        _print_person(one)
    linked = {one["activation"]["account_id"] for one in described["people"] if one["activation"]}
    for account in described["accounts"]:
        if account["account_id"] not in linked:
            output.print(f"Account {account['account_id']} belongs to nobody who is rostered.")


def _found(
    connection: psycopg.Connection[Any], typed: str, district: str | None
) -> tuple[list[PersonKey], list[uuid.UUID]]:
    if district is not None:
        return people(connection, "by_key", district=district, kind=None, id=typed), []
    if "/" in typed:
        key = person_key(typed)
        return people(connection, "by_key", district=key.district, kind=key.kind, id=key.id), []
    accounts = accounts_named(connection, typed)
    found = people(connection, "by_email", email=typed) if "@" in typed else people(connection, "by_id", id=typed)
    for account in accounts:
        found += people(connection, "of_account", account_id=account)
    return list(dict.fromkeys(found)), accounts


def _print_person(person: dict[str, Any]) -> None:
    output.print(f"{person['district']}/{person['kind']}/{person['id']}")
    _print_roster(person)
    activation = person["activation"]
    if activation is not None:
        account = f", with account {activation['account_id']}" if activation["account_id"] else ""
        output.print(f"  Account     {activation['state']}{account}")
        if activation["reason"]:
            output.print(f"              {activation['reason']}: {activation['text']}")
        for candidate in activation["candidates"]:
            output.print(f"              could be account {candidate}")
    for identity in person["identities"]:
        output.print(f"  Known as    {identity_line(identity)}")
    for night in person["nights"]:
        by = night["reviewer"] or night["let_through_by"]
        output.print(
            f"  Night       roster version {night['roster_version']}, applied {_minute(night['applied_at'])}, "
            f"let through by {by} ({night['sync_id']})"
        )
    for held in person["held"]:
        what = f"{held['what']} class {held['class']}" if held["class"] else f"would be {held['what']}"
        output.print(f"  Held        {what}, in change set {held['change_set'][:12]}")
    output.print(f"  What to do  {person['next']}")


def _minute(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M %Z}"


def _print_roster(person: dict[str, Any]) -> None:
    roster = person["roster"]
    if roster is None:
        output.print("  Roster      not in it (any more)")
        return
    since = f", applied {_minute(roster['applied_at'])}" if roster["applied_at"] else ""
    output.print(f"  Roster      as of version {roster['roster_version']}{since}")
    for school in roster["schools"]:
        output.print(f"  School      {school['name'] or school['id']} ({school['id']})")
    for class_ in person["classes"]:
        primary = ", primary teacher" if class_["is_primary"] else ""
        output.print(f"  Class       {class_['name']} ({class_['id']}){primary}")
    if not person["classes"]:
        output.print("  Class       in none")
