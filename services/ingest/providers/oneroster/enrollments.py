"""Decides which enrollments are places: class, user and enrollment active, and today within its dates.

Sources: oneroster.md sections 9 (removals), 10 (dates) and 13 (references that lead nowhere).
"""

from services.ingest.providers.oneroster import classes as class_codes
from services.ingest.providers.oneroster import people as person_bits
from services.ingest.providers.oneroster.classes import Classes
from services.ingest.providers.oneroster.people import People
from services.ingest.providers.oneroster.places import Places
from services.ingest.providers.oneroster.rows import EnrollmentRow
from services.ingest.providers.oneroster.values import Defects, read_boolean, read_date, read_role, read_status


class Enrollments:
    """Takes enrollments once all people have come and the classes are settled."""

    def __init__(
        self, classes: Classes, people: People, places: Places, defects: Defects, *, end_date_is_exclusive: bool
    ) -> None:
        self._classes = classes
        self._people = people
        self._places = places
        self._defects = defects
        self._end_date_is_exclusive = end_date_is_exclusive

    def add(self, row: EnrollmentRow) -> None:
        """Take one enrollment: make it a place, or leave it out and count why.

        Where the enrollment's status is unknown, or its person is kept, the class cannot be relied on and is kept.
        """
        class_index = self._class(row)
        if class_index is None:
            return
        role = read_role(row.role)
        if role is None:
            self._defects["place-role-unknown"] += 1
        if role is None or role == "other":
            return
        kind = person_bits.TEACHER if role == "teacher" else person_bits.STUDENT
        person_index = self._person(row, kind)
        if person_index is None or not self._is_now(row):
            return
        if row.school_id and row.school_id != self._classes.current[class_index].school_id:
            self._defects["place-school-differs"] += 1
        if kind == person_bits.TEACHER:
            primary = read_boolean(row.primary, self._defects) is True
            self._places.add_teacher(class_index, person_index, primary=primary)
        else:
            self._places.add_student(class_index, person_index)

    def _class(self, row: EnrollmentRow) -> int | None:
        class_index = self._classes.find(row.class_id)
        if class_index is None:
            self._defects["place-in-unknown-class"] += 1
        elif class_index == class_codes.REMOVED:
            self._defects["place-of-removed-person"] += 1
        elif class_index >= 0:
            return class_index
        return None

    def _person(self, row: EnrollmentRow, kind: int) -> int | None:
        status = read_status(row.status, self._defects)
        person_index = self._people.find(row.user_id)
        state = 0 if person_index is None else self._people.states[person_index]
        if status == "removed":
            self._defects["place-of-removed-person"] += 1
        elif status == "unknown":
            self._classes.keep(row.class_id)
        elif not state & kind:
            self._defects["place-of-unknown-person"] += 1
        elif state & person_bits.KEPT:
            self._classes.keep(row.class_id)
        elif state & person_bits.REMOVED:
            self._defects["place-of-removed-person"] += 1
        else:
            return person_index
        return None

    def _is_now(self, row: EnrollmentRow) -> bool:
        if not row.begin_date and not row.end_date:
            return True
        day = self._classes.day
        begin, end = read_date(row.begin_date, self._defects), read_date(row.end_date, self._defects)
        if begin is not None and day < begin:
            self._defects["place-not-yet-begun"] += 1
            return False
        if end is not None and (end <= day if self._end_date_is_exclusive else end < day):
            self._defects["place-already-ended"] += 1
            return False
        return True
