"""`rollcall look-first …`: hold a district's next change set, whatever it is, until somebody has looked."""

from typing import Annotated

import typer
from rich.table import Table

from services.cli.answer import AsJson, answer, output
from services.cli.house_rules import By, DistrictId, not_blank, remove, rows, who
from services.cli.operator_session import operator_session

commands = typer.Typer(
    help="Districts whose next change set somebody wants to see first.",
    no_args_is_help=True,
    epilog="Example: rollcall look-first list",
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(commands, name="look-first")


@commands.command("add", epilog="Example: rollcall look-first add springfield --reason 'first night with ClassLink'")
def add(
    district: DistrictId,
    reason: Annotated[str, typer.Option("--reason", help="Why; shown with what is held.")],
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Hold the district's next change set for a review, even if it is small."""
    about = {"district": district, "reason": not_blank("--reason", reason), "by": who(by)}
    with operator_session() as session:
        session.district(district)
        [added] = rows(session, "ask_to_look_first", about)
    if as_json:
        answer(added)
    else:
        output.print(f"{district}: the next change set is held until somebody has looked at it.")


@commands.command("list", epilog="Example: rollcall look-first list")
def list_(as_json: AsJson = False) -> None:
    """Show the districts whose next change set is waited for."""
    with operator_session() as session:
        found = rows(session, "look_first")
    if as_json:
        answer({"look_first": found})
        return
    if not found:
        output.print("Nobody waits to look at a district's next change set.")
        return
    table = Table("district", "asked by", "since", "reason", box=None, padding=(0, 2, 0, 0))
    for row in found:
        table.add_row(row["district"], row["asked_by"], row["asked_at"][:16], row["reason"])
    output.print(table)


@commands.command("remove", epilog="Example: rollcall look-first remove springfield")
def remove_(district: DistrictId, as_json: AsJson = False) -> None:
    """Let the district's next change set be judged as usual; what is held already stays held."""
    with operator_session() as session:
        session.district(district)
        remove(session, "remove_look_first", {"district": district}, f"nobody asked to look at {district} first")
    if as_json:
        answer({"district": district, "removed": True})
    else:
        output.print(f"{district}: the next change set is judged as usual.")
