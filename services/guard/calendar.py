"""When a district pauses: Thanksgiving, the winter break, closures of the offices, its summer (pure).

Days are those of the district's own time zone. A pause begins with the first instant of its first day and ends with
the first one after its last day, whatever the clocks do in between. Pauses that overlap or adjoin are one, with the
names of all.
"""

from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

THANKSGIVING = "Thanksgiving"
WINTER_BREAK = "Winter break"
SUMMER = "Summer"

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Closure:
    """Days on which the offices are closed, both included."""

    name: str
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class Summer:
    """A pause that a district asks for every summer, both days included; they are 'MM-DD'.

    A day that a year does not have (02-29) is the last one of its month.
    """

    first_day: str
    last_day: str

    def of_year(self, year: int) -> Closure:
        """Give its days in a year."""
        return Closure(SUMMER, _day(year, self.first_day), _day(year, self.last_day))


@dataclass(frozen=True, slots=True)
class Pause:
    """Days on which nothing is applied, both included, in a time zone."""

    names: tuple[str, ...]
    first_day: date
    last_day: date
    timezone: str

    @property
    def name(self) -> str:
        """All its names in one, such as 'Winter break and Inventory'."""
        return " and ".join(self.names)

    @property
    def begins_at(self) -> datetime:
        """The first instant of its first day, in UTC."""
        return _midnight(self.first_day, self.timezone)

    @property
    def reopens_on(self) -> date:
        """The day after its last one."""
        return self.last_day + _DAY

    @property
    def ends_at(self) -> datetime:
        """The first instant after its last day, in UTC: work goes on from here."""
        return _midnight(self.reopens_on, self.timezone)


@dataclass(frozen=True, slots=True)
class Calendar:
    """A district's calendar: its time zone, the closures that hold for it, and its summer if it asked for one.

    `observed` says whether the offices close at Thanksgiving and over the winter.
    """

    timezone: str
    closures: Sequence[Closure] = ()
    summer: Summer | None = None
    observed: bool = True

    def pause_at(self, now: datetime) -> Pause | None:
        """Give the pause that the instant, which has a time zone, lies in, or None."""
        year = now.astimezone(UTC).year
        around = self._merged(year - 1, year + 1)
        return next((pause for pause in around if pause.begins_at <= now < pause.ends_at), None)

    def pauses_of_year(self, year: int) -> list[Pause]:
        """Give the pauses with a day in the year, in order."""
        pauses = self._merged(year - 1, year + 1)
        return [pause for pause in pauses if pause.first_day.year <= year <= pause.last_day.year]

    def _merged(self, first_year: int, last_year: int) -> list[Pause]:
        """Give the pauses of those years as they are with all that adjoins them."""
        first = min([first_year, *(closure.first_day.year - 1 for closure in self.closures)])
        last = max([last_year, *(closure.last_day.year + 1 for closure in self.closures)])
        years = range(first, last + 1)
        days = list(self.closures)
        if self.observed:
            days += [closure for year in years for closure in house_closures(year)]
        if self.summer is not None:
            days += [self.summer.of_year(year) for year in years]
        return _merge(days, self.timezone)


@lru_cache(maxsize=256)
def house_closures(year: int) -> tuple[Closure, Closure]:
    """Give the closures that every year brings (DESIGN, "Paused"): Thanksgiving, and the break begun in that year.

    Thanksgiving is its Thursday and the Friday after. The winter break is the last two weeks of December, from the
    18th on, to the day before the first working day of January: a weekday that is no federal holiday, observed ones
    among them. The law is short (5 U.S.C. 6103, Executive Order 11582), and a library that knows every country's takes
    half a second and 27 MB of each process that asks it: a test holds this to one.
    """
    november = date(year, 11, 1)
    thursday = november + _DAY * ((3 - november.weekday()) % 7 + 21)  # the fourth one
    new_year = date(year + 1, 1, 1)
    observed = new_year + _DAY if new_year.weekday() == 6 else new_year  # that of a Sunday is observed on the Monday
    reopening = observed + _DAY
    while reopening.weekday() >= 5:  # Saturday or Sunday
        reopening += _DAY
    return (
        Closure(THANKSGIVING, thursday, thursday + _DAY),
        Closure(WINTER_BREAK, date(year, 12, 18), reopening - _DAY),
    )


def _merge(days: Iterable[Closure], timezone: str) -> list[Pause]:
    merged: list[Pause] = []
    for closure in sorted(days, key=lambda closure: (closure.first_day, closure.last_day, closure.name)):
        if merged and closure.first_day <= merged[-1].reopens_on:
            last = merged[-1]
            names = last.names if closure.name in last.names else (*last.names, closure.name)
            merged[-1] = replace(last, names=names, last_day=max(last.last_day, closure.last_day))
        else:
            merged.append(Pause((closure.name,), closure.first_day, closure.last_day, timezone))
    return merged


def _day(year: int, month_and_day: str) -> date:
    month, day = map(int, month_and_day.split("-"))
    return date(year, month, min(day, monthrange(year, month)[1]))


def _midnight(day: date, timezone: str) -> datetime:
    """Give the first instant of a day, in UTC; where clocks skip midnight, the instant in which they do."""
    return datetime.combine(day, time.min, ZoneInfo(timezone)).astimezone(UTC)
