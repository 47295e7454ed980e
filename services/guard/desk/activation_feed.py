"""What `roster.activations` and `roster.decisions` tell of people in conflict.

Of everybody else's activations, millions of them, nothing is kept. A person's events are in one partition, in order,
so that the offset says which of two is the newer.
"""

from datetime import datetime

from schemas.cloudevents import header
from schemas.events import ActivationChanged, ConflictResolved
from services.clock import now
from services.database.queries import Queries
from services.guard.desk.night_feed import read, tell
from services.guard.desk.read_model import Connection
from services.messages import Message

QUERIES = Queries("services.guard.desk", "activation.sql")


def conflict(connection: Connection, message: Message) -> None:
    """Somebody must say whose account it is; or what was said was not followed."""
    event = read(message, ActivationChanged)
    about = event.model_dump(include={"district", "kind", "id", "reason", "text"})
    told_at = _told_at(message)
    connection.execute(
        QUERIES["conflict"],
        {**about, "candidates": list(event.candidates), "told_at": told_at, "offset": message.offset},
    )
    tell(connection, event.district)


def settled(connection: Connection, message: Message) -> None:
    """A person is in no conflict; most never were."""
    event = read(message, ActivationChanged)
    about = event.model_dump(include={"district", "kind", "id", "state", "account_id", "text"})
    changed = connection.execute(
        QUERIES["settled"], {**about, "told_at": _told_at(message), "offset": message.offset}
    ).rowcount
    if changed:
        tell(connection, event.district)


def resolved(connection: Connection, message: Message) -> None:
    """Somebody has said whose account it is, at this desk or elsewhere."""
    event = read(message, ConflictResolved)
    event_id = header(message.headers, "ce_id")
    connection.execute(QUERIES["resolution"], {**event.model_dump(), "event_id": event_id, "published": True})
    tell(connection, event.district)


def _told_at(message: Message) -> datetime:
    """Give the moment that the event tells of; where it does not say, that of its arrival."""
    try:
        told = datetime.fromisoformat(header(message.headers, "ce_time") or "")
    except ValueError:
        return now()
    return told if told.tzinfo else now()
