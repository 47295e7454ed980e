"""What `roster.activations` and `roster.decisions` tell of people in conflict.

Of everybody else's activations, millions of them, nothing is kept. A person's events are in one partition, in order,
so that the offset says which of two is the newer.
"""

from collections.abc import Sequence
from datetime import datetime

from schemas.cloudevents import header
from schemas.events import ActivationChanged, ConflictResolved
from schemas.topics import ACTIVATIONS
from services.clock import now
from services.database.queries import Queries
from services.guard.desk.night_feed import read, tell
from services.guard.desk.read_model import Connection
from services.messages import Message, key_text

QUERIES = Queries("services.guard.desk", "activation.sql")


def bystanders(connection: Connection, batch: Sequence[Message]) -> set[int]:
    """Give the offsets of activations that tell of nobody who is, or was, in conflict: nearly all, found at once.

    Who they are about is their key; a batch is of one partition.
    """
    told: dict[int, tuple[str, ...]] = {}
    of_interest: set[tuple[str, ...]] = set()
    for message in batch:
        person = tuple(key_text(message).split("/", 2))
        if message.topic is not ACTIVATIONS or len(person) != 3 or "\0" in key_text(message):
            continue
        told[message.offset] = person
        if (header(message.headers, "ce_type") or "").endswith(".conflict.v1"):
            of_interest.add(person)
    if not told:
        return set()
    districts, kinds, ids = map(list, zip(*set(told.values()), strict=True))
    about = {"districts": districts, "kinds": kinds, "ids": ids}
    of_interest.update(connection.execute(QUERIES["in_conflict_once"], about))
    return {offset for offset, person in told.items() if person not in of_interest}


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
