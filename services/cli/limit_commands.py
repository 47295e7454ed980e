"""`rollcall limit …`: how much of a kind may change in a night, for one district."""

from typing import Annotated

import typer
from rich.table import Table

from services.cli.answer import AsJson, answer, output
from services.cli.failures import CommandError
from services.cli.house_rules import By, DistrictId, KindsTyped, checked_kinds, rows, who
from services.cli.operator_session import operator_session

commands = typer.Typer(help="Limits of a district's own.", no_args_is_help=True, epilog="Example: rollcall limit list")


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(commands, name="limit")


@commands.command("set", epilog="Example: rollcall limit set springfield --kind teachers --percent 30 --floor 20")
def set_(  # noqa: PLR0917 - each is an option of its own
    district: DistrictId,
    kinds: KindsTyped,
    percent: Annotated[
        int, typer.Option("--percent", min=0, max=100, help="In percent of what exists, from 0 to 100.")
    ],
    floor: Annotated[
        int, typer.Option("--floor", min=0, help="With fewer existing records the percentage is not judged.")
    ] = 0,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Set the limit of some kinds for one district; exactly the limit passes."""
    chosen = checked_kinds(kinds)
    about = {"district": district, "percent": percent, "floor": floor, "by": who(by)}
    with operator_session() as session, session.connection.transaction():
        session.district(district)
        put = [row for kind in chosen for row in rows(session, "put_limit", {**about, "kind": kind})]
    if as_json:
        answer({"limits": put})
        return
    for row in put:
        from_ = f", judged from {floor:,} records on" if floor else ""
        output.print(f"{district}: up to {percent}% of {row['kind']} may change in a night{from_}.")


@commands.command("list", epilog="Example: rollcall limit list --json")
def list_(as_json: AsJson = False) -> None:
    """Show the limit that all districts have, and those of some districts' own."""
    with operator_session() as session:
        found = rows(session, "limits")
    default = session.settings.limit_percent
    if as_json:
        answer({"default_percent": default, "limits": found})
        return
    output.print(f"Without a limit of its own: {default}% of each kind.")
    if found:
        table = Table("district", "kind", "limit", "floor", "set by", box=None, padding=(0, 2, 0, 0))
        for row in found:
            percent, floor = f"{row['percent']}%", f"{row['floor']:,}"
            table.add_row(row["district"], row["kind"], percent, floor, row["set_by"])
        output.print(table)


@commands.command("remove", epilog="Example: rollcall limit remove springfield --kind teachers")
def remove_(district: DistrictId, kinds: KindsTyped, as_json: AsJson = False) -> None:
    """Give some kinds of a district the limit back that all districts have."""
    chosen = checked_kinds(kinds)
    with operator_session() as session, session.connection.transaction():
        session.district(district)
        removed = [
            row["kind"]
            for kind in chosen
            for row in rows(session, "remove_limit", {"district": district, "kind": kind})
        ]
        if not removed:
            raise CommandError("unknown", f"{district} has no limit of its own for {', '.join(chosen)}")
    if as_json:
        answer({"district": district, "removed": removed})
    else:
        output.print(f"{district}: the usual limit holds again for {', '.join(removed)}.")
