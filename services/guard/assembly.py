"""Counting change sets as they pass by, so that only whole ones are completed (pure).

Sets of several districts may lie interleaved in one partition, and every message may come twice. A district has one
open set at a time: the header of another one voids it, as diff sends a set to its end before it begins the next.
"""

from typing import Annotated, TypeAlias

import msgspec

from schemas.cloudevents import UnreadableMessageError
from schemas.events import ChangeSetCompleted, ChangeSetStarted


class ChunkHead(msgspec.Struct, frozen=True):
    """What must be known of a chunk to route and count it; its changes stay as they came."""

    district: str
    change_set: str
    snapshot_id: str
    chunk: Annotated[int, msgspec.Meta(ge=1)]
    changes: list[msgspec.Raw]


_decoder = msgspec.json.Decoder(ChunkHead)


def decode_chunk(value: bytes | None) -> ChunkHead:
    """Read what must be known of a chunk. Raises UnreadableMessageError, whose text quotes nothing of it."""
    try:
        return _decoder.decode(value or b"")
    except msgspec.DecodeError as error:
        raise UnreadableMessageError(f"a chunk of a change set is not valid: {type(error).__name__}") from None


OfASet: TypeAlias = ChangeSetStarted | ChunkHead | ChangeSetCompleted


class Assembly:
    """One change set of one snapshot, from its header on: what was promised and what has come."""

    def __init__(self, header: ChangeSetStarted) -> None:
        self.header = header
        self._seen: set[int] = set()
        self._changes = 0

    def has(self, event: OfASet) -> bool:
        """Say whether the event is of this very set and snapshot."""
        header = self.header
        return (event.district, event.change_set, event.snapshot_id) == (
            header.district,
            header.change_set,
            header.snapshot_id,
        )

    def begun_by(self, header: ChangeSetStarted) -> bool:
        """Say whether this header has come again: another snapshot, or other counts, begin the set anew."""
        mine = self.header
        return self.has(header) and (mine.chunks, mine.changes) == (header.chunks, header.changes)

    def lacks(self, chunk: ChunkHead) -> bool:
        """Say whether the chunk has not come before: what came twice is not forwarded twice."""
        return chunk.chunk not in self._seen

    def take(self, chunk: ChunkHead) -> None:
        """Count a chunk that was lacking."""
        if self.lacks(chunk):
            self._seen.add(chunk.chunk)
            self._changes += len(chunk.changes)

    def shortfall(self, completed: ChangeSetCompleted) -> str | None:
        """Say what does not add up between header, chunks and completion, or give None where the set is whole."""
        header = self.header
        if (completed.chunks, completed.changes) != (header.chunks, header.changes):
            return (
                f"its header promises {header.changes} changes in {header.chunks} chunks, "
                f"its completion {completed.changes} in {completed.chunks}"
            )
        missing = set(range(1, header.chunks + 1)) - self._seen
        if missing:
            return f"{len(missing)} of {header.chunks} chunks are missing, the first is {min(missing)}"
        if len(self._seen) > header.chunks:
            return f"chunk {max(self._seen)} came, of {header.chunks}"
        if self._changes != header.changes:
            return f"{self._changes} changes came, of {header.changes}"
        return None


class Assemblies:
    """The open change sets of one partition, one a district, and the one that each district closed last."""

    def __init__(self) -> None:
        self._open: dict[str, Assembly] = {}
        self._closed: dict[str, Assembly] = {}

    def open(self, header: ChangeSetStarted) -> Assembly:
        """Open the header's set, in place of what the district has open, and give it."""
        self._open[header.district] = assembly = Assembly(header)
        return assembly

    def opened(self, district: str) -> Assembly | None:
        """Give the district's open set, if there is one."""
        return self._open.get(district)

    def of(self, event: OfASet) -> Assembly | None:
        """Give the open set that the event is part of, or None where it is part of none."""
        opened = self._open.get(event.district)
        return opened if opened is not None and opened.has(event) else None

    def is_closed(self, event: OfASet) -> bool:
        """Say whether the event is of the set that its district closed last: it came again, and changes nothing."""
        closed = self._closed.get(event.district)
        return closed is not None and closed.has(event)

    def close(self, assembly: Assembly) -> None:
        """The set is whole and has taken effect."""
        del self._open[assembly.header.district]
        self._closed[assembly.header.district] = assembly
