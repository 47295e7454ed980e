"""The calendar: a year as months, with the pauses and the expected changes of all districts."""

import calendar
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Response

from services.clock import now
from services.guard.calendar import Pause
from services.guard.desk.web.labels import (
    ExpectedChange,
    calendars,
    closures,
    district_labels,
    expected_changes,
    summers,
)
from services.guard.desk.web.plain_words import zoned
from services.guard.desk.web.visit import SignedIn

router = APIRouter()


@dataclass(frozen=True, slots=True)
class PauseShown:
    """A pause, and whose: a district's name, or 'Every district'."""

    whose: str
    pause: Pause


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a month's page. `begins` and `ends` tell where a pause's bar has its ends."""

    day: date
    in_month: bool
    pauses: tuple[PauseShown, ...]
    expected: tuple[ExpectedChange, ...]

    @property
    def for_all(self) -> bool:
        """Tell whether every district pauses."""
        return any(shown.whose == EVERY_DISTRICT for shown in self.pauses)

    @property
    def label(self) -> str:
        """What the day's marks say, for who cannot see them."""
        said = [f"pause, {shown.whose}: {shown.pause.name}" for shown in self.pauses]
        said += [f"expected change: {one.district}" for one in self.expected]
        return "; ".join(said)


@dataclass(frozen=True, slots=True)
class Month:
    """A month as weeks that begin on Sunday."""

    name: str
    weeks: tuple[tuple[Day, ...], ...]


EVERY_DISTRICT = "Every district"
_SAID = {
    "pause": "The pause is added.",
    "expected": "The expected change is added.",
    "summer": "The summer is set.",
    "removed": "It is removed.",
}


@router.get("/calendar")
def this_year(visit: SignedIn, saved: str = "") -> Response:
    """Go to this year's calendar."""
    return visit.go_to(f"/calendar/{now().year}" + (f"?saved={saved}" if saved in _SAID else ""))


@router.get("/calendar/{year}")
def calendar_of(visit: SignedIn, year: Annotated[int, Path(ge=2000, le=2100)], saved: str = "") -> Response:
    """Show a year."""
    with visit.desk.snapshot() as connection:
        labels = district_labels(connection)
        all_calendars = calendars(connection, labels)
        expected = expected_changes(connection, year)
        added = [one for one in closures(connection) if one.first_day.year <= year <= one.last_day.year]
        asked_for = summers(connection)
    house = all_calendars.pop(None).pauses_of_year(year)
    days_of_all = {(pause.first_day, pause.last_day, pause.names) for pause in house}
    pauses = [PauseShown(EVERY_DISTRICT, pause) for pause in house]
    for district, own in all_calendars.items():
        name = labels.of(district or "").name
        for pause in own.pauses_of_year(year):
            if (pause.first_day, pause.last_day, pause.names) not in days_of_all:
                pauses.append(PauseShown(name, pause))
    pauses.sort(key=lambda shown: (shown.pause.first_day, shown.whose))
    return visit.page(
        "calendar.html",
        year=year,
        today=zoned(now(), labels.usual_zone).date(),
        said=_SAID.get(saved),
        may_change=visit.reviewer.role == "operator",
        added=added,
        summers=asked_for,
        months=[_month(year, number, pauses, expected) for number in range(1, 13)],
        pauses=pauses,
        expected=expected,
        labels=labels,
    )


def _month(year: int, number: int, pauses: list[PauseShown], expected: list[ExpectedChange]) -> Month:
    weeks = calendar.Calendar(calendar.SUNDAY).monthdatescalendar(year, number)
    return Month(
        calendar.month_name[number],
        tuple(
            tuple(
                Day(
                    day,
                    day.month == number,
                    tuple(one for one in pauses if one.pause.first_day <= day <= one.pause.last_day),
                    tuple(one for one in expected if one.first_day <= day <= one.last_day),
                )
                for day in week
            )
            for week in weeks
        ),
    )
