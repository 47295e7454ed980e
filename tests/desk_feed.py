"""The desk's feed without Kafka: what a test delivers is what the topics carry."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from schemas.events import (
    Change,
    ChangeSetStarted,
    Event,
    Reason,
    RosterSynced,
    SnapshotCompleted,
    SnapshotStarted,
)
from schemas.records import Student
from schemas.topics import CHANGES, SNAPSHOTS, UPDATES, Topic
from services.database.connect import connect, with_role
from services.dead_letters import DeadLetters
from services.guard.desk import read_model
from services.guard.desk.feed import FeedLane
from services.messages import Message, Publisher, make_event
from services.topics import create_topics
from tests.change_sets import approved, removed

NOW = datetime.now(UTC)


class Desk:
    """The feed without Kafka: what a test delivers is what the topics carry."""

    def __init__(self, pool: ConnectionPool[Any], connection: psycopg.Connection[Any], letters: DeadLetters) -> None:
        self.connection = connection
        self._lane = FeedLane(pool, letters)
        self._offset = 0

    def deliver(self, topic: Topic, *events: Event, sync_id: str | None = None, cause: str | None = None) -> None:
        """Deliver events in order, at the next offsets of their topic."""
        batch = []
        for event in events:
            self._offset += 1
            correlation = sync_id or getattr(event, "sync_id", None)
            wrapped = make_event(
                topic, event, source="tests", identity=(self._offset,), correlation_id=correlation, causation_id=cause
            )
            key = event.district.encode()
            batch.append(Message(topic, 0, self._offset, key, wrapped.value(), wrapped.headers()))
        assert self._lane.take(batch) == self._offset

    def take(self, message: Message) -> None:
        """Deliver one message as it is."""
        self._lane.take([message])


class NoLetters(DeadLetters):
    """For tests of which nothing may become a dead letter."""

    def __init__(self) -> None:
        """It has no producer."""

    def put(self, message: Message, reason: str) -> None:
        raise AssertionError(reason)


@contextmanager
def open_desk(database: str, letters: DeadLetters | None = None) -> Iterator[Desk]:
    """Give the feed and a reader's connection."""
    address = with_role(database, "rollcall_desk")
    with (
        ConnectionPool(address, kwargs={"autocommit": True}, min_size=1, max_size=2) as pool,
        connect(database, "rollcall_desk") as connection,
    ):
        yield Desk(pool, connection, letters or NoLetters())


def publisher_on(kafka: str, topic_prefix: str) -> Iterator[Publisher]:
    """Give a producer on topics that are there."""
    create_topics(kafka, topic_prefix)
    publisher = Publisher(kafka, topic_prefix, "tests")
    yield publisher
    publisher.close()


def student(number: int, school: str = "lincoln", **fields: Any) -> Student:
    """Give a student whose name must not be seen."""
    return Student(
        id=f"student-{number:04}", email=None, given="Ana", family="Lovelace", display_name="Ana L", schools=(school,),
        **fields,
    )  # fmt: skip


def held(district: str, changes: Sequence[Change], *, chunk: int = 50, **header: Any) -> list[Event]:
    """Give the messages of a held set; `header` are further fields of its header."""
    started, *rest = approved(district, 3, changes, {"students": 100}, chunk)
    assert isinstance(started, ChangeSetStarted)
    reason = Reason(code="too-large", kind="students", text="90% of students would change", limit=50)
    held_by = {"approval": None, "held_by": "policy", "reasons": (reason,)}
    return [started.model_copy(update={**held_by, **header}), *rest]


def header_of(events: Sequence[Event]) -> ChangeSetStarted:
    """Give the header of a set's messages."""
    assert isinstance(events[0], ChangeSetStarted)
    return events[0]


def leaving(first: int, last: int, school: str = "lincoln") -> list[Change]:
    """Give the changes by which students leave."""
    return [removed(student(number, school)) for number in range(first, last)]


def all_pages(desk: Desk, change_set: str, **filters: Any) -> list[tuple[str, str]]:
    """Page through everything; give operation and id of each change."""
    found: list[tuple[str, str]] = []
    for number in itertools.count(1):
        page = read_model.changes(desk.connection, change_set, page=number, size=7, **filters)
        found += [(change.op, change.id) for change in page.changes]
        if number >= page.pages:
            assert len(found) == page.total
            return found
    raise AssertionError("pages do not end")


def whole_night(district: str, sync_id: str) -> dict[str, tuple[Topic, Event]]:
    """Give what the topics tell of a night that was applied."""
    about: dict[str, Any] = {"district": district, "sync_id": sync_id, "snapshot_id": sync_id}
    started = approved(district, 3, leaving(0, 4), {"students": 100})[0]
    synced = RosterSynced(
        district=district, sync_id=sync_id, change_set="0" * 32, roster_version=4, updates=4, totals={"students": 96},
        digest="0" * 32, synced_at=NOW,
    )  # fmt: skip
    return {
        "started": (SNAPSHOTS, SnapshotStarted(**about, provider="clever", started_at=NOW - timedelta(minutes=3))),
        "completed": (
            SNAPSHOTS,
            SnapshotCompleted(
                **about,
                pages=1,
                records={"students": 96},
                proofs=(),
                defects={},
                completed_at=NOW - timedelta(minutes=2),
            ),
        ),
        "compared": (CHANGES, started.model_copy(update={**about, "started_at": NOW - timedelta(minutes=1)})),
        "synced": (UPDATES, synced),
    }
