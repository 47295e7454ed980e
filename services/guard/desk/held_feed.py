"""What `roster.held` and `roster.decisions` tell of held change sets.

A chunk's changes are copied in one transaction with the row that says that the chunk is here, so that a second
delivery adds nothing. A set counts once everything that its header promised is here.
"""

from datetime import datetime

import structlog
from psycopg.types.json import Jsonb

from schemas.cloudevents import UnreadableMessageError, header
from schemas.events import (
    BeforeAndAfter,
    ChangeSetCompleted,
    ChangeSetStarted,
    DecisionRefused,
    HoldAwaits,
    HoldRejected,
    HoldReleased,
    HoldSuperseded,
    ReviewDecision,
)
from services.guard.desk.held_changes import decode_held_chunk, rows
from services.guard.desk.night_feed import QUERIES, counts_of, read, tell
from services.guard.desk.read_model import Connection
from services.messages import Message

log = structlog.get_logger()

_ONCE_WHOLE = ("pair", "by_school", "count", "name_schools", "compare", "set_whole")


def started(connection: Connection, message: Message) -> None:
    """A set is held: its header, with the reasons."""
    event = read(message, ChangeSetStarted)
    plain = {"district", "change_set", "snapshot_id", "sync_id", "base_version", "changes", "chunks", "content"}
    about = {
        **event.model_dump(include={*plain, "started_at"}),
        "partition": message.partition,
        "offset": message.offset,
        "counts": counts_of(event),
        "reasons": Jsonb([reason.model_dump(exclude_none=True) for reason in event.reasons]),
        "limits": Jsonb(event.limits),
        "classes_without_teacher": _json(event.classes_without_teacher),
        "students_without_class": _json(event.students_without_class),
        "proofs": Jsonb([proof.model_dump() for proof in event.proofs]),
        "defects": Jsonb(event.defects),
        "emptied_schools": Jsonb([school.model_dump() for school in event.emptied_schools]),
        "renumbered": Jsonb(event.renumbered),
        "held_by": event.held_by or "policy",
        "held_at": _written_at(message) or event.started_at,
    }
    connection.execute(QUERIES["held_started"], about)


def _json(number: BeforeAndAfter | None) -> Jsonb | None:
    return Jsonb(number.model_dump()) if number is not None else None


def _written_at(message: Message) -> datetime | None:
    """Give the moment at which guard wrote the message, where it says so in a way that can be read."""
    try:
        written = datetime.fromisoformat(header(message.headers, "ce_time") or "")
    except ValueError:
        return None
    return written if written.tzinfo else None


def chunk(connection: Connection, message: Message) -> None:
    """Some changes of a held set; of a set whose header never came, or whose changes are deleted, they are left out."""
    event = decode_held_chunk(message.value)
    about = {
        "district": event.district,
        "change_set": event.change_set,
        "snapshot_id": event.snapshot_id,
        "chunk": event.chunk,
        "changes": len(event.changes),
    }
    row = connection.execute(QUERIES["chunk"], about).fetchone()
    if row is None:
        return
    with connection.cursor() as cursor, cursor.copy(QUERIES["copy_changes"]) as copy:
        for values in rows(event):
            copy.write_row((row[0], *values))


def completed(connection: Connection, message: Message) -> None:
    """The last of a set. Only a whole one is to be reviewed; guard sends one that was cut off once more."""
    event = read(message, ChangeSetCompleted)
    about = event.model_dump(include={"district", "change_set", "snapshot_id", "completed_at"})
    row = connection.execute(QUERIES["whole"], about).fetchone()
    if row is None:
        return
    connection.execute(QUERIES["plan_without_statistics"])
    for name in _ONCE_WHOLE:
        connection.execute(QUERIES[name], {"held_set": row[0], "completed_at": event.completed_at})
    log.info("loaded", district=event.district, change_set=event.change_set, changes=event.changes)
    tell(connection, event.district)


def awaits(connection: Connection, message: Message) -> None:
    """An approval counts, and something else must come before the set is released; the decision is what caused it."""
    event = read(message, HoldAwaits)
    place = {"partition": message.partition, "offset": message.offset}
    cause = header(message.headers, "ce_causationid") or header(message.headers, "ce_id")
    connection.execute(QUERIES["awaits"], {**event.model_dump(), **place, "event_id": cause})
    tell(connection, event.district)


def superseded(connection: Connection, message: Message) -> None:
    """A newer set has taken the place of a held one."""
    event = read(message, HoldSuperseded)
    _end(connection, message, event, "superseded", event.superseded_at, superseded_by=event.by_change_set)


def released(connection: Connection, message: Message) -> None:
    """A held set has been let through."""
    event = read(message, HoldReleased)
    approval = event.approval
    by = approval.reviewer or approval.by
    _end(connection, message, event, "released", approval.approved_at, by=by, reason=approval.reason)


def rejected(connection: Connection, message: Message) -> None:
    """A held set has been refused."""
    event = read(message, HoldRejected)
    _end(connection, message, event, "rejected", event.rejected_at, by=event.reviewer, reason=event.reason)


def _end(
    connection: Connection,
    message: Message,
    event: HoldSuperseded | HoldReleased | HoldRejected,
    state: str,
    ended_at: datetime,
    *,
    by: str | None = None,
    reason: str | None = None,
    superseded_by: str | None = None,
) -> None:
    about = {
        "district": event.district,
        "change_set": event.change_set,
        "sync_id": header(message.headers, "ce_correlationid"),
        "partition": message.partition,
        "offset": message.offset,
        "state": state,
        "ended_at": ended_at,
        "ended_by": by,
        "ended_reason": reason,
        "superseded_by": superseded_by,
    }
    connection.execute(QUERIES["ended"], about)
    tell(connection, event.district)


def refused(connection: Connection, message: Message) -> None:
    """Guard did not follow a decision; the decision's id is what caused the refusal."""
    event = read(message, DecisionRefused)
    about = event.model_dump(include={"change_set", "decision", "reviewer", "text", "refused_at"})
    cause = header(message.headers, "ce_causationid") or header(message.headers, "ce_id")
    connection.execute(QUERIES["refused"], {**about, "event_id": cause})
    tell(connection, event.district)


def decision(connection: Connection, message: Message) -> None:
    """Somebody has decided about a held set, with whichever tool."""
    event = read(message, ReviewDecision)
    event_id = header(message.headers, "ce_id")
    if not event_id:
        raise UnreadableMessageError(f"a decision about change set {event.change_set} has no ce_id header")
    connection.execute(QUERIES["decision"], {**event.model_dump(), "event_id": event_id, "published": True})
    tell(connection, event.district)


def delete_outlived(connection: Connection, before: datetime, at: datetime) -> bool:
    """Delete the changes of one set that ended before then, children's data; what it was and who decided stays.

    Gives False where there is none.
    """
    with connection.transaction():
        row = connection.execute(QUERIES["outlived"], {"before": before}).fetchone()
        if row is None:
            return False
        for name in ("delete_schools_of_changes", "delete_changes", "delete_chunks", "deleted"):
            connection.execute(QUERIES[name], {"held_set": row[0], "at": at})
    return True
