"""A generated district: its schools, terms, courses, classes and people on one night, as arrays of small numbers.

Everything that a provider sends is derived from these arrays, so that a district of a million students fits in some
hundred megabytes. The same definition gives the same district on every machine.
"""

from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from typing import Literal, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from deploy.sandbox.names import FAMILY, GIVEN, SUBJECTS
from services.districts import ProviderName
from services.ingest.defects import DefectCode

Ints: TypeAlias = npt.NDArray[np.int32]
NightKind: TypeAlias = Literal["first", "ordinary", "unchanged", "mass", "rollover", "renumbered", "emptied-school"]

NONE = -1
"""Stands in an array where there is no school, class, course or teacher."""

CURRENT_SLOTS = 7
OTHER_TERM_SLOT = 7
SLOTS = 8
"""A student's places: up to seven classes of the current term, and one of a past or coming term."""

TEACHES, STAFF, DISTRICT_ADMIN = 1, 2, 4
"""The bits of `Teachers.roles`; somebody with STAFF alone teaches nothing and is no teacher."""

GRADES_OF_LEVEL = ((0, 6), (6, 3), (9, 4))
"""Lowest grade (0 is Kindergarten) and number of grades of elementary, middle and high schools."""


class DistrictDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """What a sandbox district is made from. `anchor` is the date around which its terms lie; the current one covers
    60 days before it to 240 after. `script` names the nights from night 1 on; nights beyond it are ordinary.
    `defects` are those its data has; none gives clean data.
    """

    district: str
    name: str
    provider: ProviderName
    students: int
    seed: int
    anchor: date
    script: tuple[NightKind, ...] = ("first",)
    defects: tuple[DefectCode, ...] = ()
    requests_per_minute: int = 1200


@dataclass(frozen=True, slots=True)
class Term:
    """A term with its first and its last day."""

    serial: int
    name: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Students:
    """One row a student. `serial` makes the provider's id, `number` the local one; `born` is days since 1970."""

    serial: Ints
    number: Ints
    given: Ints
    family: Ints
    school: Ints
    second_school: Ints
    grade: Ints
    born: Ints
    slots: Ints

    def __len__(self) -> int:
        return len(self.serial)


@dataclass(frozen=True, slots=True)
class Teachers:
    """One row an employee, ascending by `serial`. `roles` holds the bits above."""

    serial: Ints
    given: Ints
    family: Ints
    school: Ints
    roles: Ints

    def __len__(self) -> int:
        return len(self.serial)


@dataclass(frozen=True, slots=True)
class Classes:
    """One row a class, ascending by `serial`; `teacher` and `second_teacher` are teachers' serials."""

    serial: Ints
    school: Ints
    course: Ints
    grade: Ints
    term: Ints
    period: Ints
    teacher: Ints
    second_teacher: Ints

    def __len__(self) -> int:
        return len(self.serial)


@dataclass(frozen=True, slots=True)
class SandboxDistrict:
    """A district on one night. `night` counts from 1; serials below `next_serial` have been used."""

    definition: DistrictDefinition
    night: int
    schools: int
    terms: tuple[Term, ...]
    students: Students
    teachers: Teachers
    classes: Classes
    next_serial: int
    year_serial: int
    current_serial: int

    def current_classes(self) -> npt.NDArray[np.bool_]:
        """Tell for each class whether it is of the current term or the whole year."""
        return np.isin(self.classes.term, (self.current_serial, self.year_serial))


def generate(definition: DistrictDefinition) -> SandboxDistrict:
    """Make the district's first night: about 5,000 current classes and 1,250 teachers for each 20,000 students."""
    rng = np.random.default_rng([definition.seed, 1])
    schools = max(2, definition.students // 300)
    teachers = _hire(rng, schools, max(2, round(definition.students / 16 / schools)))
    classes = _first_classes(rng, schools, max(7, round(0.25 * definition.students / schools)), teachers)
    district = SandboxDistrict(
        definition=definition,
        night=1,
        schools=schools,
        terms=_first_terms(definition.anchor),
        students=_no_students(),
        teachers=teachers,
        classes=classes,
        next_serial=max(len(teachers), len(classes), _TERMS) + 1,
        year_serial=_YEAR,
        current_serial=_CURRENT,
    )
    return enroll(rng, district, rng.integers(0, schools, definition.students, dtype=np.int32))


def enroll(rng: np.random.Generator, district: SandboxDistrict, school: Ints) -> SandboxDistrict:
    """Add one student for each entry of `school`, with a timetable; they get the next serials."""
    count = len(school)
    serial = np.arange(district.next_serial, district.next_serial + count, dtype=np.int32)
    low, grades = _grades_of(school)
    grade = (low + rng.integers(0, 1 << 20, count) % grades).astype(np.int32)
    age_days = ((grade + 5.3 + rng.random(count) * 0.9) * 365.25).astype(np.int32)
    anchor = (district.definition.anchor - date(1970, 1, 1)).days
    shared = rng.random(count) < 0.02
    newcomers = Students(
        serial=serial,
        number=serial + 100_000,
        given=rng.integers(0, len(GIVEN), count, dtype=np.int32),
        family=rng.integers(0, len(FAMILY), count, dtype=np.int32),
        school=school,
        second_school=np.where(shared, (school + 1) % district.schools, NONE).astype(np.int32),
        grade=grade,
        born=(anchor - age_days).astype(np.int32),
        slots=np.full((count, SLOTS), NONE, dtype=np.int32),
    )
    newcomers = replace(newcomers, slots=timetable(rng, district, newcomers))
    everyone = Students(
        *(
            np.concatenate([getattr(district.students, column.name), getattr(newcomers, column.name)])
            for column in fields(Students)
        )
    )
    return replace(district, students=everyone, next_serial=district.next_serial + count)


def timetable(rng: np.random.Generator, district: SandboxDistrict, students: Students) -> Ints:
    """Give each student six or seven classes of their school and about their grade; shared students one elsewhere.

    One in 200 gets none at all, and three in ten also have a class of a past or coming term.
    """
    count = len(students)
    slots = np.full((count, SLOTS), NONE, dtype=np.int32)
    current = district.current_classes()
    serials, first, size = _classes_by_school(district, current)
    low, grades = _grades_of(students.school)
    base, many = first[students.school], size[students.school]
    start = ((students.grade - low + rng.random(count)) / grades * many).astype(np.int64)
    taught = many > 0
    for slot in range(CURRENT_SLOTS):
        row = base + (start + slot) % np.maximum(many, 1)
        slots[:, slot] = np.where(taught & (slot < many), serials[np.minimum(row, len(serials) - 1)], NONE)
    slots[rng.random(count) < 0.5, CURRENT_SLOTS - 1] = NONE
    elsewhere = np.flatnonzero(students.second_school != NONE)
    second = students.second_school[elsewhere]
    there = first[second] + rng.integers(0, 1 << 20, len(elsewhere)) % np.maximum(size[second], 1)
    slots[elsewhere, 5] = np.where(size[second] > 0, serials[np.minimum(there, len(serials) - 1)], NONE)
    other, other_first, other_size = _classes_by_school(district, ~current)
    if len(other):
        row = other_first[students.school] + rng.integers(0, 1 << 20, count) % np.maximum(
            other_size[students.school], 1
        )
        has_other = (rng.random(count) < 0.3) & (other_size[students.school] > 0)
        slots[:, OTHER_TERM_SLOT] = np.where(has_other, other[np.minimum(row, len(other) - 1)], NONE)
    slots[rng.random(count) < 0.005] = NONE
    return slots


_PAST, _CURRENT, _COMING, _YEAR = 1, 2, 3, 4
_TERMS = 4


def _first_terms(anchor: date) -> tuple[Term, ...]:
    def term(serial: int, name: str, first: int, last: int) -> Term:
        return Term(serial, name, anchor + timedelta(days=first), anchor + timedelta(days=last))

    return (
        term(_PAST, "Semester 0", -240, -61),
        term(_CURRENT, "Semester 1", -60, 240),
        term(_COMING, "Semester 2", 241, 400),
        term(_YEAR, "Full Year", -240, 400),
    )


def _hire(rng: np.random.Generator, schools: int, per_school: int) -> Teachers:
    """Hire teachers for each school, and with each school's first ones a principal, who teaches nothing."""
    school = np.repeat(np.arange(schools, dtype=np.int32), per_school + 1)
    count = len(school)
    place = np.arange(count) % (per_school + 1)
    roles = np.full(count, TEACHES, dtype=np.int32)
    roles[place == 1] = TEACHES | STAFF
    roles[place == per_school] = STAFF
    roles[1] = TEACHES | STAFF | DISTRICT_ADMIN
    return Teachers(
        serial=np.arange(1, count + 1, dtype=np.int32),
        given=rng.integers(0, len(GIVEN), count, dtype=np.int32),
        family=rng.integers(0, len(FAMILY), count, dtype=np.int32),
        school=school,
        roles=roles,
    )


def _first_classes(rng: np.random.Generator, schools: int, per_school: int, teachers: Teachers) -> Classes:
    """Open each school's current classes (one in ten for the whole year), and a tenth as many past and coming ones."""
    other = max(1, per_school // 10)
    each = per_school + 2 * other
    school = np.repeat(np.arange(schools, dtype=np.int32), each)
    place = np.arange(len(school)) % each
    term = np.full(len(school), _CURRENT, dtype=np.int32)
    term[place % 10 == 9] = _YEAR
    term[place >= per_school] = _PAST
    term[place >= per_school + other] = _COMING
    low, grades = _grades_of(school)
    grade = (low + np.minimum(place, per_school - 1) * grades // per_school).astype(np.int32)
    staff = len(teachers) // schools
    teacher = teachers.serial[school * staff + place % (staff - 1)]
    second = teachers.serial[school * staff + (place + 1) % (staff - 1)]
    has_second = rng.random(len(school)) < 0.06
    course = (grade * len(SUBJECTS) + place % len(SUBJECTS)).astype(np.int32)
    course[rng.random(len(school)) < 0.02] = NONE
    return Classes(
        serial=np.arange(1, len(school) + 1, dtype=np.int32),
        school=school,
        course=course,
        grade=grade,
        term=term,
        period=(place % 8 + 1).astype(np.int32),
        teacher=teacher,
        second_teacher=np.where(has_second & (second != teacher), second, NONE).astype(np.int32),
    )


def _no_students() -> Students:
    empty = np.empty(0, dtype=np.int32)
    return Students(empty, empty, empty, empty, empty, empty, empty, empty, np.empty((0, SLOTS), dtype=np.int32))


def _grades_of(school: Ints) -> tuple[Ints, Ints]:
    levels = np.array(GRADES_OF_LEVEL, dtype=np.int32)[school % len(GRADES_OF_LEVEL)]
    return levels[:, 0], levels[:, 1]


def _classes_by_school(district: SandboxDistrict, among: npt.NDArray[np.bool_]) -> tuple[Ints, Ints, Ints]:
    """Give the serials of these classes ordered by school and grade, with each school's first position and number."""
    classes = district.classes
    rows = np.flatnonzero(among)
    rows = rows[np.lexsort((classes.serial[rows], classes.grade[rows], classes.school[rows]))]
    size = np.bincount(classes.school[rows], minlength=district.schools).astype(np.int32)
    first = np.concatenate([[0], np.cumsum(size)[:-1]]).astype(np.int32)
    return classes.serial[rows], first, size
