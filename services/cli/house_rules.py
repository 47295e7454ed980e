"""What is typed about limits, pauses and expected changes: checked where it is typed, before anything is opened."""

import getpass
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, TypeAlias

import typer
from psycopg.rows import dict_row

from schemas.records import KINDS, Kind
from services.cli.failures import CommandError, WrongUsageError
from services.cli.operator_session import OperatorSession
from services.database.queries import Queries
from services.guard import calendar_entries
from services.guard.calendar_entries import EntryError

QUERIES = Queries("services.cli", "house_rules.sql")

Row: TypeAlias = dict[str, Any]


def parse_day(text: str) -> date:
    """Read a day. Raises typer.BadParameter, which names the option, unless it is YYYY-MM-DD in this century."""
    try:
        return calendar_entries.parse_day(text)
    except EntryError as error:
        raise typer.BadParameter(str(error)) from None


DistrictId = Annotated[str, typer.Argument(metavar="DISTRICT", help="The district's id.")]
OfDistrict = Annotated[str | None, typer.Option("--district", help="The district's id.")]
Id = Annotated[int, typer.Argument(metavar="ID", min=1, help="The number that `list` shows.")]
KindsTyped = Annotated[
    list[str], typer.Option("--kind", metavar="|".join(KINDS), help="Of which kind; may be given several times.")
]
Limit = Annotated[
    int, typer.Option("--limit", min=0, max=100, help="In percent of what exists, from 0 to 100; exactly it passes.")
]
By = Annotated[str | None, typer.Option("--by", help="Who says so, for the record; your login name if absent.")]


def checked_kinds(typed: Sequence[str]) -> list[Kind]:
    """Give the kinds that were typed, each once, in the order of KINDS. Raises WrongUsageError for what is none."""
    try:
        return calendar_entries.checked_kinds(typed)
    except EntryError as error:
        raise WrongUsageError("bad-kind", f"--kind: {error}") from None


def check_days(first_day: date, last_day: date) -> None:
    """Raise WrongUsageError unless the days, both included, are in order and at most a year."""
    try:
        calendar_entries.check_days(first_day, last_day, first="--from")
    except EntryError as error:
        raise WrongUsageError("bad-days", f"--to: {error}") from None


def parse_summer(text: str) -> tuple[str, str]:
    """Give first and last day of a summer. Raises WrongUsageError unless it is MM-DD..MM-DD, in order."""
    try:
        return calendar_entries.parse_summer(text)
    except EntryError as error:
        raise WrongUsageError("bad-days", f"--summer: {error}") from None


def not_blank(option: str, text: str) -> str:
    """Give the text without space around it. Raises WrongUsageError, which names the option, where nothing is left."""
    try:
        return calendar_entries.not_blank(text)
    except EntryError as error:
        raise WrongUsageError("empty", f"{option} {error}") from None


def who(by: str | None) -> str:
    """Give who says so. Raises WrongUsageError where nobody was named and the machine does not know who is typing."""
    if by is not None:
        return not_blank("--by", by)
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # KeyError before Python 3.13
        raise WrongUsageError("who", "this machine does not know who you are; say it with --by") from None


def rows(session: OperatorSession, query: str, about: Mapping[str, Any] | None = None) -> list[Row]:
    """Give a query's rows as they are told to programs: days and times in ISO 8601."""
    with session.connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(QUERIES[query], about or {}).fetchall()
    return [
        {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()} for row in found
    ]


def remove(session: OperatorSession, query: str, about: Mapping[str, Any], unknown: str) -> None:
    """Remove one row. Raises CommandError 'unknown' with the text where there is none."""
    if session.connection.execute(QUERIES[query], about).rowcount == 0:
        raise CommandError("unknown", unknown)
