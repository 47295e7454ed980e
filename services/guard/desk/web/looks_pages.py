"""Who looked at names, who decided what, and who changed the calendar: the desk's own record."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Query, Response
from psycopg.rows import class_row

from services.database.queries import Queries
from services.guard.desk.web.labels import district_labels
from services.guard.desk.web.visit import SignedIn

router = APIRouter()
QUERIES = Queries("services.guard.desk.web", "looks.sql")
PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Entry:
    """A look, a decision, or a change of the calendar; `what` says which names, the reason, or which entry.

    Without a district it is of every district. `person` is who a conflict is about, as KIND/ID.
    """

    at: datetime
    reviewer: str
    did: str
    change_set: str | None
    district: str | None
    what: str
    person: str | None


@router.get("/record")
def record(visit: SignedIn, page: Annotated[int, Query(ge=1, le=100_000)] = 1) -> Response:
    """Show looks, decisions and changes of the calendar, the newest first."""
    with visit.desk.snapshot() as connection:
        entries = _entries(connection, page)
        labels = district_labels(connection)
    more = len(entries) > PAGE_SIZE
    return visit.page("record.html", entries=entries[:PAGE_SIZE], labels=labels, number=page, more=more)


def _entries(connection: psycopg.Connection[Any], page: int) -> list[Entry]:
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(QUERIES["entries"], {"most": PAGE_SIZE + 1, "skip": (page - 1) * PAGE_SIZE}).fetchall()
