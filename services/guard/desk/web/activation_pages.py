"""A district's activation: how many have their account, by kind, school and class; on a page and as CSV."""

import csv
import hashlib
import io
from collections.abc import Iterable, Sequence
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query, Response
from pydantic import BaseModel, ConfigDict

from services.clock import now
from services.guard.desk.activation_progress import STATES, ClassProgress, Progress, Tally, progress
from services.guard.desk.conflicts import open_by_district
from services.guard.desk.web.labels import district_labels
from services.guard.desk.web.plain_words import DistrictLabel
from services.guard.desk.web.visit import SignedIn, Visit

router = APIRouter()
PAGE_SIZE = 50


class ClassFilter(BaseModel):
    """Which of a district's classes are looked at; all of it is in the page's address."""

    model_config = ConfigDict(frozen=True)

    school: str = ""
    search: str = ""
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1

    def query(self, **changed: object) -> str:
        """Give the query of this page's address, with some of it changed."""
        chosen = {**self.model_dump(), **changed}
        return urlencode({name: value for name, value in chosen.items() if value not in {"", 1}})

    def chosen(self, classes: Sequence[ClassProgress]) -> list[ClassProgress]:
        """Give the classes of the school whose name contains, or whose id begins with, what is searched for."""
        wanted = self.search.strip().casefold()
        return [
            one
            for one in classes
            if (not self.school or one.school == self.school)
            and (wanted in one.name.casefold() or one.class_id.casefold().startswith(wanted))
        ]


@router.get("/districts/{district}/activation")
def activation(
    visit: SignedIn, district: str, chosen: Annotated[ClassFilter, Query()], seen: Annotated[str, Query()] = ""
) -> Response:
    """Show the progress; a page that is open is told only what has changed."""
    found, label, conflicts = _read(visit, district)
    told = hashlib.blake2b(repr((found, conflicts)).encode(), digest_size=8).hexdigest()
    if visit.is_refresh and seen == told:
        return Response(status_code=204)
    classes = chosen.chosen(found.classes)
    first = (chosen.page - 1) * PAGE_SIZE
    return visit.page(
        "activation_live.html" if visit.is_refresh else "activation.html",
        label=label,
        found=found,
        conflicts=conflicts,
        chosen=chosen,
        classes=classes[first : first + PAGE_SIZE],
        first=first + 1,
        total=len(classes),
        more=len(classes) > first + PAGE_SIZE,
        largest=max((school.students.people for school in found.schools), default=0),
        seen=told,
    )


@router.get("/districts/{district}/activation.csv")
def as_csv(visit: SignedIn, district: str) -> Response:
    """Give the classes' counts for a spreadsheet: ids and counts, and nobody's name."""
    found, _, _ = _read(visit, district)
    text = io.StringIO(newline="")
    csv.writer(text).writerows(_rows(found.classes))
    name = f"activation-{district}-{now():%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _read(visit: Visit, district: str) -> tuple[Progress, DistrictLabel, int]:
    with visit.desk.snapshot() as connection:
        labels = district_labels(connection)
        if not labels.knows(district):
            raise HTTPException(404, "No district of this name is registered.")
        return progress(connection, district), labels.of(district), open_by_district(connection).get(district, 0)


def _rows(classes: Iterable[ClassProgress]) -> Iterable[Sequence[object]]:
    counts = [f"{kind}_{state}" for kind in ("students", "teachers") for state in ("all", *STATES)]
    yield ["school_id", "class_id", *counts]
    for one in classes:
        yield [cell(one.school), cell(one.class_id), *_counts(one.students), *_counts(one.teachers)]


def _counts(tally: Tally) -> list[int]:
    return [tally.people, *(tally.states[state] for state in STATES)]


def cell(value: str) -> str:
    """Give a provider's text as a spreadsheet may be given it: never as a formula.

    Source: OWASP, "CSV Injection": cells that begin with one of = + - @, a tab or a line end are run by spreadsheets.
    """
    return f"'{value}" if value[:1] in {"=", "+", "-", "@", "\t", "\r", "\n"} else value
