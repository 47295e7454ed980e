"""The guard's tables: how each change set was judged, which ones are held, and what was decided about them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Concatenate, Literal, ParamSpec, TypeAlias, TypeVar

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from schemas.cloudevents import event_id
from schemas.events import ChangeSetStarted, Reason, ReviewDecision, SyncRequested
from services.clock import now
from services.database.queries import Queries
from services.guard.policy import Hold, Limits, judge
from services.nights import QUERIES as NIGHTS
from services.nights import request_sync

QUERIES = Queries("services.guard")

Connection: TypeAlias = psycopg.Connection[Any]
P = ParamSpec("P")
R = TypeVar("R")


class Transactions:
    """Runs work on the accounts database, each piece in one transaction and in a thread of its own."""

    def __init__(self, pool: ConnectionPool[Connection]) -> None:
        self._pool = pool

    async def __call__(self, work: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the work and commit. Raises what the work raises, psycopg.Error among it; then nothing is written."""

        def run() -> R:
            with self._pool.connection() as connection, connection.transaction():
                return work(connection, *args, **kwargs)

        return await asyncio.to_thread(run)


@dataclass(frozen=True, slots=True)
class Judged:
    """The judgement on record: held where there are reasons. `superseded` are the change sets that gave way to it."""

    reasons: tuple[Reason, ...]
    judged_at: datetime
    superseded: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where on `roster.held` a set was written: from its header to its completion."""

    partition: int
    first_offset: int
    last_offset: int


@dataclass(frozen=True, slots=True)
class HeldSet:
    """A row of `holds`, without what only people look at."""

    change_set: str
    district: str
    sync_id: str
    snapshot_id: str
    state: Literal["held", "approved", "released", "rejected", "superseded"]
    held_partition: int
    first_offset: int
    last_offset: int
    decided_by: str | None
    decision_reason: str | None
    decided_at: datetime | None


def judge_once(connection: Connection, header: ChangeSetStarted, limits: Limits) -> Judged | None:
    """Judge a change set and let it supersede what its district has held; judged before, give that judgement.

    Gives None where the district is not registered.
    """
    row = connection.execute(QUERIES["district"], {"district": header.district}).fetchone()
    if row is None:
        return None
    judgement = judge(header, limits, setting_up=row[0])
    about: dict[str, Any] = {
        "change_set": header.change_set,
        "snapshot_id": header.snapshot_id,
        "district": header.district,
        "sync_id": header.sync_id,
        "counts": _counts(header),
        "defects": Jsonb(header.defects),
    }
    reasons = judgement.reasons if isinstance(judgement, Hold) else ()
    connection.execute(
        QUERIES["judge"], {**about, "verdict": "hold" if reasons else "pass", "reasons": _reasons(reasons)}
    )
    recorded = connection.execute(QUERIES["judgement"], about).fetchone()
    assert recorded is not None, "the judgement was written in this transaction"
    reasons_on_record, judged_at = recorded
    connection.execute(QUERIES["supersede"], {**about, "judged_at": judged_at})
    superseded = tuple(change_set for (change_set,) in connection.execute(QUERIES["superseded_by"], about))
    for change_set in superseded:
        connection.execute(NIGHTS["decided"], {"change_set": change_set, "state": "superseded"})
    connection.execute(NIGHTS["judged"], about)
    return Judged(tuple(Reason.model_validate(reason) for reason in reasons_on_record), judged_at, superseded)


def hold(connection: Connection, header: ChangeSetStarted, reasons: tuple[Reason, ...], place: Place) -> None:
    """Write that the set waits for a person; a set and snapshot that is on record already stays as it is."""
    about = {
        "change_set": header.change_set,
        "district": header.district,
        "sync_id": header.sync_id,
        "snapshot_id": header.snapshot_id,
        "base_version": header.base_version,
        "counts": _counts(header),
        "reasons": _reasons(reasons),
        "defects": Jsonb(header.defects),
        "changes": header.changes,
        "chunks": header.chunks,
        "held_partition": place.partition,
        "first_offset": place.first_offset,
        "last_offset": place.last_offset,
    }
    if connection.execute(QUERIES["hold"], about).rowcount:
        connection.execute(NIGHTS["held"], about)


def fail(connection: Connection, sync_id: str, text: str) -> None:
    """End the night of a change set that is not whole."""
    connection.execute(NIGHTS["failed"], {"sync_id": sync_id, "code": "incomplete-change-set", "text": text})


def decide(connection: Connection, decision: ReviewDecision) -> HeldSet | None:
    """Follow a decision about what is held, and give the set as it now is; whatever is not held stays as it was."""
    state = "approved" if decision.decision == "approve" else "rejected"
    about = {
        "change_set": decision.change_set,
        "district": decision.district,
        "state": state,
        "reviewer": decision.reviewer,
        "reason": decision.reason,
        "decided_at": decision.decided_at.astimezone(UTC),
    }
    if connection.execute(QUERIES["decide"], about).fetchone() is not None:
        connection.execute(NIGHTS["decided"], about)
    return read(connection, decision.change_set)


def read(connection: Connection, change_set: str) -> HeldSet | None:
    """Give a held set, or None where there never was one."""
    with connection.cursor(row_factory=class_row(HeldSet)) as cursor:
        return cursor.execute(QUERIES["one"], {"change_set": change_set}).fetchone()


def released(connection: Connection, change_set: str) -> None:
    """Write that the approved set is on `roster.approved` in full."""
    connection.execute(QUERIES["released"], {"change_set": change_set})


def expire(connection: Connection, held: HeldSet) -> None:
    """Give up an approved set that can no longer be read, and ask for a fresh sync in its place, once."""
    if connection.execute(QUERIES["expire"], {"change_set": held.change_set}).fetchone() is None:
        return
    connection.execute(NIGHTS["decided"], {"change_set": held.change_set, "state": "superseded"})
    request = SyncRequested(
        district=held.district,
        sync_id=event_id("expired", held.change_set, held.snapshot_id),
        reason="stale",
        requested_at=now(),
    )
    request_sync(connection, request, "/rollcall/guard")


def _counts(header: ChangeSetStarted) -> Jsonb:
    return Jsonb({kind: counts.model_dump() for kind, counts in header.counts.items()})


def _reasons(reasons: tuple[Reason, ...]) -> Jsonb:
    return Jsonb([reason.model_dump(exclude_none=True) for reason in reasons])
