"""What a district's change sets are judged by, read from the accounts database."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import class_row

from schemas.events import ChangeSetStarted
from schemas.records import KINDS, Kind
from services.database.queries import Queries
from services.districts import District
from services.guard.calendar import Calendar, Closure, Summer
from services.guard.policy import Circumstances, ExpectedChange, KindLimit, LookFirst, Week

QUERIES = Queries("services.guard", "rules.sql")


def circumstances(
    connection: psycopg.Connection[Any],
    district: District,
    now: datetime,
    header: ChangeSetStarted,
    default_percent: int,
) -> Circumstances:
    """Give what the change set is judged by at this instant.

    Kinds without a limit of their own have the default one. Of a kind to which nothing was applied in the last seven
    days, their start is what the header says exists.
    """
    today = now.astimezone(ZoneInfo(district.timezone)).date()
    with connection.cursor(row_factory=class_row(LookFirst)) as cursor:
        look_first = cursor.execute(QUERIES["look_first"], {"district": district.district}).fetchone()
    return Circumstances(
        limits=_limits(connection, district.district, today, default_percent),
        week=_week(connection, now, header),
        pause=calendar_of(connection, district).pause_at(now),
        look_first=look_first,
        setting_up=district.setting_up,
    )


def calendar_of(connection: psycopg.Connection[Any], district: District) -> Calendar:
    """Give the district's calendar."""
    row = connection.execute(QUERIES["calendar"], {"district": district.district}).fetchone()
    assert row is not None, "one row is always answered"
    return _calendar(district.timezone, *row)


def calendars(connection: psycopg.Connection[Any]) -> dict[str, Calendar]:
    """Give the calendars of all districts by their ids, in one round trip."""
    rows = connection.execute(QUERIES["calendars"])
    return {district: _calendar(timezone, *row) for district, timezone, *row in rows}


def _calendar(
    timezone: str,
    closures: list[tuple[str, str, str]],
    summer_first: str | None,
    summer_last: str | None,
    observed: bool | None,
) -> Calendar:
    return Calendar(
        timezone,
        tuple(Closure(name, date.fromisoformat(first), date.fromisoformat(last)) for name, first, last in closures),
        Summer(summer_first, summer_last) if summer_first is not None and summer_last is not None else None,
        observed=observed is not False,
    )


def _limits(
    connection: psycopg.Connection[Any], district: str, today: date, default_percent: int
) -> dict[Kind, KindLimit]:
    about = {"district": district, "today": today}
    limits: dict[Kind, KindLimit] = {kind: KindLimit(default_percent) for kind in KINDS}
    limits |= {kind: KindLimit(percent, floor) for kind, percent, floor in connection.execute(QUERIES["limits"], about)}
    for kind, *raised in connection.execute(QUERIES["expected"], about):
        expected = ExpectedChange(*raised)
        if expected.percent > limits[kind].percent:
            limits[kind] = KindLimit(expected.percent, limits[kind].floor, expected)
    return limits


def _week(connection: psycopg.Connection[Any], now: datetime, header: ChangeSetStarted) -> Week:
    start: dict[Kind, int] = {kind: counts.existing for kind, counts in header.counts.items()}
    removed: dict[Kind, int] = {}
    for kind, existing, gone in connection.execute(QUERIES["week"], {"district": header.district, "now": now}):
        start[kind] = existing or start.get(kind, 0)
        removed[kind] = gone
    return Week(start, removed)
