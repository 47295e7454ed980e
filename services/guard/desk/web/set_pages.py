"""A held set: why it is held, what it would do, every change of it, and what became of it."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

import psycopg
from fastapi import APIRouter, Form, HTTPException, Query, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict

from schemas.events import Operation
from schemas.records import RecordKind
from services.clock import now
from services.guard.desk import read_model
from services.guard.desk.answers import DecisionShown, HeldSetShown
from services.guard.desk.web.charts import history_chart, school_rows
from services.guard.desk.web.labels import district_labels
from services.guard.desk.web.plain_words import MANY, OP_WORDS, removed_in_the_week
from services.guard.desk.web.visit import SentForm, SignedIn

router = APIRouter()
PAGE_SIZE = 50
NIGHTS_SHOWN = 30
GUARD_ANSWERS_WITHIN = timedelta(seconds=15)
"""Where a decision is not answered for longer, guard is not running, and the page says so."""


def _chosen(value: object) -> object:
    """A filter left at 'all' comes as an empty text."""
    return value or None


class Filters(BaseModel):
    """Which of a set's changes are looked at; all of it is in the page's address."""

    model_config = ConfigDict(frozen=True)

    op: Annotated[Operation | None, BeforeValidator(_chosen)] = None
    kind: Annotated[RecordKind | None, BeforeValidator(_chosen)] = None
    school: Annotated[str | None, BeforeValidator(_chosen)] = None
    search: str = ""
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1

    def query(self, **changed: object) -> str:
        """Give the query of this page's address, with some of it changed."""
        chosen = {**self.model_dump(), **changed}
        return urlencode({name: value for name, value in chosen.items() if value not in {None, "", 1}})

    def described(self) -> str:
        """Say in words what is looked at, without what was searched for."""
        parts = [f"page {self.page} of {MANY[self.kind] if self.kind else 'all changes'}"]
        if self.op:
            parts.append(OP_WORDS[self.op])
        if self.school:
            parts.append(f"school {self.school}")
        if self.search:
            parts.append("searched")
        return ", ".join(parts)


def held_set_or_404(connection: psycopg.Connection[object], change_set: str) -> HeldSetShown:
    """Give the held set. Raises HTTPException 404."""
    found = read_model.held_set(connection, change_set)
    if found is None:
        raise HTTPException(404, "No held set has this id. It may have been removed, or the address mistyped.")
    return found


@router.get("/sets/{change_set}")
def held_set(visit: SignedIn, change_set: str, filters: Annotated[Filters, Query()]) -> Response:
    """Show a held set. Where names are shown, this look is on record before the page is sent."""
    names = visit.session.shows_names(change_set)
    with visit.desk.snapshot() as connection:
        held = held_set_or_404(connection, change_set)
        if names:
            read_model.record_look(connection, visit.reviewer.email, change_set, filters.described())
        found = read_model.changes(
            connection,
            change_set,
            op=filters.op,
            kind=filters.kind,
            school=filters.school,
            search=filters.search.strip(),
            page=filters.page,
            size=PAGE_SIZE,
            names=names,
        )
        decisions = read_model.decisions(connection, change_set)
        nights = read_model.history(connection, held.district, NIGHTS_SHOWN)
        label = district_labels(connection).of(held.district)
    return visit.page(
        "held_set.html",
        held=held,
        label=label,
        schools=school_rows(held.by_school),
        found=found,
        filters=filters,
        names=names,
        decisions=decisions,
        **_outcome(held, decisions),
        nights=nights,
        chart=history_chart(nights, visit.desk.limit_percent),
        left_before=removed_in_the_week(nights, held.held_at),
    )


def _outcome(held: HeldSetShown, decisions: Sequence[DecisionShown]) -> dict[str, Any]:
    """Give whether guard is late with its answer, and what the outcome is known by: another one is told anew."""
    last = decisions[-1] if decisions else None
    late = last is not None and last.answer == "waiting" and now() - last.decided_at > GUARD_ANSWERS_WITHIN
    about = (held.state, held.loaded, held.ended_at, held.applied_at, held.afresh_at, held.awaits, decisions, late)
    return {"late": late, "seen": hashlib.blake2b(repr(about).encode(), digest_size=8).hexdigest()}


@router.get("/sets/{change_set}/outcome")
def outcome(visit: SignedIn, change_set: str, seen: str = "") -> Response:
    """Show what has become of a set; the open page asks for this part again until it is settled."""
    with visit.desk.snapshot() as connection:
        held = held_set_or_404(connection, change_set)
        decisions = read_model.decisions(connection, change_set)
        label = district_labels(connection).of(held.district)
    if not visit.is_refresh:
        return visit.go_to(f"/sets/{change_set}")
    known = _outcome(held, decisions)
    if seen == known["seen"]:
        return Response(status_code=204)
    return visit.page("outcome.html", held=held, label=label, decisions=decisions, **known)


@router.post("/sets/{change_set}/names")
def show_names(
    visit: SentForm,
    change_set: str,
    shown: Annotated[bool, Form()],
    query: Annotated[str, Form()] = "",
    place: Annotated[int | None, Form()] = None,
) -> Response:
    """Show this set's names for a while, or hide them; each page that shows them is recorded as a look."""
    session = visit.session.with_names(change_set, shown=shown)
    back = f"?{query}#changes" if place is None else f"/changes/{place}"
    return visit.go_to(f"/sets/{change_set}{back}", session)
