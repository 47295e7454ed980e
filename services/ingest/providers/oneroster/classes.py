"""Decides which of OneRoster's classes become records: of the current term, of a known school, reliable."""

from collections.abc import Sequence
from datetime import date
from itertools import repeat

import numpy as np

from services.ingest.providers.oneroster.current_term import Term, deciding_day, term_of
from services.ingest.providers.oneroster.places import Flags, Indexes
from services.ingest.providers.oneroster.rows import ClassRow, CourseRow, SessionRow
from services.ingest.providers.oneroster.schools import Schools
from services.ingest.providers.oneroster.unique_rows import UniqueRows
from services.ingest.providers.oneroster.values import Defects, read_status

REMOVED, LEFT_OUT, KEPT, UNKNOWN = -1, -2, -3, -4
"""What a class is that becomes no record: marked as removed; of another term or no school; not to be relied on; not
in the pull at all."""


class Classes:
    """The classes of one pull, with the sessions and courses that decide about them.

    After `settle`, `current` are the classes that become records and `day` is the day by which enrollments are
    judged. A class is kept as it was applied where nobody can rely on it: an unknown status, two differing rows under
    one id, a school that is itself kept.
    """

    def __init__(self, today: date, defects: Defects, *, end_date_is_exclusive: bool) -> None:
        self.day = today
        self.current: list[ClassRow] = []
        self.kept: set[str] = set()
        self._today = today
        self._defects = defects
        self._end_date_is_exclusive = end_date_is_exclusive
        self._sessions = UniqueRows[SessionRow](defects)
        self._courses: dict[str, CourseRow] = {}
        self._rows = UniqueRows[ClassRow](defects)
        self._texts: dict[str, str] = {}
        self._lists: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._codes: dict[str, int] = {}
        self._schools: dict[str, int] = {}
        self._school_of: Indexes = np.empty(0, dtype=np.int64)

    def add_session(self, row: SessionRow) -> None:
        """Take one academic session."""
        self._sessions.add(row)

    def add_course(self, row: CourseRow) -> None:
        """Take one course. Its own status does not matter: it is a title and a school year to the classes naming it.

        Of two differing rows under one id the lower one is used, so that the order in which they come does not matter.
        """
        first = self._courses.get(row.sourced_id)
        if first is not None:
            self._defects["id-twice" if first == row else "id-twice-differing"] += 1
        if first is None or (row.title, row.school_year_id) < (first.title, first.school_year_id):
            self._courses[row.sourced_id] = row

    def add(self, row: ClassRow) -> None:
        """Take one class. All of them stay in memory, and have most of their texts and lists in common."""
        text, list_ = self._texts.setdefault, self._lists.setdefault
        shared = ClassRow(
            row.sourced_id,
            text(row.status, row.status),
            text(row.title, row.title),
            text(row.course_id, row.course_id),
            text(row.school_id, row.school_id),
            list_(row.term_ids, row.term_ids),
            list_(row.grades, row.grades),
            list_(row.subjects, row.subjects),
        )
        self._rows.add(shared)

    def settle(self, schools: Schools) -> None:
        """Decide about every class, once all of them have come."""
        active: list[tuple[ClassRow, tuple[Term, ...]]] = []
        terms = self._terms()
        for row in self._rows:
            if row.sourced_id in self._rows.differing:
                self.keep(row.sourced_id)
                continue
            match read_status(row.status, self._defects):
                case "removed":
                    self._codes[row.sourced_id] = REMOVED
                case "unknown":
                    self.keep(row.sourced_id)
                case "active":
                    active.append((row, self._terms_of(row, terms)))
        self._rows, self._texts, self._lists = UniqueRows[ClassRow](self._defects), {}, {}
        self.day = deciding_day(self._today, {term for _, named in active for term in named}, terms.values())
        if self.day != self._today:
            self._defects["term-gap"] += 1
        for row, named in active:
            self._codes[row.sourced_id] = self._decide(row, named, schools)
        self._schools = {"": -1} | {school_id: number for number, school_id in enumerate(sorted(schools.ids))}
        self._school_of = np.array([self._schools[row.school_id] for row in self.current] or [-1], dtype=np.int64)

    def _terms(self) -> dict[str, Term]:
        terms = {}
        for row in self._sessions:
            term = term_of(row, end_date_is_exclusive=self._end_date_is_exclusive, defects=self._defects)
            if term is not None and row.sourced_id not in self._sessions.differing:
                terms[row.sourced_id] = term
        return terms

    def _terms_of(self, row: ClassRow, terms: dict[str, Term]) -> tuple[Term, ...]:
        if named := tuple(terms[term_id] for term_id in row.term_ids if term_id in terms):
            return named
        self._defects["class-term-unknown" if any(row.term_ids) else "class-without-term"] += 1
        course = self._courses.get(row.course_id)
        school_year = terms.get(course.school_year_id) if course is not None else None
        return () if school_year is None else (school_year,)

    def _decide(self, row: ClassRow, terms: tuple[Term, ...], schools: Schools) -> int:
        if terms and not any(term.covers(self.day) for term in terms):
            return LEFT_OUT
        if row.school_id in schools.kept:
            self.kept.add(row.sourced_id)
            return KEPT
        if row.school_id not in schools.ids:
            self._defects["class-without-school"] += 1
            return LEFT_OUT
        self.current.append(row)
        return len(self.current) - 1

    def find(self, sourced_id: str) -> int:
        """Give the index of a class in `current`, or REMOVED, LEFT_OUT, KEPT or UNKNOWN."""
        return self._codes.get(sourced_id, UNKNOWN)

    def find_all(self, sourced_ids: Sequence[str]) -> Indexes:
        """Give for each class what `find` gives."""
        found = map(self._codes.get, sourced_ids, repeat(UNKNOWN))
        return np.fromiter(found, dtype=np.int64, count=len(sourced_ids))

    def school_numbers(self, sourced_ids: Sequence[str]) -> Indexes:
        """Give the number of each school for `is_elsewhere`."""
        found = map(self._schools.get, sourced_ids, repeat(-2))
        return np.fromiter(found, dtype=np.int64, count=len(sourced_ids))

    def is_elsewhere(self, indexes: Indexes, schools: Indexes) -> Flags:
        """Tell for each class of `current`, by its index, whether a school is named here and it is not the class's.

        What it tells of an index that is not in `current` means nothing.
        """
        elsewhere: Flags = (schools != -1) & (schools != self._school_of.take(indexes, mode="clip"))
        return elsewhere

    def keep(self, sourced_id: str) -> None:
        """Leave what is applied under this id as it is: its row, or one of its places, cannot be relied on."""
        self.kept.add(sourced_id)
        self._codes[sourced_id] = KEPT

    def course_title(self, row: ClassRow) -> str:
        """Give the title of the class's course, blank where there is none."""
        course = self._courses.get(row.course_id)
        return "" if course is None else course.title
