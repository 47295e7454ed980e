"""Classes without a teacher and students without a class, as they are now and as they would be.

What is applied is counted once by the database; from there on only what changes is looked at.
"""

from collections import Counter
from collections.abc import Set as AbstractSet

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
        was, will = set(before.students) if before else set(), set(after.students) if after else set()
        self._places.update(will - was)
        self._places.subtract(was - will)

    def classes_without_teacher(self, before: int) -> BeforeAndAfter:
        """Count the classes that have no teacher; `before` are those that have none now."""
        return BeforeAndAfter(before=before, after=before + self._classes)

    def students_without_class(
        self, before: int, applied: AppliedRoster, students: KindCounts, removed: AbstractSet[str]
    ) -> BeforeAndAfter:
        """Count the students that are in no class.

        `before` are those that are in none now; `removed` are those who leave, and whom no class has afterwards.
        """
        places = self._places  # of a million students, on a first load: never copied
        stay = (student for student in places if places[student] and student not in removed)
        classes = applied.classes_of_students(stay) if students.existing else {}
        after = before + students.created - sum(1 for student in removed if not places[student])
        for student, moved in places.items():
            if moved > 0:
                after -= not classes.get(student)
            elif moved < 0 and student not in removed:
                after += classes.get(student, 0) + moved <= 0
        return BeforeAndAfter(before=before, after=after)


def _lacks_teacher(class_: Class | None) -> bool:
    return class_ is not None and not class_.teachers
