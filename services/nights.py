"""The nights: one row a sync in the accounts database, from being asked for to its end.

Each worker moves the row on from the states it may follow; a statement that finds another state changes nothing, so
that a message delivered again, or late, never turns a night back.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

import psycopg
from psycopg.rows import class_row

from schemas.events import SyncRequested
from schemas.topics import SYNC_REQUESTS
from services.database.queries import Queries
from services.outbox import INSERT as OUTBOX_INSERT
from services.outbox import outbox_row

QUERIES = Queries("services", "nights.sql")

NightState: TypeAlias = Literal[
    "requested",
    "pulling",
    "comparing",
    "held",
    "approved",
    "applied",
    "unchanged",
    "rejected",
    "superseded",
    "failed",
]

ENDED: frozenset[NightState] = frozenset({"held", "applied", "unchanged", "rejected", "superseded", "failed"})


@dataclass(frozen=True, slots=True)
class Night:
    """A sync as the `nights` table has it; `counts`, `pulled` and `defects` are JSON as the events carry them."""

    sync_id: str
    district: str
    reason: str
    state: NightState
    requested_at: datetime
    pulling_at: datetime | None
    finished_at: datetime | None
    pulled: dict[str, int]
    snapshot_id: str | None
    change_set: str | None
    roster_version: int | None
    counts: dict[str, Any] | None
    reasons: list[dict[str, Any]]
    defects: dict[str, int]
    failure_code: str | None
    failure_text: str | None
    followed_by: str | None


def request_sync(connection: psycopg.Connection[Any], request: SyncRequested, source: str) -> bool:
    """Ask for a sync: write its night and the request to publish, in the transaction that is open or one of its own.

    Gives False, and does nothing, where this very sync has been asked for before.
    """
    with connection.transaction():
        row = connection.execute(
            QUERIES["request"],
            {
                "sync_id": request.sync_id,
                "district": request.district,
                "reason": request.reason,
                "requested_at": request.requested_at,
            },
        ).fetchone()
        if row is None:
            return False
        connection.execute(
            OUTBOX_INSERT,
            outbox_row(
                SYNC_REQUESTS,
                "dev.rollcall.sync.requested.v1",
                request,
                key=request.district,
                source=source,
                identity=(request.sync_id,),
                correlation_id=request.sync_id,
            ),
        )
    return True


def night(connection: psycopg.Connection[Any], sync_id: str) -> Night | None:
    """Give one night, or None where nobody asked for it."""
    with connection.cursor(row_factory=class_row(Night)) as cursor:
        return cursor.execute(QUERIES["one"], {"sync_id": sync_id}).fetchone()


def last_nights(connection: psycopg.Connection[Any]) -> list[Night]:
    """Give the newest night of each district that has had one, by district."""
    with connection.cursor(row_factory=class_row(Night)) as cursor:
        return cursor.execute(QUERIES["last_of_each_district"]).fetchall()
