"""A record as it stands in a snapshot page: encoded once, not decoded again before it is known to have changed."""

from collections import Counter
from dataclasses import fields, replace
from typing import Any, TypeVar

import msgspec

from schemas.records import Record, digest_of, encode_record
from services.ingest.defects import DefectCode

_NUL = "\x00"
_NUL_ENCODED = b"\\u0000"

AnyRecord = TypeVar("AnyRecord", bound=Record)
_id = msgspec.json.Encoder().encode


def encode_entry(given: Record, defects: Counter[DefectCode]) -> bytes:
    """Give the JSON of the record's `schemas.events.Entry`: id, digest, record.

    NUL characters, which PostgreSQL cannot store, are left out, and the record is counted among the defects then.
    """
    record, encoded = given, encode_record(given)
    if _NUL_ENCODED in encoded and (record := _record_without_nul(given)) != given:
        encoded = encode_record(record)
        defects["nul-character"] += 1
    return b'{"id":%b,"digest":"%b","record":%b}' % (_id(record.id), digest_of(encoded).encode(), encoded)


def without_nul(text: str) -> str:
    """Give the text without NUL characters, which PostgreSQL cannot store."""
    return text.replace(_NUL, "")


def _record_without_nul(record: AnyRecord) -> AnyRecord:
    changes: dict[str, Any] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if isinstance(value, str):
            changes[field.name] = without_nul(value)
        elif isinstance(value, tuple):
            changes[field.name] = tuple(map(without_nul, value))
    return replace(record, **changes)
