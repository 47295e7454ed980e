"""Cuts a provider's records into the pages of a snapshot, as bytes (pure).

A record is encoded once, here, and never decoded again before it is known to have changed; so pages are put together
from bytes, and the bytes are a `schemas.events.SnapshotPage`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import msgspec

from schemas.records import Record, RecordKind, digest_of, encode_record
from services.ingest.source import PullFailedError, RecordPage

MAX_PAGE_BYTES = 3 * 1024 * 1024
"""What the records of a page may take together: a message of `roster.snapshots` has 4 MB at most."""

_NUL = "\x00"
_NUL_ENCODED = b"\\u0000"

AnyRecord = TypeVar("AnyRecord", bound=Record)


class Entry(msgspec.Struct, frozen=True):
    """A `schemas.events.Entry` whose record is bytes."""

    id: str
    digest: str
    record: msgspec.Raw


class _Page(msgspec.Struct, frozen=True):
    district: str
    sync_id: str
    snapshot_id: str
    page: int
    kind: RecordKind
    entries: Sequence[Entry]
    kept: Sequence[str]


@dataclass(frozen=True, slots=True)
class Cut:
    """What goes into one snapshot page; `repaired` records had NUL characters, which PostgreSQL cannot store."""

    kind: RecordKind
    entries: Sequence[Entry]
    kept: Sequence[str]
    repaired: int


_encoder = msgspec.json.Encoder()


def encode_page(cut: Cut, *, district: str, sync_id: str, snapshot_id: str, page: int) -> bytes:
    """Give the JSON of the snapshot page."""
    return _encoder.encode(_Page(district, sync_id, snapshot_id, page, cut.kind, cut.entries, cut.kept))


def cut_pages(page: RecordPage, max_records: int, max_bytes: int = MAX_PAGE_BYTES) -> list[Cut]:
    """Cut a provider's page into pages of at most so many records and so many bytes of them.

    Raises PullFailedError 'not-a-roster' where a single record is larger than that.
    """
    cuts: list[Cut] = []
    entries: list[Entry] = []
    size = repaired = 0
    kept = [_without_nul(id_) for id_ in page.kept]
    for given in page.records:
        record, encoded = given, encode_record(given)
        if _NUL_ENCODED in encoded and (record := _record_without_nul(given)) != given:
            encoded = encode_record(record)
            repaired += 1
        if len(encoded) > max_bytes:
            raise PullFailedError(
                "not-a-roster",
                f"the {record.type} {record.id} alone takes {len(encoded):,} bytes, and a record may take "
                f"{max_bytes:,}; have the provider correct it",
            )
        if len(entries) == max_records or size + len(encoded) > max_bytes:
            cuts.append(Cut(page.kind, entries, kept, repaired))
            entries, kept, size, repaired = [], [], 0, 0
        entries.append(Entry(record.id, digest_of(encoded), msgspec.Raw(encoded)))
        size += len(encoded)
    if entries or kept:
        cuts.append(Cut(page.kind, entries, kept, repaired))
    return cuts


def _without_nul(text: str) -> str:
    """Give the text without NUL characters, which PostgreSQL cannot store."""
    return text.replace(_NUL, "")


def _record_without_nul(record: AnyRecord) -> AnyRecord:
    changes: dict[str, Any] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if isinstance(value, str):
            changes[field.name] = _without_nul(value)
        elif isinstance(value, tuple):
            changes[field.name] = tuple(map(_without_nul, value))
    return replace(record, **changes)
