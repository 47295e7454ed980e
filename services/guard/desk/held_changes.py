"""A chunk of a held change set as rows for the desk's table: its records stay the JSON that they came as (pure)."""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from schemas.cloudevents import UnreadableMessageError
from schemas.events import Operation
from schemas.records import RecordKind

CHANGES_A_CHUNK = 65536
"""A change's place in its set: its chunk times this, and its place in the chunk."""

_NULL = msgspec.Raw(b"null")

Row = tuple[int, int, str, str, str, str | None, list[str], str | None, str | None, str | None]
"""place, beside, op, kind, id, title, schools, digest, before, record: the columns of desk.held_changes in order."""


class HeldChange(msgspec.Struct, frozen=True):
    """`schemas.events.Change`, its records still encoded."""

    op: Operation
    kind: RecordKind
    id: str
    digest: str | None = None
    before: msgspec.Raw = _NULL
    record: msgspec.Raw = _NULL


class HeldChunk(msgspec.Struct, frozen=True):
    """`schemas.events.ChangeSetChunk`, its records still encoded."""

    district: str
    change_set: str
    snapshot_id: str
    chunk: Annotated[int, msgspec.Meta(ge=1)]
    changes: Annotated[list[HeldChange], msgspec.Meta(max_length=CHANGES_A_CHUNK)]


class _Located(msgspec.Struct, frozen=True):
    """Of a record what says where it is. Only schools and classes have a `name`; people's are called otherwise."""

    type: Literal["school", "teacher", "student", "class"]
    name: str | None = None
    school: str | None = None
    schools: list[str] = []


_chunk = msgspec.json.Decoder(HeldChunk)
_located = msgspec.json.Decoder(_Located | None)


def decode_held_chunk(value: bytes | None) -> HeldChunk:
    """Read a chunk. Raises UnreadableMessageError, whose text quotes nothing of it."""
    try:
        return _chunk.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableMessageError(f"a held chunk is not valid: {type(error).__name__}") from None


def rows(chunk: HeldChunk) -> Iterator[Row]:
    """Give a row for each change. Raises UnreadableMessageError for a record that says nothing of where it is."""
    for number, change in enumerate(chunk.changes):
        try:
            before, record = _located.decode(change.before), _located.decode(change.record)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UnreadableMessageError(
                f"change {number} of held chunk {chunk.chunk} is not valid: {type(error).__name__}"
            ) from None
        place = chunk.chunk * CHANGES_A_CHUNK + number
        yield (
            place,
            place,
            change.op,
            change.kind,
            change.id,
            (record and record.name) or (before and before.name) or None,
            _schools(change, before, record),
            change.digest,
            _text(change.before),
            _text(change.record),
        )


def _schools(change: HeldChange, before: _Located | None, record: _Located | None) -> list[str]:
    if change.kind == "schools":
        return [change.id]
    both = [each for each in (before, record) if each is not None]
    return sorted({school for each in both for school in (*each.schools, each.school) if school})


def _text(record: msgspec.Raw) -> str | None:
    return None if bytes(record) == b"null" else bytes(record).decode()
