"""What an operator types about the calendar: read as the command line reads it, told apart in words (pure)."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias, TypeVar

from schemas.records import Kind
from services.guard.calendar import Closure, Summer
from services.guard.calendar_entries import (
    EntryError,
    check_days,
    checked_kinds,
    not_blank,
    parse_day,
    parse_summer,
)
from services.guard.desk.web.labels import Labels

What: TypeAlias = Literal["pause", "expected", "summer"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Typed:
    """The fields of the three forms as they were typed."""

    district: str = ""
    name: str = ""
    first_day: str = ""
    last_day: str = ""
    kinds: tuple[str, ...] = ()
    percent: str = ""
    reason: str = ""

    @property
    def digest(self) -> str:
        """Give what these very words are known by, when they come back to be saved."""
        return hashlib.blake2b(repr(self).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class NewPause:
    """Days on which nothing is applied, for one district or, without one, for all."""

    district: str | None
    closure: Closure


@dataclass(frozen=True, slots=True)
class NewExpected:
    """A raised limit of one district between two days."""

    district: str
    kinds: tuple[Kind, ...]
    percent: int
    first_day: date
    last_day: date
    reason: str


@dataclass(frozen=True, slots=True)
class NewSummer:
    """The days on which one district pauses every summer."""

    district: str
    summer: Summer


Entry: TypeAlias = NewPause | NewExpected | NewSummer


class Reading:
    """Reads what was typed; `wrong` says of each field what is wrong with it, in a sentence."""

    def __init__(self, typed: Typed, labels: Labels) -> None:
        self.wrong: dict[str, str] = {}
        self._typed = typed
        self._labels = labels

    def entry(self, what: What) -> Entry | None:
        """Give the entry, or None where something is wrong."""
        entry = {"pause": self._pause, "expected": self._expected, "summer": self._summer}[what]()
        return None if self.wrong else entry

    def _pause(self) -> Entry | None:
        name = self._read("name", "The name", not_blank, self._typed.name)
        first_day, last_day = self._days()
        district = self._district() if self._typed.district else None
        if name is None or first_day is None or last_day is None:
            return None
        return NewPause(district, Closure(name, first_day, last_day))

    def _expected(self) -> Entry | None:
        district = self._district()
        kinds = self._read("kinds", "The kinds", checked_kinds, self._typed.kinds)
        if not kinds:
            self.wrong.setdefault("kinds", "Choose at least one kind.")
        percent = self._read("percent", "The limit", _parse_percent, self._typed.percent)
        first_day, last_day = self._days()
        reason = self._read("reason", "The reason", not_blank, self._typed.reason)
        if district is None or not kinds or percent is None or first_day is None or last_day is None or reason is None:
            return None
        return NewExpected(district, tuple(kinds), percent, first_day, last_day, reason)

    def _summer(self) -> Entry | None:
        district = self._district()
        typed = f"{self._typed.first_day.strip()}..{self._typed.last_day.strip()}"
        days = self._read("last_day", "The summer", parse_summer, typed)
        return NewSummer(district, Summer(*days)) if district is not None and days is not None else None

    def _district(self) -> str | None:
        if self._labels.knows(self._typed.district):
            return self._typed.district
        self.wrong["district"] = "Choose a district."
        return None

    def _day(self, field: str, called: str, typed: str) -> date | None:
        if not typed.strip():
            self.wrong[field] = f"Choose {called.lower()}."
            return None
        return self._read(field, called, parse_day, typed)

    def _days(self) -> tuple[date | None, date | None]:
        """The last day is the first one where none is typed."""
        first_day = self._day("first_day", "The first day", self._typed.first_day)
        last_day = first_day
        if self._typed.last_day:
            last_day = self._day("last_day", "The last day", self._typed.last_day)
        if first_day is not None and last_day is not None:
            self._read("last_day", "The last day", lambda days: check_days(*days), (first_day, last_day))
        return first_day, last_day

    def _read(self, field: str, called: str, parse: Callable[..., T], typed: object) -> T | None:
        try:
            return parse(typed)
        except EntryError as error:
            self.wrong[field] = f"{called} {error}." if str(error).startswith("must") else f"{called}: {error}."
            return None


def _parse_percent(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 100:
        raise EntryError(f"{text!r} is not a whole number from 0 to 100")
    return int(text)
