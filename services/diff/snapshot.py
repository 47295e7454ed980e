"""A snapshot as it arrives: which of its pages are here, and whether it is whole (promise 1)."""

from collections import Counter

import msgspec

from schemas.cloudevents import UnreadableMessageError
from schemas.events import SnapshotCompleted, SnapshotStarted
from schemas.records import RECORD_KINDS, RecordKind
from services.diff.comparison import PageView
from services.diff.spool import Spool
from services.messages import ID_BYTES, RECORD_BYTES

_page = msgspec.json.Decoder(PageView)


class IncompleteSnapshotError(Exception):
    """A snapshot says it is complete and is not: pages or records are missing. It changes nothing."""


class ArrivingSnapshot:
    """The pages of one snapshot, on disk by kind, each once however often it is delivered."""

    def __init__(self, started: SnapshotStarted) -> None:
        self.started = started
        self.pages: dict[RecordKind, Spool] = {kind: Spool() for kind in RECORD_KINDS}
        self._seen: set[int] = set()
        self._records: Counter[RecordKind] = Counter()

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
        _check_bounds(page)
        if page.page not in self._seen:
            self._seen.add(page.page)
            self._records[kind] += len(page.entries)
            self.pages[kind].append(value)
        return True

    def check_whole(self, completed: SnapshotCompleted) -> None:
        """Raise IncompleteSnapshotError unless all pages from 1 to the last are here, with all their records."""
        if self._seen != set(range(1, completed.pages + 1)):
            missing = sorted(set(range(1, completed.pages + 1)) - self._seen)[:5]
            raise IncompleteSnapshotError(
                f"snapshot {completed.snapshot_id} should have {completed.pages} pages and has {len(self._seen)}"
                + (f"; the first missing one is {missing[0]}" if missing else "")
            )
        for kind in RECORD_KINDS:
            if self._records[kind] != completed.records.get(kind, 0):
                raise IncompleteSnapshotError(
                    f"snapshot {completed.snapshot_id} should have {completed.records.get(kind, 0)} {kind} "
                    f"and has {self._records[kind]}"
                )

    def close(self) -> None:
        """Remove the pages from disk."""
        for spool in self.pages.values():
            spool.close()


def _check_bounds(page: PageView) -> None:
    """Refuse what could be neither stored nor published: better here, by name, than by who applies it."""
    for number, id_ in enumerate((*(entry.id for entry in page.entries), *page.kept), start=1):
        if "\x00" in id_ or len(id_.encode()) > ID_BYTES:
            raise UnreadableMessageError(
                f"page {page.page} of snapshot {page.snapshot_id}: the id of entry {number} of its {page.kind} has a "
                f"NUL character or more than {ID_BYTES:,} bytes"
            )
    for entry in page.entries:
        if memoryview(entry.record).nbytes > RECORD_BYTES:
            raise UnreadableMessageError(
                f"page {page.page} of snapshot {page.snapshot_id}: the record {entry.id} of its {page.kind} has more "
                f"than {RECORD_BYTES:,} bytes"
            )
