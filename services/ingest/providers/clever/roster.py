"""Decides what of a Clever pull becomes a roster record (pure). Sections in brackets are those of clever.md."""

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import lru_cache
from typing import TypeVar

import msgspec
import numpy as np

from schemas.records import Class, Record, RecordKind, School, Student, Teacher
from services.ingest.defects import DefectCode
from services.ingest.providers.clever.paging import Page, Unreliable
from services.ingest.providers.clever.rows import (
    NOT_READABLE,
    CourseRow,
    HeldRoles,
    Ids,
    Name,
    SchoolRow,
    SectionRow,
    StudentRole,
    TeacherRole,
    TermRow,
    UserRow,
)
from services.ingest.providers.oneroster.values import read_email
from services.ingest.source import PullFailedError, RecordPage

GRADES = frozenset(
    (
        "InfantToddler",
        "Preschool",
        "PreKindergarten",
        "TransitionalKindergarten",
        "Kindergarten",
        *map(str, range(1, 14)),
        "PostGraduate",
        "Ungraded",
        "Other",
    )
)
"""The grades that Clever documents [8]; others are kept as they come, and counted."""

SUBJECTS = frozenset(
    (
        "english/language arts",
        "math",
        "science",
        "social studies",
        "language",
        "homeroom/advisory",
        "interventions/online learning",
        "technology and engineering",
        "PE and health",
        "arts and music",
        "other",
    )
)
"""The subjects that Clever documents [8]."""

_US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_held_roles = msgspec.json.Decoder(HeldRoles)
_Date = TypeVar("_Date", str, date)


class CleverRoster:
    """Turns the pages of one pull into records; give it all of a collection before the next, in the methods' order.

    It retains the ids of schools, terms, courses and people, and never a person's record.
    """

    def __init__(self, today: date, defects: Counter[DefectCode], page_records: int) -> None:
        self._today = today
        self._defects = defects
        self._page_records = page_records
        self._schools: set[str] = set()
        self._is_current: dict[str, bool] = {}
        self._courses: dict[str, str | None] = {}
        self._teachers: set[str] = set()
        self._students: set[str] = set()
        self._email_hashes = array("q")

    def add_schools(self, page: Page[SchoolRow]) -> list[RecordPage]:
        """Take a page of schools."""
        schools = [School(row.id, _text(row.name), _text(row.school_number) or None) for row in page.rows]
        kept = [row.id for row in page.unreliable]
        self._schools.update(kept, (school.id for school in schools))
        return self._pages("schools", schools, kept)

    def add_terms(self, page: Page[TermRow]) -> None:
        """Take a page of terms. A term whose dates nobody can read, or that has none, is current."""
        for row in page.rows:
            start, end = self._day(row.start_date), self._day(row.end_date)
            if start and end and start > end:
                self._defects["term-dates-reversed"] += 1
                start = end = None
            self._is_current[row.id] = (start or self._today) <= self._today <= (end or self._today)

    def add_courses(self, page: Page[CourseRow]) -> None:
        """Take a page of courses. Their names are used, because their ids do not last [9]."""
        for row in page.rows:
            self._courses[row.id] = _text(row.name) or _text(row.number) or None

    def add_users(self, page: Page[UserRow]) -> list[RecordPage]:
        """Take a page of users: students and teachers, whoever is both twice; nobody else is rostered [7.3]."""
        students: list[Student] = []
        teachers: list[Teacher] = []
        for row in page.rows:
            roles = row.roles
            if roles.student is None and roles.teacher is None:
                if roles.staff is None and roles.district_admin is None and roles.contact is None:
                    self._defects["person-without-role"] += 1
                continue
            if roles.student is not None and roles.teacher is not None:
                self._defects["person-in-two-kinds"] += 1
            email = self._email(row)
            given, family = self._names(row.name)
            if roles.student is not None:
                students.append(self._student(row.id, email, given, family, roles.student))
            if roles.teacher is not None:
                teachers.append(self._teacher(row.id, email, given, family, roles.teacher))
        kept_students, kept_teachers = _kept_people(page.unreliable)
        self._students.update(kept_students, (student.id for student in students))
        self._teachers.update(kept_teachers, (teacher.id for teacher in teachers))
        return [
            *self._pages("teachers", teachers, kept_teachers),
            *self._pages("students", students, kept_students),
        ]

    def count_shared_emails(self) -> None:
        """Count the people whose email an earlier one has; call it once, after the last user."""
        hashes = np.frombuffer(self._email_hashes, dtype=np.int64)
        if shared := len(hashes) - len(np.unique(hashes)):
            self._defects["email-shared"] += shared

    def add_sections(self, page: Page[SectionRow]) -> list[RecordPage]:
        """Take a page of sections: those of the current term, and those of which nobody can tell, become classes."""
        classes = [class_ for row in page.rows if (class_ := self._class(row)) is not None]
        return self._pages("classes", classes, [row.id for row in page.unreliable])

    def _student(self, id_: str, email: str | None, given: str, family: str, role: StudentRole) -> Student:
        preferred = role.preferred_name
        return Student(
            id_,
            email,
            given,
            family,
            _full_name(_text(preferred.first) or given, _text(preferred.last) or family)
            if preferred
            else _full_name(given, family),
            self._schools_of(role.school, role.schools),
            _text(role.student_number) or None,
            self._known(role.grade, GRADES),
            self._birth_date(role.dob),
        )

    def _teacher(self, id_: str, email: str | None, given: str, family: str, role: TeacherRole) -> Teacher:
        return Teacher(
            id=id_,
            email=email,
            given=given,
            family=family,
            display_name=_full_name(given, family),
            schools=self._schools_of(role.school, role.schools),
            number=_text(role.teacher_number) or None,
        )

    def _class(self, row: SectionRow) -> Class | None:
        if not self._in_current_term(row.term_id):
            return None
        if row.school not in self._schools:
            self._defects["class-without-school"] += 1
            return None
        return Class(
            id=row.id,
            name=_text(row.name),
            school=row.school,
            teachers=self._teachers_of(row),
            students=tuple(sorted(self._members(row.students, self._students))),
            course=self._courses.get(row.course or ""),
            grade=self._known(row.grade, GRADES),
            subject=self._known(row.subject, SUBJECTS),
        )

    def _in_current_term(self, term: str | None) -> bool:
        if not term:
            self._defects["class-without-term"] += 1
            return True
        current = self._is_current.get(term)
        if current is None:
            self._defects["class-term-unknown"] += 1
            return True
        return current

    def _teachers_of(self, row: SectionRow) -> tuple[str, ...]:
        """Give the teachers, the primary first: `teacher`, or the first of `teachers` where that is absent [12]."""
        listed = [id_ for id_ in row.teachers or () if id_]
        primary = row.teacher or next(iter(listed), None)
        if primary and primary not in listed:
            listed.append(primary)
        teachers = self._members(listed, self._teachers)
        if not teachers:
            self._defects["class-without-teacher"] += 1
        return (*(id_ for id_ in (primary,) if id_ in teachers), *sorted(teachers - {primary}))

    def _members(self, ids: Sequence[str | None] | None, people: set[str]) -> set[str]:
        """Give those whom we can see; a district may share by student, so others are named too [12]."""
        listed = ids or ()
        named = set(listed)
        if None in named or "" in named:
            listed = [id_ for id_ in listed if id_]
            named = set(listed)
        seen = people & named
        if len(named) < len(listed):
            self._defects["place-twice"] += len(listed) - len(named)
        if len(seen) < len(named):
            self._defects["place-of-unknown-person"] += len(named) - len(seen)
        return seen

    def _schools_of(self, primary: str | None, schools: Ids) -> tuple[str, ...]:
        if schools == (primary,) and primary in self._schools:
            return (primary,)  # nearly everybody
        named = {id_ for id_ in (primary, *(schools or ())) if id_}
        known = named & self._schools
        if len(known) < len(named):
            self._defects["person-school-unknown"] += len(named) - len(known)
        return tuple(sorted(known))

    def _email(self, row: UserRow) -> str | None:
        email = read_email(_text(row.email), self._defects)
        if email is not None:
            self._email_hashes.append(hash(email.casefold()))
        return email

    def _names(self, name: Name | None) -> tuple[str, str]:
        given, family = (_text(name.first), _text(name.last)) if name else ("", "")
        if not (given and family):
            self._defects["name-missing"] += 1
        return given, family

    def _known(self, value: str | None, documented: frozenset[str]) -> str | None:
        word = _text(value)
        if word and word not in documented:
            self._defects["value-unknown"] += 1
        return word or None

    def _birth_date(self, value: str | None) -> str | None:
        return self._dated(_text(value), _read_birth_date)

    def _day(self, value: str | None) -> date | None:
        return self._dated(_text(value), date.fromisoformat)

    def _dated(self, word: str, read: Callable[[str], _Date]) -> _Date | None:
        if not word:
            return None
        try:
            return read(word)
        except ValueError:
            self._defects["date-unreadable"] += 1
            return None

    def _pages(self, kind: RecordKind, records: Sequence[Record], kept: Sequence[str]) -> list[RecordPage]:
        size = self._page_records
        pages = [RecordPage(kind, records[start : start + size]) for start in range(0, len(records), size)]
        pages += [RecordPage(kind, kept=kept[start : start + size]) for start in range(0, len(kept), size)]
        return pages


def _kept_people(unreliable: Iterable[Unreliable]) -> tuple[list[str], list[str]]:
    """Give the ids of unreliable students and teachers. One who may be either cannot be told from one who is gone."""
    students, teachers = [], []
    for person in unreliable:
        try:
            roles = {
                name
                for row in person.rows
                for name, held in _held_roles.decode(row).roles.items()
                if bytes(held) != b"null"
            }
        except NOT_READABLE as error:
            raise PullFailedError(
                "not-a-roster", f"user {person.id} of Clever's /users has no readable roles: {error}"
            ) from error
        if "student" in roles:
            students.append(person.id)
        if "teacher" in roles:
            teachers.append(person.id)
    return students, teachers


def _text(value: str | None) -> str:
    """Give the text without spaces around it, "" for none."""
    return value.strip() if value else ""


def _full_name(given: str, family: str) -> str:
    return f"{given} {family}".strip()


@lru_cache(maxsize=65536)
def _read_birth_date(value: str) -> str:
    """Read M/D/YYYY, as Clever writes dates of birth, into YYYY-MM-DD."""
    found = _US_DATE.fullmatch(value)
    if found is None:
        return date.fromisoformat(value).isoformat()
    month, day, year = map(int, found.groups())
    return date(year, month, day).isoformat()
