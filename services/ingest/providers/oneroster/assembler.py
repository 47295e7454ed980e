"""Puts OneRoster's separate collections together into roster records (the pure part of every OneRoster source).

Feed it whole collections in this order: orgs, sessions, courses, users, classes, enrollments; then take the pages.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from schemas.records import Class, Record, RecordKind
from services.ingest.providers.oneroster.classes import Classes
from services.ingest.providers.oneroster.enrollments import Enrollments
from services.ingest.providers.oneroster.people import People
from services.ingest.providers.oneroster.places import Places
from services.ingest.providers.oneroster.rows import (
    ClassRow,
    CourseRow,
    EnrollmentColumns,
    EnrollmentRow,
    OrgRow,
    SessionRow,
    UserRow,
    UserRows,
)
from services.ingest.providers.oneroster.schools import Schools
from services.ingest.providers.oneroster.values import Defects, first_text, read_text
from services.ingest.remembered_rows import RowMemory
from services.ingest.source import PullReport, RecordPage


class OneRosterAssembler:
    """Decides what of a OneRoster pull becomes a record: the signatures REST and CSV rely on.

    `today` is the district's own. `end_date_is_exclusive` is true for 1.2, false for 1.1 and 1.0. Each `add_` takes a
    collection in one or several calls, row by row, in any order of rows; every departure from the specification is
    counted in `report.defects`. Memory grows with ids, classes and 8 bytes a place, not with whole users. With a
    `memory`, which must have begun, users who are as they were at the last pull are not worked out again.
    """

    def __init__(
        self,
        today: date,
        report: PullReport,
        *,
        end_date_is_exclusive: bool,
        page_records: int,
        memory: RowMemory | None = None,
    ) -> None:
        self._defects: Defects = report.defects
        self._page_records = page_records
        self._schools = Schools(self._defects)
        self._people = People(self._schools, self._defects, page_records, memory)
        self._classes = Classes(today, self._defects, end_date_is_exclusive=end_date_is_exclusive)
        self._places = Places(self._defects)
        self._enrollments = Enrollments(
            self._classes, self._people, self._places, self._defects, end_date_is_exclusive=end_date_is_exclusive
        )
        self._schools_are_settled = False
        self._is_settled = False

    def add_orgs(self, rows: Iterable[OrgRow]) -> None:
        """Take orgs."""
        for row in rows:
            self._schools.add(row)

    def add_sessions(self, rows: Iterable[SessionRow]) -> None:
        """Take academic sessions of all types."""
        for row in rows:
            self._classes.add_session(row)

    def add_courses(self, rows: Iterable[CourseRow]) -> None:
        """Take courses."""
        for row in rows:
            self._classes.add_course(row)

    def add_users(self, rows: Sequence[UserRow]) -> None:
        """Take users as rows."""
        self.add_user_rows(UserRows.of(rows))

    def add_user_rows(self, rows: UserRows) -> None:
        """Take users."""
        self._settle_schools()
        self._people.add(rows)

    def add_classes(self, rows: Iterable[ClassRow]) -> None:
        """Take classes."""
        for row in rows:
            self._classes.add(row)

    def add_enrollments(self, rows: Sequence[EnrollmentRow]) -> None:
        """Take enrollments as rows."""
        self.add_enrollment_columns(EnrollmentColumns.of(rows))

    def add_enrollment_columns(self, rows: EnrollmentColumns) -> None:
        """Take enrollments."""
        self._settle()
        self._enrollments.add_all(rows)

    def finish(self) -> Iterator[RecordPage]:
        """Give all schools, teachers, students and classes, each id once, and what is kept of each kind."""
        self._settle()
        yield from self._pages("schools", self._schools.records(), self._schools.kept)
        yield from self._people.pages()
        yield from self._pages("classes", self._class_records(), self._classes.kept)

    def _settle_schools(self) -> None:
        if not self._schools_are_settled:
            self._schools.settle()
            self._schools_are_settled = True

    def _settle(self) -> None:
        """Decide about schools, people and classes, once all of them have come."""
        if not self._is_settled:
            self._settle_schools()
            self._people.settle()
            self._classes.settle(self._schools)
            self._is_settled = True

    def _class_records(self) -> Iterator[Class]:
        defects, current = self._defects, self._classes.current
        for row, (primaries, others, students) in zip(
            current, self._places.by_class(len(current), self._people.ids), strict=True
        ):
            if row.sourced_id in self._classes.kept:
                continue
            if len(primaries) > 1:
                defects["several-primary-teachers"] += 1
            teachers = (*primaries[:1], *sorted([*primaries[1:], *others]))
            if not teachers:
                defects["class-without-teacher"] += 1
            yield Class(
                row.sourced_id,
                read_text(row.title, defects),
                row.school_id,
                teachers,
                tuple(students),
                course=read_text(self._classes.course_title(row), defects) or None,
                grade=first_text(row.grades, defects),
                subject=first_text(row.subjects, defects),
            )

    def _pages(self, kind: RecordKind, records: Iterator[Record], kept: Iterable[str]) -> Iterator[RecordPage]:
        page: list[Record] = []
        for record in records:
            page.append(record)
            if len(page) == self._page_records:
                yield RecordPage(kind, records=page)
                page = []
        if page:
            yield RecordPage(kind, records=page)
        left = sorted(kept)
        for start in range(0, len(left), self._page_records):
            yield RecordPage(kind, kept=left[start : start + self._page_records])
