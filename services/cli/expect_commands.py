"""`rollcall expect …`: limits raised for one district between two days, after which they end by themselves."""

from datetime import date
from typing import Annotated

import typer
from rich.table import Table

from services.cli.answer import AsJson, answer, output
from services.cli.house_rules import (
    By,
    DistrictId,
    Id,
    KindsTyped,
    Limit,
    check_days,
    checked_kinds,
    not_blank,
    parse_day,
    remove,
    rows,
    who,
)
from services.cli.operator_session import operator_session

commands = typer.Typer(
    help="Changes that are expected: a higher limit for one district between two days.",
    no_args_is_help=True,
    epilog="Example: rollcall expect list",
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(commands, name="expect")


@commands.command(
    "add",
    epilog="Example: rollcall expect add springfield --kind classes --kind places --limit 100 --from 2026-08-24 "
    "--to 2026-09-11 --reason 'new school year'",
)
def add(  # noqa: PLR0917 - each is an option of its own
    district: DistrictId,
    kinds: KindsTyped,
    limit: Limit,
    first_day: Annotated[date, typer.Option("--from", parser=parse_day, metavar="YYYY-MM-DD", help="The first day.")],
    last_day: Annotated[date, typer.Option("--to", parser=parse_day, metavar="YYYY-MM-DD", help="The last day.")],
    reason: Annotated[str, typer.Option("--reason", help="What is expected; named where even this is passed.")],
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Raise the limit of some kinds on these days, both included, in the district's time zone; it is never lowered."""
    check_days(first_day, last_day)
    chosen = checked_kinds(kinds)
    about = {
        "district": district,
        "percent": limit,
        "first_day": first_day,
        "last_day": last_day,
        "reason": not_blank("--reason", reason),
        "by": who(by),
    }
    with operator_session() as session, session.connection.transaction():
        session.district(district)
        added = [row for kind in chosen for row in rows(session, "add_expected", {**about, "kind": kind})]
    if as_json:
        answer({"expected": added})
        return
    for row in added:
        output.print(f"{row['id']}: up to {limit}% of {row['kind']} may change from {first_day} to {last_day}.")


@commands.command("list", epilog="Example: rollcall expect list --json")
def list_(as_json: AsJson = False) -> None:
    """Show the expected changes of all districts, past ones too."""
    with operator_session() as session:
        found = rows(session, "expected")
    if as_json:
        answer({"expected": found})
        return
    if not found:
        output.print("No change is expected; `rollcall expect add --help` shows how to raise a limit for some days.")
        return
    table = Table("id", "district", "kind", "limit", "from", "to", "reason", "by", box=None, padding=(0, 2, 0, 0))
    for row in found:
        days = (row["first_day"], row["last_day"])
        table.add_row(
            str(row["id"]), row["district"], row["kind"], f"{row['percent']}%", *days, row["reason"], row["added_by"]
        )
    output.print(table)


@commands.command("remove", epilog="Example: rollcall expect remove 3")
def remove_(expected: Id, as_json: AsJson = False) -> None:
    """Take an expected change back: from the next judgement on the usual limit holds."""
    with operator_session() as session:
        remove(
            session,
            "remove_expected",
            {"id": expected},
            f"there is no expected change {expected}; see `rollcall expect list`",
        )
    if as_json:
        answer({"id": expected, "removed": True})
    else:
        output.print("It is removed.")
