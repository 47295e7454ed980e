"""Decides which enrollments are places: class, user and enrollment active, and today within its dates.

The rules are in `add`, row by row. A district has seven million rows and only a few different terms on which people are
in classes, so `add_all` decides about terms once, and about all rows on ordinary terms by columns of numbers; the rest
go through `add`, with all rows of their classes, whose order may matter.

Sources: oneroster.md sections 9 (removals), 10 (dates) and 13 (references that lead nowhere).
"""

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from services.ingest.defects import DefectCode
from services.ingest.providers.oneroster import classes as class_codes
from services.ingest.providers.oneroster import person as person_bits
from services.ingest.providers.oneroster.classes import Classes
from services.ingest.providers.oneroster.people import People
from services.ingest.providers.oneroster.places import Flags, Indexes, Places
from services.ingest.providers.oneroster.rows import EnrollmentColumns, EnrollmentRow, Repeated, Terms
from services.ingest.providers.oneroster.values import Defects, read_boolean, read_date, read_role, read_status


class _Ordinary(NamedTuple):
    """Terms that make a place of an enrollment, whatever else, and are no defect. `kind` is the person's bit."""

    kind: int
    primary: bool


_ODD = _Ordinary(0, False)
"""Stands for all other terms: they make no place, or a class that is kept, or a defect."""


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

    def add_all(self, rows: EnrollmentColumns) -> None:
        """Take enrollments: the same as `add` for each, in their order."""
        if not rows.user_ids:
            return
        people = self._people.find_all(rows.user_ids)
        class_indexes = _of_each(rows.class_ids, self._classes.find_all(rows.class_ids.values))
        schools = _of_each(rows.school_ids, self._classes.school_numbers(rows.school_ids.values))
        self._count("place-in-unknown-class", class_indexes == class_codes.UNKNOWN)
        self._count("place-of-removed-person", class_indexes == class_codes.REMOVED)
        ordinary = _of_each(rows.terms, np.array([self._judge(terms) for terms in rows.terms.values], dtype=np.int64))
        kind, primary = ordinary[:, 0], ordinary[:, 1] != 0
        is_current = class_indexes >= 0
        state = np.where(people >= 0, self._people.state_of(people), 0)
        is_known = state & kind != 0
        is_odd = is_current & ((kind == 0) | (is_known & (state & person_bits.KEPT != 0)))
        one_by_one = np.isin(class_indexes, class_indexes[is_odd]) & is_current
        for at in np.flatnonzero(one_by_one).tolist():
            self.add(rows.row(at))
        rest = is_current & ~one_by_one
        is_removed = state & person_bits.REMOVED != 0
        self._count("place-of-unknown-person", rest & ~is_known)
        self._count("place-of-removed-person", rest & is_known & is_removed)
        stands = rest & is_known & ~is_removed
        self._count("place-school-differs", stands & self._classes.is_elsewhere(class_indexes, schools))
        self._places.add_all(
            class_indexes[stands],
            people[stands],
            students=kind[stands] == person_bits.STUDENT,
            primary=primary[stands],
        )

    def _count(self, defect: DefectCode, where: Flags) -> None:
        if found := int(np.count_nonzero(where)):
            self._defects[defect] += found

    def _judge(self, terms: Terms) -> _Ordinary:
        """Tell whether such an enrollment is a place without any doubt. Nothing is counted here."""
        status, role_word, primary_word, begin, end = terms
        defects: Defects = Counter()
        role = read_role(role_word)
        if role not in ("teacher", "student") or read_status(status, defects) != "active":
            return _ODD
        is_teacher = role == "teacher"
        primary = is_teacher and read_boolean(primary_word, defects) is True
        is_now = self._is_now(EnrollmentRow("", "", "", begin_date=begin, end_date=end), defects)
        if defects or not is_now:
            return _ODD
        return _Ordinary(person_bits.TEACHER if is_teacher else person_bits.STUDENT, primary)

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
        if person_index is None or not self._is_now(row, self._defects):
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
        if class_index == class_codes.UNKNOWN:
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

    def _is_now(self, row: EnrollmentRow, defects: Defects) -> bool:
        if not row.begin_date and not row.end_date:
            return True
        day = self._classes.day
        begin, end = read_date(row.begin_date, defects), read_date(row.end_date, defects)
        if begin is not None and day < begin:
            defects["place-not-yet-begun"] += 1
            return False
        if end is not None and (end <= day if self._end_date_is_exclusive else end < day):
            defects["place-already-ended"] += 1
            return False
        return True


def _of_each(column: Repeated[Any], of_values: Indexes) -> Indexes:
    """Give for each row what belongs to its value."""
    each: Indexes = of_values[np.frombuffer(column.at, dtype=np.uint32)]
    return each
