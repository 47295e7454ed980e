"""Which places a changed class gains, loses or changes (pure)."""

from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from schemas.events import Operation

ChangedPlace: TypeAlias = tuple[Operation, str, str, str]
"""What becomes of it; the class; the part, teacher or student; the person. Updated: primary from now on, or no more."""


class _Roster(msgspec.Struct, frozen=True):
    """`schemas.records.Class`, read for its places alone."""

    teachers: tuple[str, ...] = ()
    students: tuple[str, ...] = ()


_decode = msgspec.json.Decoder(_Roster).decode


def changed_places(class_: str, before: bytes, record: bytes) -> Iterator[ChangedPlace]:
    """Compare a class's places as they were with those it is to have; both are the class's JSON.

    Raises msgspec.DecodeError.
    """
    was, will = _decode(before), _decode(record)
    for student in {*was.students} - {*will.students}:
        yield "removed", class_, "student", student
    for student in {*will.students} - {*was.students}:
        yield "created", class_, "student", student
    had, has = _is_primary(was), _is_primary(will)
    for teacher in had.keys() - has.keys():
        yield "removed", class_, "teacher", teacher
    for teacher, primary in has.items():
        if teacher not in had:
            yield "created", class_, "teacher", teacher
        elif primary != had[teacher]:
            yield "updated", class_, "teacher", teacher


def _is_primary(roster: _Roster) -> dict[str, bool]:
    return {teacher: position == 0 for position, teacher in enumerate(roster.teachers)}
