"""Puts OneRoster's separate collections together into roster records (the pure part of every OneRoster source).

Feed it whole collections in this order: orgs, sessions, courses, users, classes, enrollments; then take the pages.
"""

from collections.abc import Iterable, Iterator
from datetime import date

from services.ingest.providers.oneroster.rows import ClassRow, CourseRow, EnrollmentRow, OrgRow, SessionRow, UserRow
from services.ingest.source import PullReport, RecordPage


class OneRosterAssembler:
    """Decides what of a OneRoster pull becomes a record: the signatures REST and CSV rely on."""

    def __init__(self, today: date, report: PullReport, *, end_date_is_exclusive: bool, page_records: int) -> None:
        raise NotImplementedError

    def add_orgs(self, rows: Iterable[OrgRow]) -> None: ...
    def add_sessions(self, rows: Iterable[SessionRow]) -> None: ...
    def add_courses(self, rows: Iterable[CourseRow]) -> None: ...
    def add_users(self, rows: Iterable[UserRow]) -> Iterator[RecordPage]: ...
    def add_classes(self, rows: Iterable[ClassRow]) -> None: ...
    def add_enrollments(self, rows: Iterable[EnrollmentRow]) -> None: ...
    def finish(self) -> Iterator[RecordPage]: ...
