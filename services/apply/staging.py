"""A change set as it arrives: its chunks staged in the connection's own temporary tables, each once."""

from collections import Counter
from itertools import accumulate
from typing import Any

import msgspec
import psycopg

from schemas.cloudevents import UnreadableMessageError
from schemas.events import ChangeSetCompleted, ChangeSetStarted, Operation
from schemas.records import KINDS, RecordKind
from services.apply.chunks import Change, Chunk, pack, read_chunk
from services.apply.class_places import ChangedPlace, changed_places
from services.apply.state_digest import StateDigest
from services.database.queries import Queries
from services.messages import RECORD_BYTES

QUERIES = Queries("services.apply")

KEPT_BYTES = 10 * 8192
"""How long the tables may be to serve another set: what was deleted is still read, and PostgreSQL plans for its length.

It takes a new table, of which it knows nothing, for ten pages long.
"""


class IncompleteChangeSetError(Exception):
    """A change set says it is complete and is not: chunks or changes are missing. It is not applied (promise 3)."""


_NO_RECORD = (b"", b"null")


class StagedChangeSet:
    """One change set in the making. It lives as long as its connection: what is lost with it is delivered again.

    `clear` comes before the connection serves another one.
    """

    def __init__(self, connection: psycopg.Connection[Any], started: ChangeSetStarted) -> None:
        self.started = started
        self.connection = connection
        self.digest_change = StateDigest()
        self.counted: Counter[tuple[RecordKind, Operation]] = Counter()
        self.places_updated = 0
        self._seen: dict[int, int] = {}  # by the chunk's number, its changes
        if started.changes:
            connection.execute(QUERIES["stage"])

    def add(self, value: bytes) -> None:
        """Stage a chunk; one that was staged before, or belongs to another set, does nothing.

        Raises UnreadableMessageError, which never quotes what is in the chunk.
        """
        chunk = read_chunk(value)
        mine = chunk.change_set == self.started.change_set and chunk.snapshot_id == self.started.snapshot_id
        if not mine or chunk.chunk in self._seen:
            return
        try:
            if self.started.changes:
                self._copy(chunk, value)
        except (psycopg.DataError, UnicodeDecodeError) as error:
            raise UnreadableMessageError(
                f"chunk {chunk.chunk} of change set {chunk.change_set} has text that cannot be stored: "
                f"{type(error).__name__}"
            ) from None
        self._seen[chunk.chunk] = len(chunk.changes)
        self.counted.update((change.kind, change.op) for change in chunk.changes)

    def _copy(self, chunk: Chunk, value: bytes) -> None:
        places: list[ChangedPlace] = []
        with self.connection.cursor() as cursor, cursor.copy(QUERIES["copy_staged"]) as copy:
            copy.set_types(["text", "text", "text", "bytea", "bytea", "text"])
            copy.write_row(("told", "chunks", str(chunk.chunk), None, None, pack(value)))
            for change in chunk.changes:
                if memoryview(change.record).nbytes > RECORD_BYTES:
                    raise UnreadableMessageError(
                        f"chunk {chunk.chunk} of change set {chunk.change_set} has a record among its "
                        f"{change.kind} that is too long for roster.updates: more than {RECORD_BYTES:,} bytes"
                    )
                before = bytes.fromhex(change.before_digest) if change.before_digest else None
                after = bytes.fromhex(change.digest) if change.digest else None
                record = bytes(change.record)
                text = None if record in _NO_RECORD else record.decode()
                copy.write_row((change.op, change.kind, change.id, before, after, text))
                self.digest_change.replace(before, after)
                if change.kind == "classes" and change.op == "updated":
                    places += _changed_places(chunk, change)
        self.places_updated += sum(op == "updated" for op, *_ in places)
        if places:
            with self.connection.cursor() as cursor, cursor.copy(QUERIES["copy_places"]) as copy:
                copy.set_types(["text", "text", "text", "text"])
                for changed in places:
                    if changed[0] != "updated":
                        copy.write_row(changed)

    def updates_before(self) -> list[int]:
        """Give how many updates come before those of each chunk, in the order of chunks, once all are there."""
        return [0, *accumulate(self._seen[chunk] for chunk in sorted(self._seen))][:-1]

    def check_whole(self, completed: ChangeSetCompleted) -> None:
        """Raise IncompleteChangeSetError unless header, chunks and trailer agree on what there is."""
        started = self.started
        if (started.chunks, started.changes) != (completed.chunks, completed.changes):
            raise IncompleteChangeSetError(f"header and trailer of change set {started.change_set} do not agree")
        uncounted = [kind for kind in KINDS if kind not in started.counts]
        if uncounted:
            raise IncompleteChangeSetError(
                f"the header of change set {started.change_set} does not count its {', '.join(uncounted)}"
            )
        changes = self.counted.total()
        if self._seen.keys() != set(range(1, started.chunks + 1)) or changes != started.changes:
            raise IncompleteChangeSetError(
                f"change set {started.change_set} should have {started.changes} changes in {started.chunks} chunks "
                f"and has {changes} in {len(self._seen)}; it is not applied, the next sync makes it anew"
            )

    def clear(self) -> None:
        """Leave nothing staged. Short tables stay, empty: to make them takes longer than to merge a small set."""
        if not self.started.changes:
            return
        row = self.connection.execute(QUERIES["staged_bytes"]).fetchone()
        short = row is not None and row[0] <= KEPT_BYTES
        self.connection.execute(QUERIES["unstage"] if short else b"DISCARD TEMP")


def _changed_places(chunk: Chunk, change: Change) -> list[ChangedPlace]:
    try:
        return list(changed_places(change.id, bytes(change.before), bytes(change.record)))
    except msgspec.DecodeError as error:
        raise UnreadableMessageError(
            f"chunk {chunk.chunk} of change set {chunk.change_set} does not say what class {change.id} was, or is to "
            f"be: {type(error).__name__}"
        ) from None
