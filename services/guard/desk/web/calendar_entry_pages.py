"""Adding to the calendar and taking back: what an entry would hold is shown before it is saved; operators only."""

from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Form, HTTPException, Response

from schemas.records import KINDS
from services.clock import now
from services.database.queries import Queries
from services.guard.calendar import Calendar, Closure
from services.guard.desk.foresight import nights_on, would_hold
from services.guard.desk.web.calendar_forms import Entry, NewExpected, NewPause, Reading, Typed, What
from services.guard.desk.web.labels import (
    Labels,
    calendars,
    closures,
    district_labels,
    expected_changes,
    summers,
)
from services.guard.desk.web.plain_words import day_of_years, days_in_words, expected_in_words, would_hold_in_words
from services.guard.desk.web.visit import Operating, SentEntry, Visit
from services.ingest.schedule import Window

router = APIRouter()
QUERIES = Queries("services.guard.desk.web", "calendar_entries.sql")


@router.get("/calendar/add/{what}")
def new_entry(visit: Operating, what: What, district: str = "") -> Response:
    """Ask for the entry."""
    with visit.desk.snapshot() as connection:
        labels = district_labels(connection)
    return _form(visit, what, labels, Typed(district=district))


@router.post("/calendar/add/{what}")
def entry_sent(  # noqa: PLR0917 - each is a field of the form
    visit: SentEntry,
    what: What,
    district: Annotated[str, Form()] = "",
    name: Annotated[str, Form(max_length=200)] = "",
    first_day: Annotated[str, Form()] = "",
    last_day: Annotated[str, Form()] = "",
    kinds: Annotated[list[str] | None, Form()] = None,
    percent: Annotated[str, Form()] = "",
    reason: Annotated[str, Form(max_length=2000)] = "",
    seen: Annotated[str, Form()] = "",
) -> Response:
    """Show what the entry would hold; save it once exactly this was shown."""
    typed = Typed(district, name, first_day, last_day, tuple(kinds or ()), percent, reason)
    at = now()
    with visit.desk.snapshot() as connection:
        labels = district_labels(connection)
        reading = Reading(typed, labels)
        entry = reading.entry(what)
        if entry is None:
            return _form(visit, what, labels, typed, wrong=reading.wrong)
        if seen != typed.digest:
            text = _foresight(entry, labels, calendars(connection, labels), visit.desk.window, at)
            return _form(visit, what, labels, typed, foresight=text)
    with visit.desk.connection() as connection:
        _save(connection, visit.reviewer.id, entry, at)
    return visit.go_to(f"/calendar/{_first_day(entry, at).year}?saved={what}")


@router.get("/calendar/remove/{what}/{key}")
def removal(visit: Operating, what: What, key: str) -> Response:
    """Ask once before an entry is removed."""
    with visit.desk.snapshot() as connection:
        labels = district_labels(connection)
        about = _described(connection, labels, what, key)
    if about is None:
        raise HTTPException(404, "This entry is not in the calendar any more.")
    return visit.page("calendar_remove.html", what=what, key=key, about=about)


@router.post("/calendar/remove/{what}/{key}")
def removed(visit: SentEntry, what: What, key: str) -> Response:
    """Remove an entry."""
    about = {"reviewer": visit.reviewer.id, "key": key, "at": now()}
    with visit.desk.connection() as connection:
        row = connection.execute(QUERIES[f"remove_{what}"], about).fetchone()
    if row != (True,):
        raise HTTPException(404, "This entry is not in the calendar any more.")
    return visit.go_to("/calendar?saved=removed")


def _form(
    visit: Visit,
    what: What,
    labels: Labels,
    typed: Typed,
    *,
    wrong: dict[str, str] | None = None,
    foresight: str | None = None,
) -> Response:
    return visit.page(
        "calendar_add.html",
        status=422 if wrong else 200,
        what=what,
        kinds=KINDS,
        districts=labels.all,
        typed=typed,
        wrong=wrong or {},
        foresight=foresight,
        usual_limit=visit.desk.limit_percent,
    )


def _foresight(entry: Entry, labels: Labels, known: dict[str | None, Calendar], window: Window, at: datetime) -> str:
    if isinstance(entry, NewExpected):
        label = labels.of(entry.district)
        nights = nights_on(label.scheduled, entry.first_day, entry.last_day, window, at)
        return expected_in_words(entry.kinds, entry.percent, nights, label.name)
    chosen = [one for one in labels.all if one.has_nights and entry.district in {None, one.district}]
    usual = known[None]
    districts = [(one.scheduled, known.get(one.district) or replace(usual, timezone=one.timezone)) for one in chosen]
    pause = entry.closure if isinstance(entry, NewPause) else entry.summer.of_year(_first_day(entry, at).year)
    whose = labels.of(entry.district).name if entry.district is not None else None
    held = would_hold(pause, _without_summer(entry, districts), window, at)
    return would_hold_in_words(held, whose, None if isinstance(entry, NewPause) else pause.first_day.year)


def _without_summer(entry: Entry, districts: list[Any]) -> list[Any]:
    """A new summer takes the place of the one that the district has."""
    if isinstance(entry, NewPause):
        return districts
    return [(district, replace(calendar, summer=None)) for district, calendar in districts]


def _first_day(entry: Entry, at: datetime) -> date:
    """Of a summer: that of this year, or of the next where this year's is over."""
    if isinstance(entry, NewPause):
        return entry.closure.first_day
    if isinstance(entry, NewExpected):
        return entry.first_day
    this_year: Closure = entry.summer.of_year(at.year)
    return this_year.first_day if this_year.last_day >= at.date() else entry.summer.of_year(at.year + 1).first_day


def _save(connection: psycopg.Connection[Any], reviewer: str, entry: Entry, at: datetime) -> None:
    about: dict[str, Any] = {"reviewer": reviewer, "district": entry.district, "at": at}
    if isinstance(entry, NewPause):
        days = {"first_day": entry.closure.first_day, "last_day": entry.closure.last_day}
        connection.execute(QUERIES["add_closure"], {**about, **days, "name": entry.closure.name})
    elif isinstance(entry, NewExpected):
        days = {"first_day": entry.first_day, "last_day": entry.last_day}
        limits = {"kinds": list(entry.kinds), "percent": entry.percent, "reason": entry.reason}
        connection.execute(QUERIES["add_expected_changes"], {**about, **days, **limits})
    else:
        summer = {"first_day": entry.summer.first_day, "last_day": entry.summer.last_day}
        connection.execute(QUERIES["put_summer"], {**about, **summer})


def _described(connection: psycopg.Connection[Any], labels: Labels, what: What, key: str) -> str | None:
    """Say what would be removed; None where there is no such entry."""
    if what == "pause":
        for one in closures(connection):
            if str(one.id) == key:
                whose = labels.of(one.district).name if one.district is not None else "every district"
                return f"the pause of {whose}, {one.name}, {days_in_words(one.first_day, one.last_day)}"
    elif what == "expected":
        for change in expected_changes(connection, None):
            if str(change.id) == key:
                days = days_in_words(change.first_day, change.last_day)
                return f"the limit of {change.percent}% for {change.kind} of {labels.of(change.district).name}, {days}"
    elif (summer := summers(connection).get(key)) is not None:
        days = f"{day_of_years(summer.first_day)} to {day_of_years(summer.last_day)}"
        return f"the summer of {labels.of(key).name}, {days} of every year"
    return None
