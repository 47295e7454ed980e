"""What the topics tell of a district's nights, each event in its own part of the night's row."""

from datetime import datetime
from typing import TypeVar

from psycopg.types.json import Jsonb

from schemas.cloudevents import decode
from schemas.events import (
    ChangeSetStarted,
    Event,
    Notice,
    RosterSynced,
    RosterUpdate,
    SnapshotAborted,
    SnapshotCompleted,
    SnapshotStarted,
    SyncRequested,
)
from schemas.records import School
from services.database.queries import Queries
from services.guard.desk.read_model import Connection
from services.messages import Message

QUERIES = Queries("services.guard.desk", "feed.sql")

FORGOTTEN_AT_ONCE = 5_000

E = TypeVar("E", bound=Event)


def read(message: Message, event_type: type[E]) -> E:
    """Give the message's event. Raises UnreadableMessageError."""
    event = decode(message.topic, message.headers, message.value)
    assert isinstance(event, event_type), "the handler is chosen by the type"
    return event


def tell(connection: Connection, district: str) -> None:
    """Have pages that are open look again, once the transaction is committed."""
    connection.execute(QUERIES["tell"], {"district": district})


def requested(connection: Connection, message: Message) -> None:
    """A sync has been asked for."""
    event = read(message, SyncRequested)
    connection.execute(QUERIES["requested"], event.model_dump())
    tell(connection, event.district)


def snapshot_started(connection: Connection, message: Message) -> None:
    """A pull has begun."""
    event = read(message, SnapshotStarted)
    connection.execute(QUERIES["snapshot_started"], event.model_dump())
    tell(connection, event.district)


def snapshot_completed(connection: Connection, message: Message) -> None:
    """A pull is whole."""
    event = read(message, SnapshotCompleted)
    about = {
        **event.model_dump(include={"district", "sync_id", "snapshot_id", "completed_at"}),
        "records": Jsonb(event.records),
        "proofs": Jsonb([proof.model_dump() for proof in event.proofs]),
        "defects": Jsonb(event.defects),
    }
    connection.execute(QUERIES["snapshot_completed"], about)
    tell(connection, event.district)


def snapshot_aborted(connection: Connection, message: Message) -> None:
    """A pull has failed."""
    event = read(message, SnapshotAborted)
    connection.execute(QUERIES["snapshot_aborted"], event.model_dump())
    tell(connection, event.district)


def compared(connection: Connection, message: Message) -> None:
    """What the night would change, whether it is held or not."""
    event = read(message, ChangeSetStarted)
    about = event.model_dump(include={"district", "sync_id", "change_set", "base_version", "changes", "started_at"})
    connection.execute(QUERIES["compared"], {**about, "counts": counts_of(event)})
    tell(connection, event.district)


def counts_of(event: ChangeSetStarted) -> Jsonb:
    """Give the header's counts for a column."""
    return Jsonb({kind: counts.model_dump() for kind, counts in event.counts.items()})


def synced(connection: Connection, message: Message) -> None:
    """The night has been applied, or had nothing to apply."""
    event = read(message, RosterSynced)
    about = event.model_dump(include={"district", "sync_id", "change_set", "roster_version", "updates", "synced_at"})
    connection.execute(QUERIES["synced"], {**about, "totals": Jsonb(event.totals)})
    connection.execute(QUERIES["overtaken"], about)
    tell(connection, event.district)


def school(connection: Connection, message: Message) -> None:
    """What a school is called."""
    event = read(message, RosterUpdate)
    if isinstance(event.record, School):
        about = event.model_dump(include={"district", "id", "roster_version"})
        connection.execute(QUERIES["school"], {**about, "name": event.record.name})


def notice(connection: Connection, message: Message) -> None:
    """What the district's contact is told."""
    event = read(message, Notice)
    connection.execute(QUERIES["notice"], event.model_dump())
    tell(connection, event.district)


def forget(connection: Connection, before: datetime) -> int:
    """Delete nights that began before then, some at once; give how many, and 0 once there are none left to delete.

    The newest of each district stays, and so does every night whose set was held.
    """
    return connection.execute(QUERIES["forget_nights"], {"before": before, "batch": FORGOTTEN_AT_ONCE}).rowcount
