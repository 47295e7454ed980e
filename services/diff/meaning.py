"""What a change set means as a whole: schools that lose all their students, people and classes that are renumbered.

Guard judges by the header alone (promise 4), so what can only be seen in the changes themselves is worked out here.
"""

from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

from schemas.events import EmptiedSchool
from schemas.records import Class, Record, RecordKind, Student, Teacher

Marks: TypeAlias = tuple[str, ...]


class Meaning:
    """Looks at every change to a district that has records already, in any order.

    `students_of_schools` gives how many applied students each school has; it is asked only if students change.
    """

    def __init__(self, students_of_schools: Callable[[], dict[str, int]]) -> None:
        self._students_of_schools = students_of_schools
        self._moves: Counter[str] = Counter()
        self._left: dict[RecordKind, list[Marks]] = {}
        self._came: dict[RecordKind, Counter[str]] = {}

    def look_at(self, kind: RecordKind, before: Record | None, after: Record | None) -> None:
        """Take one change into account, as the record was and as it will be."""
        if kind == "students":
            self._moves.subtract(before.schools if isinstance(before, Student) else ())
            self._moves.update(after.schools if isinstance(after, Student) else ())
        if before is None and after is not None:
            self._came.setdefault(kind, Counter()).update(_marks(after))
        elif after is None and before is not None:
            self._left.setdefault(kind, []).append(_marks(before))

    def emptied_schools(self) -> tuple[EmptiedSchool, ...]:
        """Give the schools that had students and would have none, by id."""
        if not self._moves:
            return ()
        return tuple(
            EmptiedSchool(school=school, students=students)
            for school, students in sorted(self._students_of_schools().items())
            if students > 0 and students + self._moves[school] <= 0
        )

    def renumbered(self) -> dict[RecordKind, int]:
        """Give, for each kind, how many who leave agree with one who comes, each of whom counts once."""
        pairs = {kind: self._pairs(kind) for kind in self._left}
        return {kind: number for kind, number in pairs.items() if number}

    def _pairs(self, kind: RecordKind) -> int:
        came = Counter(self._came.get(kind, Counter()))
        found = 0
        for marks in self._left[kind]:
            agreed = next((mark for mark in marks if came[mark] > 0), None)
            if agreed is not None:
                came[agreed] -= 1
                found += 1
        return found


def _marks(record: Record) -> Marks:
    """Give what a person or class can be known by again under another id."""
    if isinstance(record, Student | Teacher):
        email = (record.email or "").strip().lower()
        return (*([f"email {email}"] if email else []), *([f"number {record.number}"] if record.number else []))
    if isinstance(record, Class):
        return (f"class {record.school} {record.name}",)
    return (f"school {record.name}",)
