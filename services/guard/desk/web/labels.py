"""What the desk is told about districts beside the topics: their names, zones, closures, expected changes.

They are views in its own schema; the tables behind them, with addresses and credentials, stay out of its reach.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
from psycopg.rows import class_row

from schemas.records import Kind
from services.database.queries import Queries
from services.guard.calendar import Calendar, Closure, Summer
from services.guard.desk.web.plain_words import DistrictLabel

QUERIES = Queries("services.guard.desk.web", "labels.sql")


class Labels:
    """The districts' names and zones; a district that is not registered any more goes by its id, in UTC."""

    def __init__(self, labels: list[DistrictLabel]) -> None:
        self._labels = {label.district: label for label in labels}

    def of(self, district: str) -> DistrictLabel:
        """Give a district's label."""
        return self._labels.get(district) or DistrictLabel(district, district, "UTC")

    def knows(self, district: str) -> bool:
        """Tell whether the district is registered."""
        return district in self._labels

    @property
    def all(self) -> list[DistrictLabel]:
        """The registered districts, by name."""
        return sorted(self._labels.values(), key=lambda label: (label.name.casefold(), label.district))

    @property
    def usual_zone(self) -> str:
        """The time zone of the most districts, for what is about all of them."""
        zones = Counter(label.timezone for label in self._labels.values())
        return zones.most_common(1)[0][0] if zones else "UTC"


def district_labels(connection: psycopg.Connection[Any]) -> Labels:
    """Read the districts' names and zones."""
    with connection.cursor(row_factory=class_row(DistrictLabel)) as cursor:
        return Labels(cursor.execute(QUERIES["labels"]).fetchall())


@dataclass(frozen=True, slots=True)
class ExpectedChange:
    """A raised limit of one district between two days, both included."""

    id: int
    district: str
    kind: Kind
    percent: int
    first_day: date
    last_day: date
    reason: str
    added_by: str


@dataclass(frozen=True, slots=True)
class AddedClosure:
    """A closure that somebody has added; without a district it is everybody's."""

    id: int
    district: str | None
    name: str
    first_day: date
    last_day: date
    added_by: str


def expected_changes(connection: psycopg.Connection[Any], year: int | None) -> list[ExpectedChange]:
    """Give the expected changes, those with a day in the year where one is named, in order."""
    with connection.cursor(row_factory=class_row(ExpectedChange)) as cursor:
        return cursor.execute(QUERIES["expected_changes"], {"year": year}).fetchall()


def closures(connection: psycopg.Connection[Any]) -> list[AddedClosure]:
    """Give the closures that were added, in order."""
    with connection.cursor(row_factory=class_row(AddedClosure)) as cursor:
        return cursor.execute(QUERIES["closures"]).fetchall()


def summers(connection: psycopg.Connection[Any]) -> dict[str, Summer]:
    """Give the summers of the districts that asked for one."""
    return {row[0]: Summer(row[1], row[2]) for row in connection.execute(QUERIES["summers"]).fetchall()}


def calendars(connection: psycopg.Connection[Any], labels: Labels) -> dict[str | None, Calendar]:
    """Give the organisation's calendar (under None) and that of each district with entries of its own."""
    own: dict[str | None, list[Closure]] = {None: []}
    for closure in closures(connection):
        own.setdefault(closure.district, []).append(Closure(closure.name, closure.first_day, closure.last_day))
    summer_of = summers(connection)
    row = connection.execute(QUERIES["office_calendar"]).fetchone()
    observed = row is None or bool(row[0])
    found: dict[str | None, Calendar] = {None: Calendar("UTC", own[None], observed=observed)}
    for district in sorted({*summer_of, *(one for one in own if one is not None)}):
        closed = [*own[None], *own.get(district, [])]
        found[district] = Calendar(labels.of(district).timezone, closed, summer_of.get(district), observed)
    return found
