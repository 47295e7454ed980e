"""The held change sets as the review from a terminal reads them: their rows, and the changes on `roster.held`."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from schemas.cloudevents import decode
from schemas.events import Change, ChangeSetChunk
from schemas.topics import HELD
from services.cli.failures import CommandError, WrongUsageError
from services.database.queries import Queries
from services.topic_reader import TopicReader

QUERIES = Queries("services.cli", "held_sets.sql")
SHORTEST_PREFIX = 6


@dataclass(frozen=True, slots=True)
class HeldSet:
    """A row of `holds`."""

    change_set: str
    district: str
    sync_id: str
    snapshot_id: str
    base_version: int
    counts: dict[str, Any]
    reasons: list[dict[str, Any]]
    changes: int
    chunks: int
    state: str
    held_at: datetime
    held_partition: int
    first_offset: int
    last_offset: int
    decided_by: str | None
    decision_reason: str | None
    decided_at: datetime | None
    superseded_by: str | None

    def described(self) -> dict[str, Any]:
        """Give what programs are told; where the set is stored is not their business."""
        hidden = ("held_partition", "first_offset", "last_offset", "chunks")
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
            if name not in hidden
        }


def held_sets(connection: psycopg.Connection[Any], *, decided_too: bool) -> list[HeldSet]:
    """Give the sets that wait for a person, the oldest first; and those that have waited, where asked for."""
    with connection.cursor(row_factory=class_row(HeldSet)) as cursor:
        return cursor.execute(QUERIES["all" if decided_too else "waiting"]).fetchall()


def held_set(connection: psycopg.Connection[Any], prefix: str) -> HeldSet:
    """Give the set whose id is, or alone begins with, the prefix.

    Raises WrongUsageError for a prefix that is too short, CommandError where no set or more than one begins with it.
    """
    if len(prefix) < SHORTEST_PREFIX:
        raise WrongUsageError("short-prefix", f"{prefix!r} is too short; give at least {SHORTEST_PREFIX} characters")
    with connection.cursor(row_factory=class_row(HeldSet)) as cursor:
        found = cursor.execute(QUERIES["beginning_with"], {"prefix": prefix.lower()}).fetchall()
    if not found:
        raise CommandError(
            "unknown-change-set", f"no held change set begins with {prefix!r}; `rollcall held list --all` shows them"
        )
    if len(found) > 1:
        ids = ", ".join(held.change_set for held in found)
        raise CommandError("ambiguous-change-set", f"several change sets begin with {prefix!r}: {ids}")
    return found[0]


def changes_of(held: HeldSet, topic: TopicReader) -> Iterator[Change]:
    """Give every change of the set that is on `roster.held`, each once however often its chunk was written."""
    seen: set[int] = set()
    for stored in topic.between(held.held_partition, held.first_offset, held.last_offset):
        event = decode(HELD, stored.message.headers, stored.message.value)
        if not isinstance(event, ChangeSetChunk) or event.chunk in seen:
            continue
        if (event.change_set, event.snapshot_id) == (held.change_set, held.snapshot_id):
            seen.add(event.chunk)
            yield from event.changes
