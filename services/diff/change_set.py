"""Works out a change set from a whole snapshot and what is applied, and cuts it into chunks on disk.

The header of a change set carries all its counts (promise 4), so everything is worked out before the first message
leaves; chunks wait in a spool meanwhile. Memory holds the digests of one kind and one batch of changes at a time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import msgspec

from schemas.events import BeforeAndAfter, EmptiedSchool, KindCounts, Operation
from schemas.records import RECORD_KINDS, RECORD_TYPES, Class, Kind, RecordKind, digest_of, encode_record
from services.diff.applied import AppliedRoster, AppliedTotals
from services.diff.arrived import ArrivedRecord, ArrivedRecords, differing_places
from services.diff.change_set_id import ChangeSetId
from services.diff.comparison import KindComparison, PlaceCounts
from services.diff.coverage import Coverage
from services.diff.meaning import Meaning
from services.diff.spool import Spool
from services.diff.unchanged import is_unchanged

CHUNK_BYTES = 1024 * 1024
"""A chunk is closed once its changes are this long, so that it stays well below the topics' largest message."""


class ChangeView(msgspec.Struct, frozen=True, omit_defaults=True):
    """`schemas.events.Change` with its records as they came."""

    op: Operation
    kind: RecordKind
    id: str
    before_digest: str | None = None
    digest: str | None = None
    before: msgspec.Raw | None = None
    record: msgspec.Raw | None = None


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """A change set that is worked out: its header's numbers, and its chunks (JSON arrays of changes) on disk."""

    id: str
    base_version: int
    counts: dict[Kind, KindCounts]
    changes: int
    content: str
    emptied_schools: tuple[EmptiedSchool, ...]
    renumbered: dict[RecordKind, int]
    classes_without_teacher: BeforeAndAfter | None
    students_without_class: BeforeAndAfter | None
    chunks: Spool


_records = {kind: msgspec.json.Decoder(record_type) for kind, record_type in RECORD_TYPES.items()}
_class = msgspec.json.Decoder(Class)
_encode = msgspec.json.Encoder().encode


class _Chunks:
    """Fills chunks and keeps what the header must say about them."""

    def __init__(self, id_: ChangeSetId, chunk_records: int) -> None:
        self._id = id_
        self._chunk_records = chunk_records
        self._changes: list[bytes] = []
        self._bytes = 0
        self.total = 0
        self.spool = Spool()

    def add(self, change: ChangeView) -> None:
        self._id.add(change.op, change.kind, change.id, change.before_digest, change.digest)
        encoded = _encode(change)
        if self._changes and (self._bytes + len(encoded) > CHUNK_BYTES or len(self._changes) >= self._chunk_records):
            self.close_chunk()
        self._changes.append(encoded)
        self._bytes += len(encoded)
        self.total += 1

    def close_chunk(self) -> None:
        if self._changes:
            self.spool.append(b"[" + b",".join(self._changes) + b"]")
        self._changes, self._bytes = [], 0


class _Comparer:
    """Goes through a snapshot kind by kind."""

    def __init__(self, applied: AppliedRoster, chunks: _Chunks, batch: int, meaning: Meaning | None) -> None:
        self._applied = applied
        self._meaning = meaning
        self._chunks = chunks
        self._batch = batch
        self._places = PlaceCounts()
        self._coverage = Coverage()
        self._unknown: dict[RecordKind, set[str]] = {"teachers": set(), "students": set()}
        self._removed: dict[RecordKind, set[str]] = {"teachers": set(), "students": set()}

    def compare(self, kind: RecordKind, arrived: ArrivedRecords) -> KindCounts:
        applied = self._applied.all_digests(kind)
        existing = len(applied)
        # A place of somebody who is kept and not applied would point at nobody.
        without = self._unknown if kind == "classes" and any(self._unknown.values()) else None
        digests = b"".join(_without_them(each, without).digest for each in arrived) if without else arrived.digests
        differing = differing_places(digests, applied)
        comparison = KindComparison(self._applied.with_digests(kind, list(applied)))
        pending: list[ChangeView] = []
        for record in arrived.at(differing):
            change = _change(comparison, kind, _without_them(record, without) if without else record)
            if change is not None:
                pending.append(change)
                if len(pending) >= self._batch:
                    self._emit(kind, pending)
                    pending = []
        digests_of_kept = comparison.applied(arrived.kept)
        unknown = comparison.keep(arrived.kept)
        if kind in self._unknown:
            self._unknown[kind] |= unknown
        gone = comparison.removed()
        if kind in self._removed:
            self._removed[kind].update(id_ for id_, _ in gone)
        pending += [ChangeView("removed", kind, id_, before_digest=digest.hex()) for id_, digest in gone]
        updated = comparison.updated
        if kind == "classes" and digests_of_kept and any(self._removed.values()):
            without_them = list(self._kept_without_removed(digests_of_kept))
            updated += len(without_them)
            pending += without_them
        for start in range(0, len(pending), self._batch):
            self._emit(kind, pending[start : start + self._batch])
        return KindCounts(existing=existing, created=comparison.created, updated=updated, removed=len(gone))

    def places(self, existing: int) -> KindCounts:
        counted = self._places
        return KindCounts(existing=existing, created=counted.created, updated=counted.updated, removed=counted.removed)

    def coverage(self, students: KindCounts) -> tuple[BeforeAndAfter, BeforeAndAfter]:
        """Give the classes without a teacher and the students without a class; call it last."""
        now = self._applied.without_places()
        return (
            self._coverage.classes_without_teacher(now.classes_without_teacher),
            self._coverage.students_without_class(
                now.students_without_class, self._applied, students, self._removed["students"]
            ),
        )

    def _kept_without_removed(self, digests: dict[str, bytes]) -> Iterator[ChangeView]:
        """A class kept as it is still loses the people who have left, or its places would point at nobody."""
        gone = list(self._removed["teachers"] | self._removed["students"])
        touched = self._applied.kept_classes_of(list(digests), gone)
        for class_ in self._applied.records("classes", touched).values():
            if not isinstance(class_, Class) or (without := _without(class_, self._removed)) == class_:
                continue
            encoded = encode_record(without)
            yield ChangeView(
                "updated",
                "classes",
                class_.id,
                digests[class_.id].hex(),
                digest_of(encoded),
                None,
                msgspec.Raw(encoded),
            )

    def _emit(self, kind: RecordKind, changes: list[ChangeView]) -> None:
        before = self._applied.records(kind, [change.id for change in changes if change.op != "created"])
        for change in changes:
            was, will = before.get(change.id), None
            if change.record is not None and (self._meaning is not None or kind == "classes"):
                will = _records[kind].decode(change.record)
            if self._meaning is not None:
                self._meaning.look_at(kind, was, will)
            if kind == "classes":
                had = was if isinstance(was, Class) else None
                has = will if isinstance(will, Class) else None
                self._places.count(had, has)
                self._coverage.look_at(had, has)
            whole = change if was is None else msgspec.structs.replace(change, before=msgspec.Raw(encode_record(was)))
            self._chunks.add(whole)


def _change(comparison: KindComparison, kind: RecordKind, arrived: ArrivedRecord) -> ChangeView | None:
    does = comparison.operation(arrived.id, arrived.digest)
    if does is None:
        return None
    op, before = does
    return ChangeView(
        op,
        kind,
        arrived.id,
        before.hex() if before else None,
        arrived.digest.hex(),
        None,
        msgspec.Raw(arrived.record),
    )


def _without_them(arrived: ArrivedRecord, people: dict[RecordKind, set[str]]) -> ArrivedRecord:
    encoded = encode_record(_without(_class.decode(arrived.record), people))
    return ArrivedRecord(arrived.id, bytes.fromhex(digest_of(encoded)), encoded)


def _without(class_: Class, people: dict[RecordKind, set[str]]) -> Class:
    """Take these people's places away, each in the part that is meant: one person may teach here and learn there."""
    return replace(
        class_,
        teachers=tuple(id_ for id_ in class_.teachers if id_ not in people["teachers"]),
        students=tuple(id_ for id_ in class_.students if id_ not in people["students"]),
    )


def work_out(
    district: str, applied: AppliedRoster, arrived: Mapping[RecordKind, ArrivedRecords], *, chunk_records: int
) -> ChangeSet:
    """Compare a whole snapshot, all its records by kind, with what is applied.

    Chunks hold at most `chunk_records` changes. The same snapshot against the same roster version always gives the same
    id and the same chunks; whoever takes the change set closes its spool. Raises UnknownDistrictError, OSError where
    the disk is full, msgspec.DecodeError where a record that differs is none.
    """
    unchanged = unchanged_set(district, applied, arrived)
    if unchanged is not None:
        return unchanged
    return compare_all(district, applied, applied.totals(), arrived, chunk_records=chunk_records)


def unchanged_set(
    district: str, applied: AppliedRoster, arrived: Mapping[RecordKind, ArrivedRecords]
) -> ChangeSet | None:
    """Give the change set of a snapshot that leaves everything as it is applied, or None of any other.

    It needs no transaction: where a version is applied meanwhile, the set names the one before, and apply refuses it.
    Raises UnknownDistrictError.
    """
    baseline = applied.totals()
    if not is_unchanged(arrived, baseline, applied.with_ids):
        return None
    id_ = ChangeSetId(district, baseline.roster_version)
    return ChangeSet(
        id=id_.id(),
        base_version=baseline.roster_version,
        counts={kind: KindCounts(existing=total) for kind, total in baseline.totals.items()},
        changes=0,
        content=id_.content(),
        emptied_schools=(),
        renumbered={},
        classes_without_teacher=None,
        students_without_class=None,
        chunks=Spool(),
    )


def compare_all(
    district: str,
    applied: AppliedRoster,
    baseline: AppliedTotals,
    arrived: Mapping[RecordKind, ArrivedRecords],
    *,
    chunk_records: int,
) -> ChangeSet:
    """Do what `work_out` promises by looking at the digest of every record."""
    id_ = ChangeSetId(district, baseline.roster_version)
    chunks = _Chunks(id_, chunk_records)
    # A first load means nothing beside itself, and is the largest of all: nothing is looked at twice there.
    meaning = Meaning(applied.students_of_schools) if any(baseline.totals.values()) else None
    comparer = _Comparer(applied, chunks, chunk_records, meaning)
    try:
        counts: dict[Kind, KindCounts] = {kind: comparer.compare(kind, arrived[kind]) for kind in RECORD_KINDS}
        counts["places"] = comparer.places(baseline.totals["places"])
        # Where nothing changes nothing is judged, so that an ordinary night does not count everybody.
        without_teacher, without_class = comparer.coverage(counts["students"]) if chunks.total else (None, None)
        chunks.close_chunk()
    except BaseException:
        chunks.spool.close()
        raise
    return ChangeSet(
        id=id_.id(),
        base_version=baseline.roster_version,
        counts=counts,
        changes=chunks.total,
        content=id_.content(),
        emptied_schools=meaning.emptied_schools() if meaning else (),
        renumbered=meaning.renumbered() if meaning else {},
        classes_without_teacher=without_teacher,
        students_without_class=without_class,
        chunks=chunks.spool,
    )
