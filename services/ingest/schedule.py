"""When each district's night is (pure): every weeknight, in its own time zone, spread over the night's window."""

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from schemas.events import SyncRequested

CAUGHT_UP_AFTER = timedelta(hours=1)
"""A night asked for later than this after its time was missed, and is being caught up."""

_FRIDAY = 4
_NIGHTS_BACK = 5  # Friday's night is the newest one until Monday's time comes, on Tuesday at the latest


@dataclass(frozen=True, slots=True)
class Window:
    """The night: it begins at the full hour `starts`, district time, and has syncs for `hours` hours."""

    starts: int
    hours: int


@dataclass(frozen=True, slots=True)
class ScheduledDistrict:
    """A district on the districts plan: others have no nights. Nights before `registered_at` were never its own."""

    district: str
    timezone: str
    registered_at: datetime


def night_time(district: ScheduledDistrict, night: date, window: Window) -> datetime:
    """Give the moment, in UTC, of the district's sync in the night that begins on this date.

    The same district has the same place in every window. Where clocks go forward over the window's start, or pass it
    twice, the first moment counts; from there on real hours do, so that each night has exactly one moment.
    """
    starts = datetime.combine(night, time(window.starts), ZoneInfo(district.timezone)).astimezone(UTC)
    place = int.from_bytes(hashlib.blake2b(district.district.encode(), digest_size=8).digest())
    return starts + timedelta(seconds=place % (window.hours * 3600))


def night_sync_id(district: str, night: date) -> str:
    """Give the sync id of a district's night, so that however often it is asked for it is one sync."""
    return f"night-{night.isoformat()}-{district}"


def due(
    districts: Iterable[ScheduledDistrict], asked_for: Collection[str], now: datetime, window: Window
) -> Iterator[SyncRequested]:
    """Give the syncs that are due and not yet asked for: of each district the newest night whose moment has come.

    So of several nights that were missed only the newest is caught up. `asked_for` are sync ids.
    """
    for district in districts:
        night = _newest_night(district, now, window)
        if night is None:
            continue
        moment = night_time(district, night, window)
        sync_id = night_sync_id(district.district, night)
        if moment >= district.registered_at and sync_id not in asked_for:
            yield SyncRequested(
                district=district.district,
                sync_id=sync_id,
                reason="night" if now - moment <= CAUGHT_UP_AFTER else "caught up",
                requested_at=now,
            )


def _newest_night(district: ScheduledDistrict, now: datetime, window: Window) -> date | None:
    today = now.astimezone(ZoneInfo(district.timezone)).date()
    for back in range(_NIGHTS_BACK):
        night = today - timedelta(days=back)
        if night.weekday() <= _FRIDAY and night_time(district, night, window) <= now:
            return night
    return None
