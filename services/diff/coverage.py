"""Classes without a teacher and students without a class, as they are now and as they would be.

What is applied is counted once by the database; from there on only what changes is looked at.
"""

from collections import Counter
from collections.abc import Collection

from schemas.events import BeforeAndAfter, KindCounts
from schemas.records import Class
from services.diff.applied import AppliedRoster


class Coverage:
    """Looks at every change of a class, in any order."""

    def __init__(self) -> None:
        self._classes = 0
        self._places: Counter[str] = Counter()

    def look_at(self, before: Class | None, after: Class | None) -> None:
        """Take one class into account, as it was and as it will be."""
        self._classes += _lacks_teacher(after) - _lacks_teacher(before)
        if before is not None:
            self._places.subtract(before.students)
        if after is not None:
            self._places.update(after.students)

    def classes_without_teacher(self, applied: AppliedRoster) -> BeforeAndAfter:
        """Count the classes that have no teacher."""
        before = applied.classes_without_teacher()
        return BeforeAndAfter(before=before, after=before + self._classes)

    def students_without_class(
        self, applied: AppliedRoster, students: KindCounts, removed: Collection[str]
    ) -> BeforeAndAfter:
        """Count the students that are in no class; `removed` are those who leave."""
        moved = {student: places for student, places in self._places.items() if places}
        before, known = 0, dict[str, int]()
        if students.existing:
            before = applied.students_without_class()
            known = applied.classes_of_students([*moved, *(id_ for id_ in removed if id_ not in moved)])
        after = before + students.created - sum(1 for id_, places in moved.items() if id_ not in known and places > 0)
        gone = set(removed)
        for student, places in known.items():
            stays = student not in gone
            after += (stays and places + moved.get(student, 0) <= 0) - (places == 0)
        return BeforeAndAfter(before=before, after=after)


def _lacks_teacher(class_: Class | None) -> bool:
    return class_ is not None and not class_.teachers
