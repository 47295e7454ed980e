"""How roster records stand in the accounts database: a kind's table has a column for each of its record's fields.

The one exception: a class's teachers and students are rows of `places`.
"""

from dataclasses import fields

from schemas.records import RECORD_TYPES, Class, Record, RecordKind

_ELSEWHERE = {"type", "teachers", "students"}

COLUMNS: dict[RecordKind, tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(record_type) if field.name not in _ELSEWHERE)
    for kind, record_type in RECORD_TYPES.items()
}
"""The record's own columns of each kind's table, the id first; after them come `digest` and `roster_version`."""


def record_of(kind: RecordKind, row: tuple[object, ...]) -> Record:
    """Make a record of its columns' values. A class comes without its places: see `with_places`."""
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in zip(COLUMNS[kind], row, strict=True)
    }
    return RECORD_TYPES[kind](**values)  # type: ignore[arg-type]  # the columns are those of this very type


def with_places(class_: Class, places: list[tuple[str, str, bool]]) -> Class:
    """Give the class with its places, each (part, person, is_primary), in the record's order."""
    teachers = sorted((not primary, person) for part, person, primary in places if part == "teacher")
    students = sorted(person for part, person, _ in places if part == "student")
    return Class(
        id=class_.id,
        name=class_.name,
        school=class_.school,
        teachers=tuple(person for _, person in teachers),
        students=tuple(students),
        course=class_.course,
        grade=class_.grade,
        subject=class_.subject,
    )
