"""A roster in Clever's wire form, v3.0 and v3.1 (recorded answers of api.clever.com; the v3.1 specification)."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import numpy as np

from deploy.sandbox.collection import Collection, Rows, joined, listed
from deploy.sandbox.district import DISTRICT_ADMIN, GRADES_OF_LEVEL, NONE, STAFF, TEACHES
from deploy.sandbox.ids import UNKNOWN_SERIAL, clever_id, clever_prefix
from deploy.sandbox.names import FAMILY, GIVEN, SUBJECTS
from deploy.sandbox.roster import TEACHER_CODE, Roster

GRADES = ("Kindergarten", *(str(grade) for grade in range(1, 14)))
"""Clever's words for the sandbox's grades."""

_EPOCH = date(1970, 1, 1)


class Name(msgspec.Struct):
    """A person's name; a contact's stands in `last` alone."""

    last: str
    first: str | msgspec.UnsetType = msgspec.UNSET
    middle: str | msgspec.UnsetType = msgspec.UNSET


class User(msgspec.Struct):
    """A user with all roles; `roles` is an object whose keys are the roles."""

    id: str
    district: str
    email: str
    name: Name
    roles: dict[str, Any]
    created: str
    last_modified: str


class StudentRole(msgspec.Struct):
    """What a student's role carries; what only 3.1 has is left out of 3.0."""

    school: str
    schools: list[str]
    sis_id: str
    student_number: str
    grade: str
    dob: str
    email: str
    credentials: dict[str, str]
    location: dict[str, str]
    preferred_name: dict[str, str] | msgspec.UnsetType
    section_504_status: str | msgspec.UnsetType
    enrollments: tuple[()] = ()
    state_id: str = ""
    graduation_year: str = ""
    gender: str = ""
    race: str = ""


class Section(msgspec.Struct):
    """A class with its places."""

    id: str
    district: str
    school: str
    name: str
    sis_id: str
    course: str | None
    term_id: str | None
    teacher: str | None
    teachers: list[str]
    students: list[str]
    grade: str
    subject: str
    period: str
    created: str
    last_modified: str
    section_number: str = ""
    ext: dict[str, str] = msgspec.field(default_factory=dict)


_NOWHERE = {"address": "", "city": "", "state": "", "zip": ""}
_NO_NAME = {"first": "", "middle": "", "last": ""}


class CleverRows:
    """All collections of one night in the form of one version of the API, `v3.0` or `v3.1`."""

    def __init__(self, roster: Roster, version: str, *, paused: bool = False) -> None:
        self._roster = roster
        self._version = version
        self._paused = paused
        self._slug = roster.definition.district
        self._district = clever_id(self._slug, "district", 1)
        self._created = f"{roster.definition.anchor}T06:00:00.000Z"
        # A district that uploads again moves last_modified of everything, though nothing changed.
        self._modified = f"{roster.definition.anchor + timedelta(days=roster.district.night)}T06:00:00.000Z"

    def collections(self) -> dict[str, Collection]:
        """Give the collections by their path."""
        users = self._users()
        return {
            "districts": listed([self._district_row()], [self._district]),
            "schools": self._schools(),
            "terms": self._terms(),
            "courses": self._courses(),
            "sections": self._sections(),
            "users": joined(list(users.values())),
            **{f"users?role={role}": part for role, part in self._users_by_role(users).items()},
        }

    def _id(self, kind: Any, serial: int) -> str:
        return clever_id(self._slug, kind, serial)

    def _district_row(self) -> dict[str, Any]:
        definition = self._roster.definition
        row: dict[str, Any] = {
            "id": self._district,
            "name": f"#DEMO {definition.name}",
            "state": "paused" if self._paused else "running",
            "error": "",
            "sis_type": "sftp",
            "login_methods": ["Clever Badges", "Clever Passwords"],
            "last_sync": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "launch_date": str(definition.anchor),
            "portal_url": f"https://clever.com/in/{definition.district}",
            "district_contact": {
                "id": self._id("contact", 0),
                "district": self._district,
                "name": {"first": "Sandbox", "last": "Contact"},
                "email": f"contact@{definition.district}.example",
                "title": "",
            },
        }
        if self._paused:
            row["pause_start"] = row["last_sync"]
            row["pause_end"] = f"{definition.anchor + timedelta(days=400)}T06:00:00.000Z"
        return row | ({"lms_type": "", "lms_state": ""} if self._version == "v3.1" else {})

    def _schools(self) -> Collection:
        def row(school: int) -> dict[str, Any]:
            low, count = GRADES_OF_LEVEL[school % 3]
            return {
                "id": self._id("school", school),
                "district": self._district,
                "name": self._roster.school_name(school),
                "school_number": str(1001 + school),
                "sis_id": str(1001 + school),
                "state_id": "",
                "low_grade": GRADES[low],
                "high_grade": GRADES[low + count - 1],
                "phone": "(555) 555-0100",
                "location": _NOWHERE,
                "principal": {"name": "", "email": ""},
                "ext": {"charter_school": "N"},
                "created": self._created,
                "last_modified": self._modified,
            }

        return Collection(
            self._roster.district.schools,
            lambda at: self._id("school", at),
            lambda at: [row(school) for school in at.tolist()],
        )

    def _terms(self) -> Collection:
        rows = [
            {
                "id": self._id("term", term.serial),
                "district": self._district,
                "name": term.name,
                "start_date": str(term.first),
                "end_date": str(term.last),
            }
            for term in self._roster.district.terms
        ]
        return listed(rows, [str(row["id"]) for row in rows])

    def _courses(self) -> Collection:
        def row(course: int) -> dict[str, str]:
            return {
                "id": self._id("course", course),
                "district": self._district,
                "name": course_name(course),
                "number": str(course + 1),
            }

        size = len(SUBJECTS) * 13
        return Collection(size, lambda at: self._id("course", at), lambda at: [row(course) for course in at.tolist()])

    def _sections(self) -> Collection:
        roster = self._roster
        classes = roster.district.classes
        prefix = clever_prefix(self._slug, "section")
        # Clever leaves out sections without students.
        kept = np.flatnonzero(roster.students_in_class > 0)
        return Collection(
            len(kept),
            lambda at: f"{prefix}{classes.serial[kept[at]]:08x}",
            lambda at: [self._section(row) for row in kept[at].tolist()],
        )

    def _section(self, row: int) -> Section:
        roster, classes = self._roster, self._roster.district.classes
        people = roster.places.person[roster.class_starts[row] : roster.class_starts[row + 1]].tolist()
        student, teacher = clever_prefix(self._slug, "student"), clever_prefix(self._slug, "teacher")
        primary = int(classes.teacher[row]) + TEACHER_CODE
        students = [f"{student}{person:08x}" for person in people if person < TEACHER_CODE]
        codes = sorted((person for person in people if person >= TEACHER_CODE), key=lambda code: code != primary)
        teachers = [f"{teacher}{code - TEACHER_CODE:08x}" for code in codes]
        course = int(classes.course[row])
        if roster.district.night % 2 == 0:
            students.reverse()  # The order of `students[]` is not promised.
        return Section(
            id=self._id("section", int(classes.serial[row])),
            district=self._district,
            school=self._id("school", int(classes.school[row])),
            name=section_name(roster, row),
            sis_id=str(classes.serial[row]),
            course=None if course == NONE else self._id("course", course),
            term_id=self._term_of(row),
            teacher=teachers[0] if teachers else None,
            teachers=teachers,
            students=students,
            grade=GRADES[classes.grade[row]],
            subject=SUBJECTS[course % len(SUBJECTS)][1] if course != NONE else "",
            period=str(classes.period[row]),
            created=self._created,
            last_modified=self._modified,
        )

    def _term_of(self, row: int) -> str | None:
        if self._roster.class_marks["class-without-term"][row]:
            return None
        if self._roster.class_marks["class-term-unknown"][row]:
            return self._id("term", UNKNOWN_SERIAL)
        return self._id("term", int(self._roster.district.classes.term[row]))

    def _users(self) -> dict[str, Collection]:
        students, teachers = self._roster.district.students, self._roster.district.teachers
        contacts = self._roster.contact_rows
        return {
            "student": Collection(
                len(students),
                lambda at: self._id("student", int(students.serial[at])),
                self._students,
            ),
            "teacher": Collection(
                len(teachers),
                lambda at: self._id("teacher", int(teachers.serial[at])),
                lambda at: [self._employee(row) for row in at.tolist()],
            ),
            "contact": Collection(
                len(contacts),
                lambda at: self._id("contact", int(students.number[contacts[at]])),
                lambda at: [self._contact(row) for row in contacts[at].tolist()],
            ),
        }

    def _users_by_role(self, users: dict[str, Collection]) -> dict[str, Collection]:
        employees, roles = users["teacher"], self._roster.district.teachers.roles

        def holding(bit: int) -> Collection:
            rows = np.flatnonzero(roles & bit)
            return Collection(len(rows), lambda at: employees.id_of(int(rows[at])), lambda at: employees.make(rows[at]))

        return users | {
            "teacher": holding(TEACHES),
            "staff": holding(STAFF),
            "district_admin": holding(DISTRICT_ADMIN),
        }

    def _students(self, at: Rows) -> Sequence[User]:
        roster, students = self._roster, self._roster.district.students
        emails = roster.student_emails
        user, school_prefix = clever_prefix(self._slug, "student"), clever_prefix(self._slug, "school")
        unknown = roster.student_marks["person-school-unknown"]
        only_31 = self._version == "v3.1"
        columns = zip(
            at.tolist(),
            *(column[at].tolist() for column in (students.serial, students.number, students.given, students.family)),
            *(column[at].tolist() for column in (students.school, students.second_school, students.grade)),
            students.born[at].tolist(),
            strict=True,
        )
        made = []
        for row, serial, number, given, family, school, second, grade, born in columns:
            schools = [f"{school_prefix}{school:08x}"]
            if second != NONE:
                schools.append(f"{school_prefix}{second:08x}")
            if unknown[row]:
                schools.append(f"{school_prefix}{UNKNOWN_SERIAL:08x}")
            birth = _EPOCH + timedelta(days=born)
            role = StudentRole(
                school=schools[0],
                schools=schools,
                sis_id=str(number),
                student_number=str(number),
                grade=GRADES[grade],
                dob=f"{birth.month}/{birth.day}/{birth.year}",
                email=emails[row],
                credentials={"district_username": f"s{number}"},
                preferred_name=_NO_NAME if only_31 else msgspec.UNSET,
                section_504_status="" if only_31 else msgspec.UNSET,
                location=_NOWHERE,
            )
            made.append(
                User(
                    id=f"{user}{serial:08x}",
                    district=self._district,
                    email=emails[row],
                    name=Name(first=GIVEN[given], middle="", last=FAMILY[family]),
                    roles={"student": role},
                    created=self._created,
                    last_modified=self._modified,
                )
            )
        return made

    def _employee(self, row: int) -> User:
        roster, teachers = self._roster, self._roster.district.teachers
        serial, school = int(teachers.serial[row]), self._id("school", int(teachers.school[row]))
        given, family = roster.teacher_name(row)
        teaches, staff, admin = roster.teacher_roles(row)
        common: dict[str, Any] = {"title": "", "legacy_id": self._id("teacher", serial + 0x1000000), "ext": {}}
        roles: dict[str, Any] = {}
        if teaches:
            roles["teacher"] = common | {
                "school": school,
                "schools": [school],
                "sis_id": str(50_000 + serial),
                "teacher_number": str(50_000 + serial),
                "state_id": "",
                "credentials": {"district_username": f"t{serial}"},
            }
        if staff:
            roles["staff"] = common | {
                "staff_id": str(50_000 + serial),
                "schools": [school],
                "roles": [],
                "department": "",
            }
        if admin:
            roles["district_admin"] = {"title": "Administrator", "legacy_id": common["legacy_id"]}
        return User(
            id=self._id("teacher", serial),
            district=self._district,
            email=roster.teacher_email(row),
            name=Name(first=given, middle="", last=family),
            roles=roles,
            created=self._created,
            last_modified=self._modified,
        )

    def _contact(self, student_row: int) -> User:
        students = self._roster.district.students
        number, serial = int(students.number[student_row]), int(students.serial[student_row])
        relationship = {"student": self._id("student", serial), "relationship": "Parent", "type": "Parent/Guardian"}
        return User(
            id=self._id("contact", number),
            district=self._district,
            email=f"guardian{number}@mail.example",
            name=Name(last=f"{GIVEN[number % len(GIVEN)]} {FAMILY[students.family[student_row]]}"),
            roles={
                "contact": {
                    "phone": "(555) 555-0199",
                    "phone_type": "Cell",
                    "sis_id": "",
                    "legacy_id": self._id("contact", number + 0x1000000),
                    "student_relationships": [relationship],
                }
            },
            created=self._created,
            last_modified=self._modified,
        )


def course_name(course: int) -> str:
    """Give a course's name, such as 'Science 7'."""
    return f"{SUBJECTS[course % len(SUBJECTS)][0]} {'K' if course < len(SUBJECTS) else course // len(SUBJECTS)}"


def section_name(roster: Roster, row: int) -> str:
    """Give a section's name as Clever composes it, 'course - teacher - period'; it changes with the teacher's."""
    classes, teachers = roster.district.classes, roster.district.teachers
    course = int(classes.course[row])
    words = [course_name(course) if course != NONE else "Study Hall"]
    if not roster.class_marks["class-without-teacher"][row]:
        teacher = int(np.searchsorted(teachers.serial, classes.teacher[row]))
        words.append(FAMILY[teachers.family[teacher]])
    return " - ".join([*words, str(classes.period[row])])
