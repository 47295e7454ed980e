"""A chunk of a change set as apply reads it, without decoding its records; and packed, as it waits in the outbox.

A change set's updates say little beside its chunks, which are text that compresses to a sixth: so one row of the outbox
holds a chunk of them, and the relay makes the updates (pure).
"""

import base64
import hashlib
from collections.abc import Iterator
from typing import Annotated, TypeAlias

import cramjam
import msgspec

from schemas.cloudevents import UnreadableMessageError
from schemas.events import Operation
from schemas.records import RecordKind
from services.outbox import OutboxEvent

PACKED = "dev.rollcall.change-set.chunk.v1"
"""The type of an outbox row that stands for the updates of a whole chunk."""

_Digest: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]


class Change(msgspec.Struct, frozen=True, gc=False):
    """`schemas.events.Change`; its records stay as they came."""

    op: Operation
    kind: RecordKind
    id: str
    before_digest: _Digest | None = None
    digest: _Digest | None = None
    before: msgspec.Raw = msgspec.Raw()
    record: msgspec.Raw = msgspec.Raw()


class Chunk(msgspec.Struct, frozen=True):
    """`schemas.events.ChangeSetChunk`."""

    change_set: str
    snapshot_id: str
    chunk: int
    changes: tuple[Change, ...]


class _PackedUpdates(msgspec.Struct, frozen=True):
    """The payload of a row: which roster version they make, how many come before them in it, and the chunk."""

    district: str
    roster_version: int
    before: int
    chunk: bytes


_decode = msgspec.json.Decoder(Chunk).decode
_decode_packed = msgspec.json.Decoder(_PackedUpdates).decode
_encode = msgspec.json.encode

_WORDS: dict[RecordKind, str] = {
    "schools": "school",
    "teachers": "teacher",
    "students": "student",
    "classes": "class",
}


def read_chunk(value: bytes) -> Chunk:
    """Read a chunk. Raises UnreadableMessageError, which never quotes what is in it."""
    try:
        return _decode(value)
    except msgspec.DecodeError as error:
        raise UnreadableMessageError(f"a chunk is not valid: {type(error).__name__}") from None


def pack(value: bytes) -> str:
    """Give a chunk's JSON in a form that can stand in a JSON string: compressed, in base 64."""
    return base64.b64encode(bytes(cramjam.zstd.compress(value, 1))).decode()


def unpack(payload: str) -> Iterator[OutboxEvent]:
    """Give the updates that a packed row stands for: every record as it now is, with the version and its position in
    it (promise 10), each `schemas.events.RosterUpdate` as JSON. Records' own text goes into it as it is.

    An update's id is made from its change set and its position in it, so that it has the same one whenever it is sent.
    """
    packed = _decode_packed(payload)
    chunk = _decode(bytes(cramjam.zstd.decompress(packed.chunk)))
    district = packed.district
    about = b'{"district":%b,"roster_version":%d,"position":' % (_encode(district), packed.roster_version)
    for position, change in enumerate(chunk.changes, start=packed.before + 1):
        now = b""
        if change.op != "removed":
            now = b',"digest":%b,"record":%b' % (_encode(change.digest), change.record)
        op, kind = change.op.encode(), change.kind.encode()
        yield OutboxEvent(
            hashlib.md5(f"{chunk.change_set}\x1f{position}".encode(), usedforsecurity=False).hexdigest(),
            f"{district}/{change.kind}/{change.id}",
            f"dev.rollcall.{_WORDS[change.kind]}.{change.op}.v1",
            b'%b%d,"op":"%b","kind":"%b","id":%b%b}' % (about, position, op, kind, _encode(change.id), now),
        )
