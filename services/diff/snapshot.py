"""A snapshot as it arrives: which of its pages are here, and whether it is whole (promise 1)."""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from schemas.cloudevents import UnreadableMessageError
from schemas.events import SnapshotCompleted, SnapshotStarted
from schemas.records import RECORD_KINDS, RecordKind
from services.diff.arrived import ArrivedRecords
from services.messages import ID_BYTES, RECORD_BYTES

_CHARACTER_BYTES = 4
"""What a character takes at most, in UTF-8."""


class PageEntry(msgspec.Struct, frozen=True, gc=False):
    """An entry of a snapshot page as the hot path reads it: the record itself stays as it came."""

    id: Annotated[str, msgspec.Meta(min_length=1)]
    digest: str
    record: msgspec.Raw


class PageView(msgspec.Struct, frozen=True):
    """`schemas.events.SnapshotPage`, read without decoding its records."""

    sync_id: str
    snapshot_id: str
    page: int
    kind: str
    entries: tuple[PageEntry, ...] = ()
    kept: tuple[str, ...] = ()


_page = msgspec.json.Decoder(PageView)


class IncompleteSnapshotError(Exception):
    """A snapshot says it is complete and is not: pages or records are missing. It changes nothing."""


class ArrivingSnapshot:
    """The records of one snapshot by kind, each page once however often it is delivered."""

    def __init__(self, started: SnapshotStarted) -> None:
        self.started = started
        self.records: dict[RecordKind, ArrivedRecords] = {kind: ArrivedRecords() for kind in RECORD_KINDS}
        self._seen: set[int] = set()

    def add(self, value: bytes) -> bool:
        """Take a page's value; give False where it is another snapshot's and does not matter here.

        Raises UnreadableMessageError, which never quotes what is in the page.
        """
        try:
            page = _page.decode(value)
        except msgspec.DecodeError as error:
            raise UnreadableMessageError(f"a snapshot page is not valid: {type(error).__name__}") from None
        if page.snapshot_id != self.started.snapshot_id:
            return False
        kind = next((kind for kind in RECORD_KINDS if kind == page.kind), None)
        if kind is None:
            raise UnreadableMessageError(f"page {page.page} of snapshot {page.snapshot_id} has no known kind")
        ids = [entry.id for entry in page.entries]
        _check_ids(page, (*ids, *page.kept))
        _check_sizes(page)
        if page.page not in self._seen:
            digests, records = [entry.digest for entry in page.entries], [entry.record for entry in page.entries]
            try:
                self.records[kind].add(ids, digests, records, page.kept)
            except ValueError as error:
                raise UnreadableMessageError(f"page {page.page} of snapshot {page.snapshot_id}: {error}") from None
            self._seen.add(page.page)
        return True

    def check_whole(self, completed: SnapshotCompleted) -> None:
        """Raise IncompleteSnapshotError unless all pages from 1 to the last are here, with all their records."""
        if self._seen != set(range(1, completed.pages + 1)):
            missing = sorted(set(range(1, completed.pages + 1)) - self._seen)[:5]
            raise IncompleteSnapshotError(
                f"snapshot {completed.snapshot_id} should have {completed.pages} pages and has {len(self._seen)}"
                + (f"; the first missing one is {missing[0]}" if missing else "")
            )
        for kind, records in self.records.items():
            if len(records) != completed.records.get(kind, 0):
                raise IncompleteSnapshotError(
                    f"snapshot {completed.snapshot_id} should have {completed.records.get(kind, 0)} {kind} "
                    f"and has {len(records)}"
                )

    def close(self) -> None:
        """Remove the records from disk."""
        for records in self.records.values():
            records.close()


def _check_ids(page: PageView, ids: Sequence[str]) -> None:
    """Refuse what could be neither stored nor published: better here, by name, than by who applies it."""
    if max(map(len, ids), default=0) * _CHARACTER_BYTES <= ID_BYTES and "\x00" not in "".join(ids):
        return
    for number, id_ in enumerate(ids, start=1):
        if "\x00" in id_ or len(id_.encode()) > ID_BYTES:
            raise UnreadableMessageError(
                f"page {page.page} of snapshot {page.snapshot_id}: the id of entry {number} of its {page.kind} has a "
                f"NUL character or more than {ID_BYTES:,} bytes"
            )


def _check_sizes(page: PageView) -> None:
    for entry in page.entries:
        if len(entry.record) > RECORD_BYTES:
            raise UnreadableMessageError(
                f"page {page.page} of snapshot {page.snapshot_id}: the record {entry.id} of its {page.kind} has more "
                f"than {RECORD_BYTES:,} bytes"
            )
