"""Cuts a provider's records into the pages of a snapshot, as bytes (pure).

A record is encoded once and never decoded again before it is known to have changed; so pages are put together from
bytes, and the bytes are a `schemas.events.SnapshotPage`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from schemas.records import RecordKind
from services.ingest.defects import DefectCode
from services.ingest.entries import encode_entry, without_nul
from services.ingest.source import PullFailedError, RecordPage

MAX_PAGE_BYTES = 3 * 1024 * 1024
"""What the entries of a page may take together: a message of `roster.snapshots` has 4 MB at most."""


class _Page(msgspec.Struct, frozen=True):
    district: str
    sync_id: str
    snapshot_id: str
    page: int
    kind: RecordKind
    entries: msgspec.Raw
    kept: Sequence[str]


class _Typed(msgspec.Struct, frozen=True):
    type: str


class _Entry(msgspec.Struct, frozen=True):
    id: str
    record: _Typed


@dataclass(frozen=True, slots=True)
class Cut:
    """What goes into one snapshot page: entries as JSON; `repaired` records had NUL characters in them."""

    kind: RecordKind
    entries: Sequence[bytes]
    kept: Sequence[str]
    repaired: int


_encoder = msgspec.json.Encoder()


def encode_page(cut: Cut, *, district: str, sync_id: str, snapshot_id: str, page: int) -> bytes:
    """Give the JSON of the snapshot page."""
    entries = msgspec.Raw(b"[%b]" % b",".join(cut.entries))
    return _encoder.encode(_Page(district, sync_id, snapshot_id, page, cut.kind, entries, cut.kept))


def cut_pages(page: RecordPage, max_records: int, max_bytes: int = MAX_PAGE_BYTES) -> list[Cut]:
    """Cut a provider's page into pages of at most so many records and so many bytes of them.

    Raises PullFailedError 'not-a-roster' where a single record is larger than that.
    """
    cuts: list[Cut] = []
    kept = [without_nul(id_) for id_ in page.kept]
    repaired: Counter[DefectCode] = Counter()
    given = [*page.entries, *(encode_entry(record, repaired) for record in page.records)]
    start = size = 0
    for at, entry in enumerate(given):
        if len(entry) > max_bytes:
            raise _too_large(entry, max_bytes)
        if at - start == max_records or size + len(entry) > max_bytes:
            cuts.append(Cut(page.kind, given[start:at], (), 0))
            start, size = at, 0
        size += len(entry)
    if given or kept:
        cuts.append(Cut(page.kind, given[start:], kept, repaired.total()))
    return cuts


def _too_large(entry: bytes, max_bytes: int) -> PullFailedError:
    given = msgspec.json.decode(entry, type=_Entry)
    return PullFailedError(
        "not-a-roster",
        f"the {given.record.type} {given.id} alone takes {len(entry):,} bytes, and a record may take "
        f"{max_bytes:,}; have the provider correct it",
    )
