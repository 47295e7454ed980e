"""How roster records stand in the accounts database: a kind's table has a column for each of its record's fields.

Beside them a person's row has `classes`, the ids of the classes that they are in: the places of all classes once more,
from the other side.
"""

from dataclasses import fields

from schemas.records import RECORD_TYPES, Record, RecordKind

COLUMNS: dict[RecordKind, tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(record_type) if field.name != "type")
    for kind, record_type in RECORD_TYPES.items()
}
"""The record's own columns of each kind's table, the id first; after them come `digest` and `roster_version`."""

ARRAYS = frozenset({"schools", "teachers", "students"})
"""Those of the columns that hold ids of others (text[]); all the rest are text."""


def record_of(kind: RecordKind, row: tuple[object, ...]) -> Record:
    """Make a record of its columns' values."""
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in zip(COLUMNS[kind], row, strict=True)
    }
    return RECORD_TYPES[kind](**values)  # type: ignore[arg-type]  # the columns are those of this very type
