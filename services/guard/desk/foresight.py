"""What a new pause would hold, and when a district's next night is (pure)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from services.guard.calendar import Calendar, Closure, Pause
from services.ingest.schedule import ScheduledDistrict, Window, night_time

_DAY = timedelta(days=1)
_FRIDAY = 4


@dataclass(frozen=True, slots=True)
class WouldHold:
    """Nights that a pause would hold: so many of each of so many districts, where `fewest` and `most` may be the same.

    `already` counts the nights in it, over all districts, that other pauses hold as it is.
    """

    districts: int
    fewest: int
    most: int
    already: int


def would_hold(
    pause: Closure, districts: Iterable[tuple[ScheduledDistrict, Calendar]], window: Window, at: datetime
) -> WouldHold:
    """Count what a pause would hold of the nights that are still to come after `at`."""
    nights: list[int] = []
    already = 0
    for district, calendar in districts:
        moments = _moments(district, pause.first_day, pause.last_day, window, at)
        others = [(other.begins_at, other.ends_at) for other in _pauses(calendar, pause.first_day, pause.last_day)]
        held = sum(any(begins <= moment < ends for begins, ends in others) for moment in moments)
        already += held
        if len(moments) > held:
            nights.append(len(moments) - held)
    return WouldHold(len(nights), min(nights, default=0), max(nights, default=0), already)


def nights_on(district: ScheduledDistrict, first_day: date, last_day: date, window: Window, at: datetime) -> int:
    """Count a district's nights still to come after `at` whose moment is on these days, both included, where it is."""
    return len(_moments(district, first_day, last_day, window, at))


def next_night(district: ScheduledDistrict, at: datetime, window: Window) -> datetime:
    """Give the moment of the district's first night after `at`."""
    yesterday = at.date() - 2 * _DAY
    return next(moment for moment in _nights(district, yesterday, yesterday + 9 * _DAY, window) if moment > at)


def _moments(
    district: ScheduledDistrict, first_day: date, last_day: date, window: Window, at: datetime
) -> list[datetime]:
    """Give the moments, after `at` and on these days where the district is, of its nights."""
    days = Pause((), first_day, last_day, district.timezone)
    begins, ends = max(days.begins_at, at), days.ends_at
    return [moment for moment in _nights(district, first_day - _DAY, last_day, window) if begins <= moment < ends]


def _nights(district: ScheduledDistrict, first: date, last: date, window: Window) -> Iterator[datetime]:
    """Give the moments of the nights that begin on these dates, both included."""
    for ahead in range((last - first).days + 1):
        night = first + ahead * _DAY
        if night.weekday() <= _FRIDAY:
            yield night_time(district, night, window)


def _pauses(calendar: Calendar, first_day: date, last_day: date) -> list[Pause]:
    return [pause for year in range(first_day.year, last_day.year + 1) for pause in calendar.pauses_of_year(year)]
