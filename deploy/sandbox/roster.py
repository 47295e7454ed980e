"""What a provider holds on one night: a district's people and places, each marked with the defect it has, if any.

Both the servers and the truth read this, so that what is served and what Rollcall is expected to make of it start from
the same marks.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from deploy.sandbox.defects import Mask, pairs_sharing, picked
from deploy.sandbox.district import DISTRICT_ADMIN, NONE, STAFF, TEACHES, Ints, SandboxDistrict
from deploy.sandbox.names import FAMILY, GIVEN, GIVEN_ASCII, SCHOOL_LEVELS, SCHOOL_NAMES
from services.ingest.defects import DefectCode

TEACHER_CODE = 1 << 30
"""Added to a teacher's serial where students and teachers stand in one array; students sort before teachers."""

UNKNOWN_CODE = 900_000_000
"""Persons from here up to TEACHER_CODE have never existed."""

PLACE_MARKS: tuple[DefectCode | None, ...] = (
    None,
    "place-of-unknown-person",
    "place-in-unknown-class",
    "place-of-removed-person",
    "place-not-yet-begun",
    "place-already-ended",
    "place-twice",
    "place-school-differs",
    "place-role-unknown",
    "date-unreadable",
    "several-primary-teachers",
)
"""What `Places.mark` counts in."""

HARMLESS_MARKS: tuple[DefectCode | None, ...] = (
    None,
    "place-school-differs",
    "date-unreadable",
    "several-primary-teachers",
)
"""Marks of places that stand all the same."""

_STUDENT_DEFECTS: tuple[DefectCode, ...] = (
    "email-missing",
    "email-malformed",
    "person-school-unknown",
    "name-missing",
    "null-written-out",
    "boolean-unreadable",
    "id-twice",
    "place-of-removed-person",
    "place-in-unknown-class",
)
_CLASS_DEFECTS: tuple[DefectCode, ...] = (
    "class-without-school",
    "class-without-teacher",
    "class-without-term",
    "class-term-unknown",
    "several-primary-teachers",
    "place-of-unknown-person",
)


@dataclass(frozen=True, slots=True)
class Places:
    """Every place as an enrollment row, ascending by class and person; teachers last in each class.

    `class_row` is a row of the district's classes, or their number for a class that does not exist.
    """

    class_row: Ints
    person: Ints
    mark: Ints

    def __len__(self) -> int:
        return len(self.person)


class Roster:
    """A night's district with its defects. Columns are computed when first asked for and kept."""

    def __init__(self, district: SandboxDistrict) -> None:
        self.district = district
        self.definition = district.definition

    @cached_property
    def student_marks(self) -> dict[DefectCode, Mask]:
        """Tell for each defect that a student can have which students have it."""
        numbers = self.district.students.number
        return {code: picked(self.definition, code, numbers) for code in _STUDENT_DEFECTS}

    @cached_property
    def class_marks(self) -> dict[DefectCode, Mask]:
        """Tell for each defect that a class can have which classes have it."""
        serials = self.district.classes.serial
        return {code: picked(self.definition, code, serials) for code in _CLASS_DEFECTS}

    @cached_property
    def student_emails(self) -> list[str]:
        """Give each student's email as sent: '' where missing. It is made from the number, which stays."""
        students = self.district.students
        domain = f"students.{self.definition.district}.example"
        emails = [
            f"{GIVEN_ASCII[given]}{number}@{domain}"
            for given, number in zip(students.given.tolist(), students.number.tolist(), strict=True)
        ]
        shared = pairs_sharing(self.definition, students.number)
        for row in np.flatnonzero(shared >= 0).tolist():
            emails[row] = f"family{shared[row]}@mail.example"
        for row in np.flatnonzero(self.student_marks["email-malformed"]).tolist():
            emails[row] = f"{emails[row].partition('@')[0]} at home"
        for row in np.flatnonzero(self.student_marks["email-missing"]).tolist():
            emails[row] = ""
        return emails

    @cached_property
    def places(self) -> Places:
        """Give every place there is, those with defects among them."""
        return _places(self)

    @cached_property
    def class_starts(self) -> Ints:
        """Give where each class's places start in `places`, with the end of the last one."""
        rows = np.arange(len(self.district.classes) + 1)
        return np.searchsorted(self.places.class_row, rows).astype(np.int32)

    @cached_property
    def students_in_class(self) -> Ints:
        """Give how many student places each class has; in `places` they come before the class's teachers."""
        size = len(self.district.classes)
        rows = self.places.class_row[self.places.person < TEACHER_CODE]
        return np.bincount(rows, minlength=size + 1)[:size].astype(np.int32)

    @cached_property
    def contact_rows(self) -> Ints:
        """Give the rows of the students who have a guardian on record: every third by number."""
        return np.flatnonzero(self.district.students.number % 3 == 0).astype(np.int32)

    def school_name(self, school: int) -> str:
        """Give a school's name."""
        name = SCHOOL_NAMES[school % len(SCHOOL_NAMES)]
        again = school // len(SCHOOL_NAMES)
        return f"{name} {SCHOOL_LEVELS[school % 3]}{f' {again + 1}' if again else ''}"

    def teacher_name(self, row: int) -> tuple[str, str]:
        """Give a teacher's given and family name."""
        teachers = self.district.teachers
        return GIVEN[teachers.given[row]], FAMILY[teachers.family[row]]

    def teacher_email(self, row: int) -> str:
        """Give a teacher's email; it keeps when the name changes."""
        teachers = self.district.teachers
        return f"{GIVEN_ASCII[teachers.given[row]]}.t{teachers.serial[row]}@{self.definition.district}.example"

    def teacher_roles(self, row: int) -> tuple[bool, bool, bool]:
        """Tell whether an employee is a teacher, staff, a district administrator."""
        roles = int(self.district.teachers.roles[row])
        return bool(roles & TEACHES), bool(roles & STAFF), bool(roles & DISTRICT_ADMIN)


def _places(roster: Roster) -> Places:
    district = roster.district
    classes, students = district.classes, district.students
    student_rows, slots = np.nonzero(students.slots != NONE)
    class_rows = [np.searchsorted(classes.serial, students.slots[student_rows, slots]).astype(np.int32)]
    people = [students.serial[student_rows]]
    taught = ~roster.class_marks["class-without-teacher"]
    for teacher in (classes.teacher, classes.second_teacher):
        rows = np.flatnonzero(taught & (teacher != NONE)).astype(np.int32)
        class_rows.append(rows)
        people.append(teacher[rows] + TEACHER_CODE)
    class_row, person = np.concatenate(class_rows), np.concatenate(people).astype(np.int32)
    mark = _marks(roster, class_row, person, removed=students.serial[roster.student_marks["place-of-removed-person"]])

    twice = np.flatnonzero(mark == PLACE_MARKS.index("place-twice"))
    mark[twice] = 0
    haunted = np.flatnonzero(roster.class_marks["place-of-unknown-person"]).astype(np.int32)
    lost = np.flatnonzero(roster.student_marks["place-in-unknown-class"])
    class_row = np.concatenate([class_row, class_row[twice], haunted, np.full(len(lost), len(classes))]).astype(
        np.int32
    )
    person = np.concatenate([person, person[twice], UNKNOWN_CODE + haunted, students.serial[lost]]).astype(np.int32)
    added = [PLACE_MARKS.index("place-twice")] * len(twice)
    added += [PLACE_MARKS.index("place-of-unknown-person")] * len(haunted)
    added += [PLACE_MARKS.index("place-in-unknown-class")] * len(lost)
    mark = np.concatenate([mark, np.array(added, dtype=np.int32)])
    order = np.lexsort((mark, person, class_row))
    return Places(class_row[order], person[order], mark[order])


def _marks(roster: Roster, class_row: Ints, person: Ints, removed: Ints) -> Ints:
    """Mark places with the defects that a place can have by itself; a removed person's places come last and win."""
    definition, classes = roster.definition, roster.district.classes
    mark = np.zeros(len(person), dtype=np.int32)
    numbers = (person % TEACHER_CODE + classes.serial[class_row] * 13).astype(np.int32)
    is_student = person < TEACHER_CODE
    own: tuple[DefectCode, ...] = (
        "place-not-yet-begun",
        "place-already-ended",
        "place-twice",
        "place-school-differs",
        "place-role-unknown",
        "date-unreadable",
    )
    for code in own:
        mark[is_student & (mark == 0) & picked(definition, code, numbers)] = PLACE_MARKS.index(code)
    primary = person - TEACHER_CODE == classes.teacher[class_row]
    several = roster.class_marks["several-primary-teachers"][class_row]
    mark[~is_student & ~primary & several] = PLACE_MARKS.index("several-primary-teachers")
    mark[np.isin(person, removed)] = PLACE_MARKS.index("place-of-removed-person")
    return mark
