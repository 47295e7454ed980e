"""A chunk's message: the event around changes that are JSON already."""

from datetime import UTC, datetime

import msgspec

from schemas.cloudevents import Headers, binary_headers, event_id, schema_urn
from schemas.events import ChangeSetStarted

_TYPE = "dev.rollcall.change-set.chunk.v1"


class _ChunkView(msgspec.Struct, frozen=True):
    """`schemas.events.ChangeSetChunk` with its changes as they are."""

    district: str
    change_set: str
    snapshot_id: str
    chunk: int
    changes: msgspec.Raw


def chunk_message(started: ChangeSetStarted, number: int, changes: bytes, cause: str) -> tuple[Headers, bytes]:
    """Give headers and value of chunk `number` (from 1); `changes` is a JSON array of `schemas.events.Change`."""
    value = msgspec.json.encode(
        _ChunkView(started.district, started.change_set, started.snapshot_id, number, msgspec.Raw(changes))
    )
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": event_id(_TYPE, started.change_set, started.snapshot_id, number),
        "ce_source": "/rollcall/diff",
        "ce_type": _TYPE,
        "ce_subject": started.district,
        "ce_time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "ce_dataschema": schema_urn("ChangeSetChunk"),
        "ce_correlationid": started.sync_id,
        "ce_causationid": cause,
    }
    return binary_headers(attributes), value
