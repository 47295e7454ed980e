"""Gives records to diff as if they had come in a snapshot."""

from collections.abc import Iterable, Mapping

from schemas.records import RECORD_KINDS, Record, RecordKind, digest_of, encode_record
from services.diff.arrived import ArrivedRecords


def arrived_records(
    records: Mapping[RecordKind, Mapping[str, Record]],
    kept: Mapping[RecordKind, Iterable[str]] | None = None,
    page_records: int = 3,
) -> dict[RecordKind, ArrivedRecords]:
    """Give the records by kind, in pages of so many; whoever takes them closes them."""
    arrived: dict[RecordKind, ArrivedRecords] = {}
    for kind in RECORD_KINDS:
        made = arrived[kind] = ArrivedRecords()
        ids = list(records.get(kind, {}))
        for start in range(0, len(ids), page_records):
            some = ids[start : start + page_records]
            encoded = [encode_record(records[kind][id_]) for id_ in some]
            made.add(some, [digest_of(each) for each in encoded], encoded)
        made.add([], [], [], sorted((kept or {}).get(kind, ())))
    return arrived
