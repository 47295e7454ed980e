"""Builds approved change sets by hand, as guard would send them on, for tests of what comes after."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from schemas.events import Approval, Change, ChangeSetChunk, ChangeSetCompleted, ChangeSetStarted, Event, KindCounts
from schemas.records import KINDS, Class, Kind, Record, RecordKind, digest_of, encode_record

KIND_OF: dict[str, RecordKind] = {"school": "schools", "teacher": "teachers", "student": "students", "class": "classes"}


def created(record: Record) -> Change:
    """Give the change that makes a record."""
    encoded = encode_record(record)
    return Change(op="created", kind=KIND_OF[record.type], id=record.id, digest=digest_of(encoded), record=record)


def updated(before: Record, record: Record) -> Change:
    """Give the change from one record to another."""
    return Change(
        op="updated",
        kind=KIND_OF[record.type],
        id=record.id,
        before_digest=digest_of(encode_record(before)),
        digest=digest_of(encode_record(record)),
        before=before,
        record=record,
    )


def removed(before: Record) -> Change:
    """Give the change that removes a record."""
    digest = digest_of(encode_record(before))
    return Change(op="removed", kind=KIND_OF[before.type], id=before.id, before_digest=digest, before=before)


def approved(
    district: str, base_version: int, changes: Sequence[Change], existing: dict[Kind, int], chunk: int = 50
) -> list[Event]:
    """Give the messages of an approved change set: header, chunks, trailer. Changes of classes count their places."""
    counts: dict[Kind, dict[str, int]] = {kind: {"existing": existing.get(kind, 0)} for kind in KINDS}
    for change in changes:
        counts[change.kind][change.op] = counts[change.kind].get(change.op, 0) + 1
        was, will = _places(change.before), _places(change.record)
        for op, number in (("created", len(will - was)), ("removed", len(was - will))):
            counts["places"][op] = counts["places"].get(op, 0) + number
    parts = [tuple(changes[start : start + chunk]) for start in range(0, len(changes), chunk)]
    about: dict[str, Any] = {
        "district": district,
        "change_set": uuid.uuid4().hex,
        "snapshot_id": uuid.uuid4().hex,
    }
    totals: dict[str, Any] = {"sync_id": uuid.uuid4().hex, "changes": len(changes), "chunks": len(parts)}
    now = datetime.now(UTC)
    return [
        ChangeSetStarted(
            **about,
            **totals,
            base_version=base_version,
            counts={kind: KindCounts(**numbers) for kind, numbers in counts.items()},
            approval=Approval(by="policy", approved_at=now),
            started_at=now,
        ),
        *(ChangeSetChunk(**about, chunk=number, changes=part) for number, part in enumerate(parts, start=1)),
        ChangeSetCompleted(**about, **totals, completed_at=now),
    ]


def _places(record: Record | None) -> set[tuple[str, str]]:
    if not isinstance(record, Class):
        return set()
    return {("teacher", id_) for id_ in record.teachers} | {("student", id_) for id_ in record.students}
