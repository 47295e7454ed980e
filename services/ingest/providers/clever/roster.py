"""Decides what of a Clever pull becomes a roster record (pure). Sections in brackets are those of clever.md."""

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from functools import cached_property, lru_cache
from itertools import chain, compress, repeat
from typing import Any, TypeVar, cast

import msgspec
import numpy as np

from schemas.records import Class, RecordKind, School, Student, Teacher
from services.ingest.defects import DefectCode
from services.ingest.entries import encode_entry
from services.ingest.known_rows import Counts
from services.ingest.providers.clever.block_paging import BlockPage, FreshBlock
from services.ingest.providers.clever.paging import Page, Unreliable
from services.ingest.providers.clever.remembered import (
    NUMBER,
    RememberedSection,
    RememberedUser,
    SectionMemory,
    SectionsBlock,
    UserMemory,
    UsersBlock,
    numbers_of,
)
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
from services.ingest.remembered_rows import RowMemory
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

    It retains the ids of schools, terms, courses and people, and never a person's record. With a `memory`, which must
    have begun, a user's or section's record is not made again where everything that it depends on is as it was.
    """

    def __init__(
        self, today: date, defects: Counter[DefectCode], page_records: int, memory: RowMemory | None = None
    ) -> None:
        self._today = today
        self._all_defects = defects
        self._defects: Counter[DefectCode] = Counter()  # of what is being read, until they are settled
        self._page_records = page_records
        self._memory = memory
        self._schools: set[str] = set()
        self._is_current: dict[str, bool] = {}
        self._courses: dict[str, str | None] = {}
        self._teachers: dict[str, int] = {}  # people's numbers, by their ids
        self._students: dict[str, int] = {}
        self._email_hashes = array("q")

    def add_schools(self, page: Page[SchoolRow]) -> list[RecordPage]:
        """Take a page of schools."""
        schools = [School(row.id, _text(row.name), _text(row.school_number) or None) for row in page.rows]
        kept = [row.id for row in page.unreliable]
        self._schools.update(kept, (school.id for school in schools))
        entries = [encode_entry(school, self._all_defects) for school in schools]
        return self._pages("schools", entries, kept)

    def add_terms(self, page: Page[TermRow]) -> list[RecordPage]:
        """Take a page of terms, which are no records. One whose dates nobody can read, or that has none, is current."""
        for row in page.rows:
            start, end = self._day(row.start_date), self._day(row.end_date)
            if start and end and start > end:
                self._defects["term-dates-reversed"] += 1
                start = end = None
            self._is_current[row.id] = (start or self._today) <= self._today <= (end or self._today)
        self._all_defects.update(self._settled() or {})
        return []

    def add_courses(self, page: Page[CourseRow]) -> list[RecordPage]:
        """Take a page of courses, which are no records. Their names are used, because their ids do not last [9]."""
        for row in page.rows:
            self._courses[row.id] = _text(row.name) or _text(row.number) or None
        return []

    @cached_property
    def users(self) -> UserMemory:
        """What is remembered of users; only once every school is there."""
        return UserMemory(self._memory, self._schools)

    def add_users(self, page: BlockPage[UserRow, UsersBlock, RememberedUser]) -> list[RecordPage]:
        """Take a page of users: students and teachers, whoever is both twice; nobody else is rostered [7.3]."""
        blocks = [
            block
            if isinstance(block, UsersBlock)
            else UsersBlock.of(block.digest, list(map(self._user, block.rows, block.digests)))
            for block in page.blocks
        ]
        self.users.remember(blocks)
        for block in blocks:
            self._count(block.defects)
        ids = list(chain.from_iterable(block.ids for block in blocks))
        numbers = np.frombuffer(b"".join(block.numbers for block in blocks), dtype=NUMBER).tolist()
        students = list(chain.from_iterable(block.students for block in blocks))
        teachers = list(chain.from_iterable(block.teachers for block in blocks))
        emails = chain.from_iterable(block.emails for block in blocks)
        self._email_hashes.extend(map(hash, filter(None, emails)))
        self._students.update(zip(compress(ids, students), compress(numbers, students), strict=True))
        self._teachers.update(zip(compress(ids, teachers), compress(numbers, teachers), strict=True))
        kept_students, kept_teachers = _kept_people(page.unreliable)
        self._students.update((id_, self.users.number(id_)) for id_ in kept_students)
        self._teachers.update((id_, self.users.number(id_)) for id_ in kept_teachers)
        return [
            *self._pages("teachers", list(filter(None, teachers)), kept_teachers),
            *self._pages("students", list(filter(None, students)), kept_students),
        ]

    def count_shared_emails(self) -> None:
        """Count the people whose email an earlier one has; call it once, after the last user."""
        hashes = np.sort(np.frombuffer(self._email_hashes, dtype=np.int64))
        if shared := int(np.count_nonzero(hashes[1:] == hashes[:-1])):
            self._all_defects["email-shared"] += shared

    @cached_property
    def sections(self) -> SectionMemory:
        """What is remembered of sections; only once everything that they depend on is there."""
        return SectionMemory(
            self._memory,
            is_current=self._is_current,
            courses=self._courses,
            schools=self._schools,
            students=self._students.values(),
            teachers=self._teachers.values(),
        )

    def add_sections(self, page: BlockPage[SectionRow, SectionsBlock, RememberedSection]) -> list[RecordPage]:
        """Take a page of sections: those of the current term, and those of which nobody can tell, become classes."""
        fresh = [row for block in page.blocks if isinstance(block, FreshBlock) for row in block.rows]
        rows = [row for row in fresh if isinstance(row, SectionRow)]
        students = iter(self._numbers_of(rows) if rows else ())

        def remembered(row: SectionRow | RememberedSection, digest: bytes) -> RememberedSection:
            return self._section(row, digest, next(students)) if isinstance(row, SectionRow) else row

        blocks = [
            block
            if isinstance(block, SectionsBlock)
            else SectionsBlock.of(block.digest, list(map(remembered, block.rows, block.digests)))
            for block in page.blocks
        ]
        self.sections.remember(blocks)
        for block in blocks:
            self._count(block.defects)
        entries = list(filter(None, chain.from_iterable(block.entries for block in blocks)))
        return self._pages("classes", entries, [row.id for row in page.unreliable])

    def _user(self, row: UserRow | RememberedUser, digest: bytes) -> RememberedUser:
        if isinstance(row, RememberedUser):
            return row
        roles = row.roles
        number = self.users.number(row.id)
        if roles.student is None and roles.teacher is None:
            if roles.staff is None and roles.district_admin is None and roles.contact is None:
                self._defects["person-without-role"] += 1
            return RememberedUser(row.id, digest, number, defects=self._settled())
        if roles.student is not None and roles.teacher is not None:
            self._defects["person-in-two-kinds"] += 1
        email = read_email(_text(row.email), self._defects)
        given, family = self._names(row.name)
        student = teacher = b""
        if roles.student is not None:
            student = encode_entry(self._student(row.id, email, given, family, roles.student), self._defects)
        if roles.teacher is not None:
            teacher = encode_entry(self._teacher(row.id, email, given, family, roles.teacher), self._defects)
        compared = email.casefold() if email is not None else ""
        return RememberedUser(row.id, digest, number, student, teacher, compared, self._settled())

    def _section(self, row: SectionRow, digest: bytes, students: bytes | None) -> RememberedSection:
        """Make a section's class. `students` are the numbers of its students, None where it names other people too."""
        is_current, has_school = self._in_current_term(row.term_id), row.school in self._schools
        course = self._courses.get(row.course or "")
        entry, teachers, lasts = b"", b"", True
        if is_current and has_school:
            entry = encode_entry(self._class(row, course), self._defects)
            numbers = [self._teachers.get(id_) for id_ in {row.teacher, *(row.teachers or ())} if id_]
            teachers = numbers_of([number for number in numbers if number is not None])
            lasts = students is not None and None not in numbers
        elif is_current:
            self._defects["class-without-school"] += 1
        return RememberedSection(
            *(row.id, digest, entry, row.term_id, self._is_current.get(row.term_id or "")),
            *(row.course, course, row.school, has_school),
            *(students or b"" if entry else b"", teachers, lasts, self._settled()),
        )

    def _numbers_of(self, rows: Sequence[SectionRow]) -> list[bytes | None]:
        """Give the numbers of each section's students; None where one is unknown or named twice."""
        named = [row.students or () for row in rows]
        sizes = np.fromiter(map(len, named), dtype=np.int64, count=len(named))
        ends = np.cumsum(sizes)
        get: Callable[[str | None, int], int] = cast(Any, self._students.get)
        numbers = np.fromiter(map(get, chain.from_iterable(named), repeat(-1)), dtype=np.int64, count=int(sizes.sum()))
        section = np.repeat(np.arange(len(named), dtype=np.int64), sizes)
        is_odd = np.zeros(len(named), dtype=bool)
        is_odd[section[numbers < 0]] = True
        keys = np.sort((section << 32) + np.maximum(numbers, 0))
        is_odd[keys[1:][keys[1:] == keys[:-1]] >> 32] = True
        ordered = (keys & 0xFFFFFFFF).astype(NUMBER).tobytes()
        return [
            None if odd else ordered[4 * (end - size) : 4 * end]
            for odd, size, end in zip(is_odd.tolist(), sizes.tolist(), ends.tolist(), strict=True)
        ]

    def _settled(self) -> Counts | None:
        """Give the defects of what was just read, where there are any; they are counted with its block."""
        if not self._defects:
            return None
        own = dict(self._defects)
        self._defects.clear()
        return own

    def _count(self, defects: Mapping[int, Counts]) -> None:
        for counts in defects.values():
            self._all_defects.update(counts)

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

    def _class(self, row: SectionRow, course: str | None) -> Class:
        return Class(
            id=row.id,
            name=_text(row.name),
            school=row.school or "",
            teachers=self._teachers_of(row),
            students=tuple(sorted(self._members(row.students, self._students.keys()))),
            course=course,
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
        teachers = self._members(listed, self._teachers.keys())
        if not teachers:
            self._defects["class-without-teacher"] += 1
        return (*(id_ for id_ in (primary,) if id_ in teachers), *sorted(teachers - {primary}))

    def _members(self, ids: Sequence[str | None] | None, people: AbstractSet[str]) -> set[str]:
        """Give those whom we can see; a district may share by student, so others are named too [12]."""
        listed = ids or ()
        named = set(listed)
        if None in named or "" in named:
            listed = [id_ for id_ in listed if id_]
            named = set(listed)
        seen = set(people & named)
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

    def _pages(self, kind: RecordKind, entries: Sequence[bytes], kept: Sequence[str]) -> list[RecordPage]:
        size = self._page_records
        pages = [RecordPage(kind, entries=entries[start : start + size]) for start in range(0, len(entries), size)]
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
