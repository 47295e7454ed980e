"""`rollcall pause …`: when districts pause, beside Thanksgiving and the winter break."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.table import Table

from services.cli.answer import AsJson, answer, output
from services.cli.failures import WrongUsageError
from services.cli.house_rules import (
    By,
    OfDistrict,
    Row,
    check_days,
    not_blank,
    parse_day,
    parse_summer,
    remove,
    rows,
    who,
)
from services.cli.operator_session import OperatorSession, operator_session
from services.clock import now
from services.guard.calendar import house_closures
from services.guard.rules_rows import calendar_of

commands = typer.Typer(
    help="When nothing is applied: the offices' closures and the districts' summers.",
    no_args_is_help=True,
    epilog="Example: rollcall pause list --year 2026",
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(commands, name="pause")


@commands.command(
    "add",
    epilog="Example: rollcall pause add --name Inventory --from 2026-12-14 --to 2026-12-17\n\n"
    "Example: rollcall pause add --district springfield --summer 06-15..08-10",
)
def add(  # noqa: PLR0917 - each is an option of its own
    name: Annotated[str | None, typer.Option("--name", help="What contacts are told.")] = None,
    first_day: Annotated[
        date | None, typer.Option("--from", parser=parse_day, metavar="YYYY-MM-DD", help="The first day.")
    ] = None,
    last_day: Annotated[
        date | None,
        typer.Option("--to", parser=parse_day, metavar="YYYY-MM-DD", help="The last day; --from if absent."),
    ] = None,
    district: OfDistrict = None,
    summer: Annotated[
        str | None, typer.Option("--summer", metavar="MM-DD..MM-DD", help="Every summer, for one district.")
    ] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Pause one district, or the whole organisation where none is named; first and last day are included."""
    if summer is not None:
        _add_summer(district, summer, by, typed=(name, first_day, last_day), as_json=as_json)
        return
    if name is None or first_day is None:
        raise WrongUsageError("bad-pause", "a pause needs --name and --from, or --district and --summer")
    about = {
        "name": not_blank("--name", name),
        "first_day": first_day,
        "last_day": last_day or first_day,
        "district": district,
        "by": who(by),
    }
    check_days(first_day, last_day or first_day)
    with operator_session() as session:
        _known(session, district)
        [added] = rows(session, "add_closure", about)
    if as_json:
        answer(added)
    else:
        whose = district or "every district"
        output.print(
            f"{added['id']}: {whose} pauses from {added['first_day']} to {added['last_day']}, {added['name']}."
        )


@commands.command("list", epilog="Example: rollcall pause list --district springfield --year 2026")
def list_(
    year: Annotated[
        int | None, typer.Option("--year", min=2000, max=2100, help="Which year; this one if absent.")
    ] = None,
    district: OfDistrict = None,
    as_json: AsJson = False,
) -> None:
    """Show a year's closures, built-in ones too, and summers; for a district also the pauses that they make."""
    chosen = year if year is not None else now().year
    with operator_session() as session:
        _known(session, district)
        about = {"year": chosen, "district": district}
        listed: dict[str, Any] = {
            **about,
            "closures": sorted(
                [*_built_in(session, chosen), *rows(session, "closures_of_a_year", about)],
                key=lambda one: str(one["first_day"]),
            ),
            "summers": rows(session, "summers", {"district": district}),
            "pauses": _pauses(session, district, chosen) if district is not None else None,
        }
    if as_json:
        answer(listed)
    else:
        _print(listed)


@commands.command(
    "remove",
    epilog="Example: rollcall pause remove 3\n\nExample: rollcall pause remove --district springfield --summer",
)
def remove_(
    closure: Annotated[int | None, typer.Argument(metavar="ID", min=1, help="The number that `list` shows.")] = None,
    district: OfDistrict = None,
    summer: Annotated[bool, typer.Option("--summer", help="The district's summer.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take back a closure, or a district's summer; what is paused only by it goes on."""
    if (closure is None) == (district is None) or summer != (district is not None):
        raise WrongUsageError("bad-pause", "name a closure by its ID, or a summer by --district and --summer")
    with operator_session() as session:
        if closure is not None:
            remove(session, "remove_closure", {"id": closure}, f"there is no closure {closure}; `rollcall pause list`")
        else:
            _known(session, district)
            remove(session, "remove_summer", {"district": district}, f"{district} has no summer pause")
    if as_json:
        answer({"id": closure, "district": district, "removed": True})
    else:
        output.print("It is removed.")


class OfficeCalendar(StrEnum):
    """Whether the offices' holidays pause every district."""

    ON = "on"
    OFF = "off"


@commands.command("holidays", epilog="Example: rollcall pause holidays off")
def holidays(
    observed: Annotated[OfficeCalendar, typer.Argument(metavar="on|off", help="off: only closures that were added.")],
    as_json: AsJson = False,
) -> None:
    """Let Thanksgiving and the winter break pause every district, or not, where the offices have another calendar."""
    with operator_session() as session:
        [put] = rows(session, "put_office_calendar", {"observed": observed is OfficeCalendar.ON})
    if as_json:
        answer(put)
    else:
        does = "pause every district" if put["observed"] else "pause nobody"
        output.print(f"Thanksgiving and the winter break {does}.")


def _add_summer(district: str | None, summer: str, by: str | None, *, typed: tuple[object, ...], as_json: bool) -> None:
    if district is None or any(value is not None for value in typed):
        raise WrongUsageError(
            "bad-pause", "a summer takes --district, --by and nothing else; every district has its own"
        )
    first_day, last_day = parse_summer(summer)
    about = {"district": district, "first_day": first_day, "last_day": last_day, "by": who(by), "at": now()}
    with operator_session() as session:
        session.district(district)
        [added] = rows(session, "put_summer", about)
    if as_json:
        answer(added)
    else:
        output.print(f"{district} pauses every summer from {first_day} to {last_day}.")


def _known(session: OperatorSession, district: str | None) -> None:
    if district is not None:
        session.district(district)


def _built_in(session: OperatorSession, year: int) -> list[Row]:
    if not all(row["observed"] for row in rows(session, "office_calendar", {})):
        return []
    return [
        {
            "id": None,
            "district": None,
            "name": closure.name,
            "first_day": closure.first_day.isoformat(),
            "last_day": closure.last_day.isoformat(),
            "added_by": None,
            "added_at": None,
        }
        for begun in (year - 1, year)
        for closure in house_closures(begun)
        if closure.last_day.year >= year
    ]


def _pauses(session: OperatorSession, district: str, year: int) -> list[Row]:
    return [
        {
            "name": pause.name,
            "first_day": pause.first_day.isoformat(),
            "last_day": pause.last_day.isoformat(),
            "begins_at": pause.begins_at.isoformat(),
            "ends_at": pause.ends_at.isoformat(),
        }
        for pause in calendar_of(session.connection, session.district(district)).pauses_of_year(year)
    ]


def _print(listed: dict[str, Any]) -> None:
    table = Table("id", "district", "name", "from", "to", "added by", box=None, padding=(0, 2, 0, 0))
    for closure in listed["closures"]:
        number = str(closure["id"]) if closure["id"] is not None else "built in"
        whose, by = closure["district"] or "every district", closure["added_by"] or ""
        table.add_row(number, whose, closure["name"], closure["first_day"], closure["last_day"], by)
    for summer in listed["summers"]:
        table.add_row(
            "summer", summer["district"], "Summer", summer["first_day"], summer["last_day"], summer["added_by"] or ""
        )
    output.print(table)
    for pause in listed["pauses"] or []:
        output.print(f"{listed['district']} pauses from {pause['first_day']} to {pause['last_day']}: {pause['name']}")
