"""What Rollcall must make of a sandbox district's night: every record, and the counts against another night.

Computed from the generator's own arrays and marks, never from what is served, so that a test can compare the accounts
database with it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import msgspec
import numpy as np

from deploy.sandbox import clever_rows, ids, oneroster_rows
from deploy.sandbox.district import NONE, TEACHES, DistrictDefinition
from deploy.sandbox.names import FAMILY, GIVEN, SUBJECTS
from deploy.sandbox.nights import play
from deploy.sandbox.roster import HARMLESS_MARKS, PLACE_MARKS, TEACHER_CODE, Roster
from schemas.records import KINDS, Class, Kind, Record, RecordKind, School, Student, Teacher, digest_of, encode_record

_EPOCH = date(1970, 1, 1)
_KIND_OF: dict[type[Record], RecordKind] = {
    School: "schools",
    Teacher: "teachers",
    Student: "students",
    Class: "classes",
}


class TrueCounts(msgspec.Struct, frozen=True):
    """One kind's total on the baseline night, and what the change to this night is."""

    existing: int
    created: int
    updated: int
    removed: int


class Truth(msgspec.Struct, frozen=True):
    """A night as it must stand in the accounts database once applied.

    `counts` are against `against` (0 means against nothing). `digest` is RosterSynced's: the sum modulo 2^128 of all
    records' digests. `marks` tells how many rows of each defect are in the data, which a pull may count in another way.
    """

    district: str
    night: int
    against: int
    totals: dict[Kind, int]
    counts: dict[Kind, TrueCounts]
    digest: str
    marks: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Digested:
    """A night's digests by kind and id, with the places of each class."""

    digests: dict[Kind, dict[str, str]]
    places: set[tuple[str, str, str]]


def truth(definition: DistrictDefinition, night: int, today: date, against: int | None = None) -> Truth:
    """Tell what this night must look like, and how it differs from an earlier one (the one before it if not given)."""
    against = night - 1 if against is None else against
    roster = Roster(play(definition, night))
    now = _digested(roster, today)
    before = _digested(Roster(play(definition, against)), today) if against else _Digested({}, set())
    counts: dict[Kind, TrueCounts] = {}
    for kind in KINDS:
        if kind == "places":
            counts[kind] = _place_counts(before.places, now.places)
        else:
            counts[kind] = _record_counts(before.digests.get(kind, {}), now.digests[kind])
    total = sum(int(digest, 16) for digests in now.digests.values() for digest in digests.values())
    return Truth(
        district=definition.district,
        night=night,
        against=against,
        totals={kind: len(now.places) if kind == "places" else len(now.digests[kind]) for kind in KINDS},
        counts=counts,
        digest=f"{total % (1 << 128):032x}",
        marks=_marks(roster),
    )


def records(roster: Roster, today: date) -> Iterator[Record]:
    """Give every record of the night as Rollcall must have it: schools, teachers, students, classes."""
    make = _CleverTruth(roster) if roster.definition.provider == "clever" else _OneRosterTruth(roster)
    yield from make.schools()
    yield from make.teachers()
    yield from make.students()
    yield from make.classes(today)


class _RosterTruth:
    """What both providers have in common; ids and words are the provider's."""

    def __init__(self, roster: Roster) -> None:
        self.roster = roster
        self.district = roster.district
        self.slug = roster.definition.district

    def school_id(self, school: int) -> str:
        raise NotImplementedError

    def teacher_id(self, serial: int) -> str:
        raise NotImplementedError

    def student_id(self, serial: int) -> str:
        raise NotImplementedError

    def class_id(self, serial: int) -> str:
        raise NotImplementedError

    def grade(self, grade: int) -> str:
        raise NotImplementedError

    def birth_date(self, born: int) -> str | None:
        return str(_EPOCH + timedelta(days=born))

    def class_name(self, row: int) -> str:
        raise NotImplementedError

    def subject(self, course: int) -> str:
        raise NotImplementedError

    def is_listed(self, row: int) -> bool:
        """Tell whether the provider lists this class at all."""
        return not self.roster.class_marks["class-without-school"][row]

    def schools(self) -> Iterator[School]:
        for school in range(self.district.schools):
            yield School(self.school_id(school), self.roster.school_name(school), str(1001 + school))

    def teachers(self) -> Iterator[Teacher]:
        teachers = self.district.teachers
        for row in np.flatnonzero(teachers.roles & TEACHES).tolist():
            given, family = self.roster.teacher_name(row)
            serial = int(teachers.serial[row])
            yield Teacher(
                self.teacher_id(serial),
                self.roster.teacher_email(row),
                given,
                family,
                f"{given} {family}",
                (self.school_id(int(teachers.school[row])),),
                str(50_000 + serial),
            )

    def students(self) -> Iterator[Student]:
        roster, students, marks = self.roster, self.district.students, self.roster.student_marks
        for row in np.flatnonzero(~marks["place-of-removed-person"]).tolist():
            email: str | None = roster.student_emails[row]
            if marks["email-missing"][row] or marks["email-malformed"][row]:
                email = None
            given = "" if marks["name-missing"][row] else GIVEN[students.given[row]]
            family = FAMILY[students.family[row]]
            attended = [int(students.school[row]), int(students.second_school[row])]
            yield Student(
                self.student_id(int(students.serial[row])),
                email,
                given,
                family,
                f"{given} {family}".strip(),
                tuple(sorted(self.school_id(school) for school in attended if school != NONE)),
                None if marks["null-written-out"][row] else str(students.number[row]),
                self.grade(int(students.grade[row])),
                self.birth_date(int(students.born[row])),
            )

    def classes(self, today: date) -> Iterator[Class]:
        district, marks, places = self.district, self.roster.class_marks, self.roster.places
        running = [term.serial for term in district.terms if term.first <= today <= term.last]
        kept = np.isin(district.classes.term, running) | marks["class-without-term"] | marks["class-term-unknown"]
        stands = np.isin(places.mark, [PLACE_MARKS.index(mark) for mark in HARMLESS_MARKS])
        for row in np.flatnonzero(kept).tolist():
            if not self.is_listed(row):
                continue
            span = slice(self.roster.class_starts[row], self.roster.class_starts[row + 1])
            people = sorted(set(places.person[span][stands[span]].tolist()))
            course, serial = int(district.classes.course[row]), int(district.classes.serial[row])
            yield Class(
                self.class_id(serial),
                self.class_name(row),
                self.school_id(int(district.classes.school[row])),
                self._teachers_of(row, [code - TEACHER_CODE for code in people if code >= TEACHER_CODE]),
                tuple(self.student_id(code) for code in people if code < TEACHER_CODE),
                None if course == NONE else clever_rows.course_name(course),
                self.grade(int(district.classes.grade[row])),
                None if course == NONE else self.subject(course),
            )

    def _teachers_of(self, row: int, serials: list[int]) -> tuple[str, ...]:
        """Give the teachers, the primary first; of several primary ones the lowest."""
        primary = int(self.district.classes.teacher[row])
        if self.roster.class_marks["several-primary-teachers"][row]:
            primary = min(serials, default=primary)
        return tuple(self.teacher_id(serial) for serial in sorted(serials, key=lambda each: (each != primary, each)))


class _CleverTruth(_RosterTruth):
    def school_id(self, school: int) -> str:
        return ids.clever_id(self.slug, "school", school)

    def teacher_id(self, serial: int) -> str:
        return ids.clever_id(self.slug, "teacher", serial)

    def student_id(self, serial: int) -> str:
        return ids.clever_id(self.slug, "student", serial)

    def class_id(self, serial: int) -> str:
        return ids.clever_id(self.slug, "section", serial)

    def grade(self, grade: int) -> str:
        return clever_rows.GRADES[grade]

    def class_name(self, row: int) -> str:
        return clever_rows.section_name(self.roster, row)

    def subject(self, course: int) -> str:
        return SUBJECTS[course % len(SUBJECTS)][1]

    def is_listed(self, row: int) -> bool:
        return bool(self.roster.students_in_class[row])


class _OneRosterTruth(_RosterTruth):
    def school_id(self, school: int) -> str:
        return ids.org_id(school)

    def teacher_id(self, serial: int) -> str:
        return ids.teacher_id(serial)

    def student_id(self, serial: int) -> str:
        return ids.student_id(serial)

    def class_id(self, serial: int) -> str:
        return ids.class_id(serial)

    def grade(self, grade: int) -> str:
        return oneroster_rows.GRADES[grade]

    def birth_date(self, born: int) -> str | None:
        # REST pulls leave the demographics alone; a CSV package brings them along.
        return super().birth_date(born) if self.roster.definition.provider == "oneroster-csv" else None

    def class_name(self, row: int) -> str:
        return oneroster_rows.class_title(self.roster, row)

    def subject(self, course: int) -> str:
        return SUBJECTS[course % len(SUBJECTS)][0]


def _digested(roster: Roster, today: date) -> _Digested:
    digests: dict[Kind, dict[str, str]] = {kind: {} for kind in KINDS if kind != "places"}
    places: set[tuple[str, str, str]] = set()
    for record in records(roster, today):
        digests[_KIND_OF[type(record)]][record.id] = digest_of(encode_record(record))
        if isinstance(record, Class):
            places.update((record.id, "student", person) for person in record.students)
            places.update((record.id, "teacher", person) for person in record.teachers)
    return _Digested(digests, places)


def _record_counts(before: dict[str, str], now: dict[str, str]) -> TrueCounts:
    stayed = before.keys() & now.keys()
    return TrueCounts(
        existing=len(before),
        created=len(now) - len(stayed),
        updated=sum(before[id_] != now[id_] for id_ in stayed),
        removed=len(before) - len(stayed),
    )


def _place_counts(before: set[tuple[str, str, str]], now: set[tuple[str, str, str]]) -> TrueCounts:
    """Count places: one is there or it is not; none is ever updated."""
    return TrueCounts(existing=len(before), created=len(now - before), updated=0, removed=len(before - now))


def _marks(roster: Roster) -> dict[str, int]:
    found: Counter[str] = Counter()
    for marks in (roster.student_marks, roster.class_marks):
        found.update({code: int(mask.sum()) for code, mask in marks.items()})
    for number, count in enumerate(np.bincount(roster.places.mark, minlength=len(PLACE_MARKS)).tolist()):
        if (mark := PLACE_MARKS[number]) is not None:
            found[mark] = max(found[mark], count)
    return {code: count for code, count in sorted(found.items()) if count}
