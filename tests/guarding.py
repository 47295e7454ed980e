"""What tests of guard share: districts, change sets as diff writes them, decisions, and waiting for their effects."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from kafka import KafkaAdminClient
from kafka.partitioner.default import murmur2

from schemas.cloudevents import decode, header
from schemas.events import (
    ChangeSetChunk,
    ChangeSetCompleted,
    ChangeSetStarted,
    Event,
    ReviewDecision,
)
from schemas.records import Student
from schemas.topics import APPROVED, CHANGES, DEAD_LETTERS, DECISIONS, Topic
from tests.change_sets import approved, updated
from tests.pipeline import Pipeline, until

E = TypeVar("E", bound=Event)


def partition_of(district: str) -> int:
    return (int(murmur2(district.encode())) & 0x7FFFFFFF) % CHANGES.partitions


DISTRICTS = [f"district-{number}" for number in range(7)]
"""More than the partitions of a topic, so that some of them share one."""

NEIGHBOUR = next(
    name for name in (f"neighbour-{n}" for n in range(100)) if partition_of(name) == partition_of(DISTRICTS[0])
)
"""A district whose messages share their partition with those of the first."""


def change_set(changed: int, existing: int = 10, *, district: str = DISTRICTS[0], chunk: int = 2) -> list[Event]:
    """The messages of a set that renames so many of so many students, as diff writes them."""
    students = [Student(f"p{n}", None, "Sam", f"Lee {n}", f"Sam Lee {n}") for n in range(changed)]
    renamed = [updated(one, Student(one.id, None, "Sam", "Moe", "Sam Moe")) for one in students]
    started, *rest = approved(district, 3, renamed, {"students": existing}, chunk)
    return [started.model_copy(update={"approval": None}), *rest]


def of_another_snapshot(events: Sequence[Event]) -> list[Event]:
    snapshot_id, sync_id = uuid.uuid4().hex, uuid.uuid4().hex
    return [
        event.model_copy(
            update={"snapshot_id": snapshot_id, **({} if isinstance(event, ChangeSetChunk) else {"sync_id": sync_id})}
        )
        for event in events
    ]


def header_of(events: Sequence[Event]) -> ChangeSetStarted:
    assert isinstance(events[0], ChangeSetStarted)
    return events[0]


def send(running: Pipeline, events: Sequence[Event]) -> ChangeSetStarted:
    """Publish the messages of a set, with a night that waits for it; give its header."""
    started = header_of(events)
    running.query(
        "INSERT INTO nights (sync_id, district, reason, state, requested_at)"
        " VALUES (%s, %s, 'night', 'comparing', now()) ON CONFLICT DO NOTHING RETURNING sync_id",
        started.sync_id,
        started.district,
    )
    for event in events:
        running.publish(CHANGES, event)
    return started


def decide(
    running: Pipeline, started: ChangeSetStarted, word: str, *, district: str | None = None, reviewer: str = "edna"
) -> ReviewDecision:
    decision = ReviewDecision(
        district=district or started.district,
        change_set=started.change_set,
        decision=cast(Any, word),
        reviewer=reviewer,
        reason="looked at it",
        decided_at=datetime.now(UTC),
    )
    running.publish(DECISIONS, decision)
    return decision


def until_state(running: Pipeline, started: ChangeSetStarted, state: str) -> None:
    until(
        f"the set is {state}",
        lambda: (
            running.query(
                "SELECT 1 FROM holds WHERE change_set = %s AND snapshot_id = %s AND state = %s",
                started.change_set,
                started.snapshot_id,
                state,
            )
            or None
        ),
    )


def until_event(running: Pipeline, topic: Topic, kind: type[E]) -> E:
    return until(f"a {kind.__name__}", lambda: next((e for e in running.events(topic) if isinstance(e, kind)), None))


def night_state(running: Pipeline, started: ChangeSetStarted) -> str:
    return str(running.query("SELECT state FROM nights WHERE sync_id = %s", started.sync_id)[0][0])


def whole_on(running: Pipeline, topic: Topic, started: ChangeSetStarted) -> ChangeSetStarted | None:
    """Give the header of the set on a topic, if the set is whole there by now, however often its parts came."""
    mine = [
        e
        for e in running.events(topic)
        if isinstance(e, ChangeSetStarted | ChangeSetChunk | ChangeSetCompleted)
        and (e.change_set, e.snapshot_id) == (started.change_set, started.snapshot_id)
    ]
    headers = [index for index, e in enumerate(mine) if isinstance(e, ChangeSetStarted)]
    if not headers or not isinstance(mine[-1], ChangeSetCompleted):
        return None
    chunks = [e.chunk for e in mine[headers[-1] :] if isinstance(e, ChangeSetChunk)]
    assert sorted(chunks) == list(range(1, started.chunks + 1)), "what ends with a completion is whole"
    return cast(ChangeSetStarted, mine[headers[-1]])


def until_whole(running: Pipeline, topic: Topic, started: ChangeSetStarted) -> ChangeSetStarted:
    return until(f"the set of {started.district} is on {topic.name}", lambda: whole_on(running, topic, started))


def until_approved(running: Pipeline, started: ChangeSetStarted) -> ChangeSetStarted:
    return until_whole(running, APPROVED, started)


def until_night(running: Pipeline, started: ChangeSetStarted, state: str) -> None:
    until(f"the night is {state}", lambda: night_state(running, started) == state or None)


def dead_letters(running: Pipeline, number: int) -> list[Any]:
    def look() -> list[Any] | None:
        letters = running.messages(DEAD_LETTERS)
        return letters if len(letters) >= number else None

    return until(f"{number} dead letters", look)


@contextmanager
def stalled_at(running: Pipeline, state: str) -> Iterator[None]:
    """Stop the guard at the very statement that would bring a hold to this state, for as long as this lasts."""
    with stalled_when(running, ("holds", f"NEW.state = '{state}'")):
        yield


@contextmanager
def stalled_when(running: Pipeline, *rows: tuple[str, str]) -> Iterator[None]:
    """Stop the guard at every statement that would write such a row: the table, and what is true of the row."""
    with running.connect() as connection:
        connection.execute(
            "CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_advisory_xact_lock(4); RETURN NEW; END $$"
        )
        for number, (table, condition) in enumerate(rows):
            connection.execute(
                f"CREATE TRIGGER stall_{number} BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW"
                f" WHEN ({condition}) EXECUTE FUNCTION stall()".encode()
            )
        connection.execute("SELECT pg_advisory_lock(4)")
        try:
            yield
        finally:
            connection.execute("SELECT pg_advisory_unlock(4)")


def until_stalled(running: Pipeline, places: int = 1) -> None:
    until(
        f"the guard stalls in {places} places",
        lambda: (
            running.query(
                "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
                " WHERE locktype = 'advisory' AND objid = 4 AND NOT granted AND datname = current_database()"
                " HAVING count(*) >= %s",
                places,
            )
            or None
        ),
    )


def until_guards(running: Pipeline, number: int) -> None:
    """Wait until so many guards share the partitions among them."""
    group = f"{running.prefix}rollcall.guard"

    def look() -> bool | None:
        with closing(KafkaAdminClient(bootstrap_servers=running.kafka)) as admin:
            told = admin.describe_groups([group])[group]
        return True if told["group_state"] == "Stable" and len(told["members"]) == number else None

    until(f"{number} guards share the work", look, 60)


def distinct(running: Pipeline, topic: Topic, kind: type[E], *change_sets: str) -> dict[str, E]:
    """Give what is told of a kind about these sets, by the event's id: what is delivered twice is one."""
    found: dict[str, E] = {}
    for message in running.messages(topic):
        event = decode(topic, message.headers, message.value)
        if isinstance(event, kind) and getattr(event, "change_set", None) in change_sets:
            found[str(header(message.headers, "ce_id"))] = event
    return found
