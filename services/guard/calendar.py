"""When a district pauses: Thanksgiving, the winter break, closures of the offices, its summer (pure).

Days are those of the district's own time zone. A pause begins at the midnight before its first day and ends at the
midnight after its last, whatever the clocks do in between. Pauses that overlap or adjoin are one, with all names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Closure:
    """Days on which the offices are closed, both included."""

    name: str
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class Summer:
    """A pause that a district asks for every summer, both days included; they are 'MM-DD'."""

    first_day: str
    last_day: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Days on which nothing is applied, both included, in a time zone."""

    names: tuple[str, ...]
    first_day: date
    last_day: date
    timezone: str

    @property
    def name(self) -> str:
        """All its names in one, such as 'Thanksgiving and Founders Day'."""
        return " and ".join(self.names)

    @property
    def begins_at(self) -> datetime:
        """The first instant of its first day, in UTC."""
        return _midnight(self.first_day, self.timezone)

    @property
    def ends_at(self) -> datetime:
        """The first instant after its last day, in UTC: work goes on from here."""
        return _midnight(self.last_day + timedelta(days=1), self.timezone)


@dataclass(frozen=True, slots=True)
class Calendar:
    """A district's calendar: its time zone, the closures that hold for it, and its summer if it asked for one."""

    timezone: str
    closures: Sequence[Closure] = ()
    summer: Summer | None = None

    def pause_at(self, now: datetime) -> Pause | None:
        """Give the pause that the instant lies in, or None."""
        return None

    def next_pause(self, now: datetime) -> Pause | None:
        """Give the first pause that begins after the instant."""
        return None

    def pauses_of_year(self, year: int) -> list[Pause]:
        """Give the pauses with a day in the year, in order."""
        return []


def _midnight(day: date, timezone: str) -> datetime:
    return datetime.combine(day, time.min, ZoneInfo(timezone)).astimezone(UTC)
