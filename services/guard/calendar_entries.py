"""What may be meant by what people type about pauses and expected changes, at a terminal and at the desk (pure)."""

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from schemas.records import KINDS, Kind

LONGEST = timedelta(days=366)
_YEARS = range(2000, 2101)
_SUMMER = re.compile(r"(\d\d-\d\d)\.\.(\d\d-\d\d)")
_LEAP_YEAR = 2000


class EntryError(ValueError):
    """What was typed cannot be meant; the text says why, and is to stand after what it is about."""


def parse_day(text: str) -> date:
    """Read a day. Raises EntryError unless it is YYYY-MM-DD in this century."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise EntryError(f"{text!r} is not a day; write it as 2026-11-30") from None
    if day.year not in _YEARS:
        raise EntryError(f"{text!r} is not a day between {_YEARS[0]} and {_YEARS[-1]}")
    return day


def check_days(first_day: date, last_day: date, *, first: str = "the first day") -> None:
    """Raise EntryError, about the last day, unless both are in order and, both included, at most a year."""
    if last_day < first_day:
        raise EntryError(f"{last_day} is before {first}, {first_day}")
    if last_day - first_day >= LONGEST:
        raise EntryError(f"from {first_day} to {last_day} is more than a year")


def parse_summer(text: str) -> tuple[str, str]:
    """Give first and last day, 'MM-DD', of a summer written as 06-15..08-10. Raises EntryError."""
    found = _SUMMER.fullmatch(text)
    try:
        days = [date.fromisoformat(f"{_LEAP_YEAR}-{day}") for day in found.groups()] if found else []
    except ValueError:
        days = []
    if not days:
        raise EntryError(f"{text!r} is not two days of a year; write them as 06-15..08-10")
    first_day, last_day = days
    if last_day <= first_day:
        raise EntryError(f"{text!r} ends before it begins; write it as 06-15..08-10")
    return f"{first_day:%m-%d}", f"{last_day:%m-%d}"


def checked_kinds(typed: Sequence[str]) -> list[Kind]:
    """Give the kinds that were typed, each once, in the order of KINDS. Raises EntryError for what is none."""
    for kind in typed:
        if kind not in KINDS:
            raise EntryError(f"{kind!r} is none of {', '.join(KINDS)}")
    return [kind for kind in KINDS if kind in typed]


def not_blank(text: str) -> str:
    """Give the text without space around it. Raises EntryError where nothing is left."""
    stripped = text.strip()
    if not stripped:
        raise EntryError("must not be empty")
    return stripped
