"""The guard's held change sets: which wait, for whom or for what, and how they go on."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Concatenate, Literal, ParamSpec, TypeAlias, TypeVar

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from schemas.cloudevents import event_id
from schemas.events import ChangeSetStarted, Reason, SyncRequested
from services.clock import now
from services.database.queries import Queries
from services.guard.policy import HeldBy
from services.guard.rules_rows import calendars
from services.guard.verdict import Verdict
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
class Place:
    """Where on `roster.held` a set was written: from its header to its completion."""

    partition: int
    first_offset: int
    last_offset: int


@dataclass(frozen=True, slots=True)
class HeldSet:
    """A row of `holds`.

    `paused_until` is there as long as the set waits for the end of a pause: held by that alone, or approved in it. One
    that is approved or released without `decided_by` went through by itself when its pause was over.
    """

    change_set: str
    district: str
    sync_id: str
    snapshot_id: str
    base_version: int
    content: str | None
    counts: dict[str, Any]
    reasons: list[dict[str, Any]]
    changes: int
    state: Literal["held", "approved", "released", "rejected", "superseded"]
    held_by: HeldBy
    held_at: datetime
    held_partition: int
    first_offset: int
    last_offset: int
    approvals_needed: int
    paused_until: date | None
    decided_by: str | None
    decision_reason: str | None
    decided_at: datetime | None
    decision_id: str | None


def hold(
    connection: Connection, header: ChangeSetStarted, held: Verdict, place: Place, approvals_needed: int
) -> HeldSet | None:
    """Write that the set waits, and give it as it is then; a set and snapshot that is on record stays as it is.

    Where an operator had asked to look first, that is done with. What only a pause holds leaves the wish alone: a
    person need not look before it is over.
    """
    about = {
        "change_set": header.change_set,
        "district": header.district,
        "sync_id": header.sync_id,
        "snapshot_id": header.snapshot_id,
        "base_version": header.base_version,
        "content": header.content,
        "counts": counts_json(header),
        "reasons": reasons_json(held.reasons),
        "defects": Jsonb(header.defects),
        "changes": header.changes,
        "chunks": header.chunks,
        "held_by": held.held_by,
        "quiet": held.quiet,
        "paused_until": held.paused_until,
        "approvals_needed": approvals_needed,
        "held_at": now(),
        "held_partition": place.partition,
        "first_offset": place.first_offset,
        "last_offset": place.last_offset,
    }
    if connection.execute(QUERIES["hold"], about).rowcount:
        connection.execute(NIGHTS["held"], {**about, "at": about["held_at"]})
        _looked_at(connection, header.district, held)
    return read(connection, header.change_set)


def fail(connection: Connection, sync_id: str, text: str) -> None:
    """End the night of a change set that is not whole."""
    connection.execute(
        NIGHTS["failed"], {"sync_id": sync_id, "code": "incomplete-change-set", "text": text, "at": now()}
    )


def read(connection: Connection, change_set: str, *, lock: bool = False) -> HeldSet | None:
    """Give a held set, or None where there never was one; `lock` keeps it as it is until the transaction ends."""
    with connection.cursor(row_factory=class_row(HeldSet)) as cursor:
        return cursor.execute(QUERIES["one_locked" if lock else "one"], {"change_set": change_set}).fetchone()


def released(connection: Connection, change_set: str) -> None:
    """Write that the approved set is on `roster.approved` in full."""
    connection.execute(QUERIES["released"], {"change_set": change_set})


def expire(connection: Connection, held: HeldSet, reason: Literal["stale", "pause over"] = "stale") -> None:
    """Give up an approved set that can no longer be read, and ask for a fresh sync in its place, once."""
    if connection.execute(QUERIES["expire"], {"change_set": held.change_set}).fetchone() is None:
        return
    connection.execute(NIGHTS["decided"], {"change_set": held.change_set, "state": "superseded"})
    _ask_afresh(connection, held, reason)


def after_their_pause(connection: Connection, partitions: Sequence[int]) -> list[HeldSet]:
    """Give what has waited, in these partitions of `roster.held`, for a pause that is over by now."""
    with connection.cursor(row_factory=class_row(HeldSet)) as cursor:
        waiting = cursor.execute(QUERIES["in_a_pause"], {"partitions": list(partitions)}).fetchall()
    if not waiting:
        return []
    by_district, moment = calendars(connection), now()
    return [held for held in waiting if by_district[held.district].pause_at(moment) is None]


def is_current(connection: Connection, held: HeldSet) -> bool:
    """Say whether the set was computed against the roster version that is applied."""
    row = connection.execute(QUERIES["roster_version"], {"district": held.district}).fetchone()
    return row is not None and row[0] == held.base_version


def replace_after_pause(connection: Connection, held: HeldSet) -> None:
    """Ask for a fresh sync in place of what a pause has held; until that comes the set stays where it is."""
    if connection.execute(QUERIES["replace_after_pause"], _this(held)).rowcount:
        _ask_afresh(connection, held, "pause over")


def approve_after_pause(connection: Connection, held: HeldSet) -> bool:
    """Let a set that only a pause has held go through; give False where something else became of it meanwhile."""
    return bool(connection.execute(QUERIES["approve_after_pause"], {**_this(held), "decided_at": now()}).rowcount)


def hold_after_pause(connection: Connection, held: HeldSet, fresh: Verdict) -> None:
    """Hold on what only a pause has held until now."""
    about = {
        **_this(held),
        "reasons": reasons_json(fresh.reasons),
        "held_by": fresh.held_by,
        "quiet": fresh.quiet,
        "paused_until": fresh.paused_until,
    }
    if connection.execute(QUERIES["hold_after_pause"], about).rowcount:
        connection.execute(QUERIES["night_held_on"], about)
        _looked_at(connection, held.district, fresh)


def goes_on(connection: Connection, held: HeldSet) -> None:
    """Say in its night that an approved set need not wait any longer."""
    connection.execute(QUERIES["night_goes_on"], _this(held))


def counts_json(header: ChangeSetStarted) -> Jsonb:
    """Give a header's counts as the tables have them."""
    return Jsonb({kind: counts.model_dump() for kind, counts in header.counts.items()})


def reasons_json(reasons: tuple[Reason, ...]) -> Jsonb:
    """Give reasons as the tables have them."""
    return Jsonb([reason.model_dump(exclude_none=True) for reason in reasons])


def _looked_at(connection: Connection, district: str, held: Verdict) -> None:
    if held.held_by != "pause" and any(reason.code == "look-first" for reason in held.reasons):
        connection.execute(QUERIES["looked_first"], {"district": district})


def _ask_afresh(connection: Connection, held: HeldSet, reason: Literal["stale", "pause over"]) -> None:
    request = SyncRequested(
        district=held.district,
        sync_id=event_id("expired" if reason == "stale" else reason, held.change_set, held.snapshot_id),
        reason=reason,
        requested_at=now(),
    )
    request_sync(connection, request, "/rollcall/guard")


def _this(held: HeldSet) -> dict[str, Any]:
    return {"change_set": held.change_set, "snapshot_id": held.snapshot_id, "sync_id": held.sync_id}
