"""What a district is told about its pauses (pure): a week ahead, when one begins, and when it is over."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from schemas.events import Notice
from services.guard.calendar import Calendar, Pause

AHEAD = timedelta(days=7)
LATE = timedelta(days=3)
"""How long after a pause it is still said that it is over, by a scheduler that was down when it ended."""

PauseCode: TypeAlias = Literal["pause-ahead", "pause-begun", "pause-over"]


def near_pauses(calendar: Calendar, now: datetime) -> list[Pause]:
    """Give every pause about which there may be something to say now, and perhaps others."""
    years = sorted({moment.year for moment in (now - LATE - timedelta(days=1), now, now + AHEAD + timedelta(days=1))})
    return list(dict.fromkeys(pause for year in years for pause in calendar.pauses_of_year(year)))


def pause_notices(district: str, registered_at: datetime, pauses: Iterable[Pause], now: datetime) -> Iterator[Notice]:
    """Give what there is to say to the district now, the same at every turn until there is something else to say.

    Each pause is its days: one whose days have changed is another one, so that whoever was told the old days is told
    the new ones. Of a pause that ended before the district was registered nothing is said.
    """
    for pause in pauses:
        code = _code(pause, now)
        if code is None or pause.ends_at <= registered_at:
            continue
        yield Notice(
            district=district,
            code=code,
            subject_id=f"pause-{pause.first_day.isoformat()}-{pause.last_day.isoformat()}",
            text=_text(code, pause),
            noticed_at=now,
        )


def _code(pause: Pause, now: datetime) -> PauseCode | None:
    if pause.begins_at - AHEAD <= now < pause.begins_at:
        return "pause-ahead"
    if pause.begins_at <= now < pause.ends_at:
        return "pause-begun"
    if pause.ends_at <= now < pause.ends_at + LATE:
        return "pause-over"
    return None


def _text(code: PauseCode, pause: Pause) -> str:
    goes_on = _day(pause.ends_at.astimezone(ZoneInfo(pause.timezone)).date())
    zone = f"days in {pause.timezone.replace('_', ' ')} time"
    match code:
        case "pause-ahead":
            days = f"from {_day(pause.first_day)} to {_day(pause.last_day)}, both included"
            return f"Roster updates will pause for {pause.name}, {days}. They go on from {goes_on} ({zone})."
        case "pause-begun":
            return f"Roster updates are paused for {pause.name}. They go on from {goes_on} ({zone})."
        case "pause-over":
            return f"The pause for {pause.name} is over. Roster updates go on from {goes_on} ({zone})."


def _day(day: date) -> str:
    return f"{day:%A}, {day.day} {day:%B %Y}"
