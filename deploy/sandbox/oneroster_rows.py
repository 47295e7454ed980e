"""A roster as OneRoster's collections, 1.1 and 1.2, plain or in ClassLink's manner (strings for booleans)."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Literal, TypeAlias

import numpy as np

from deploy.sandbox import ids
from deploy.sandbox import oneroster_wire as wire
from deploy.sandbox.clever_rows import course_name
from deploy.sandbox.collection import Collection, Rows, joined, listed
from deploy.sandbox.district import NONE, TEACHES, Term
from deploy.sandbox.names import FAMILY, GIVEN, SUBJECTS
from deploy.sandbox.oneroster_wire import Ref
from deploy.sandbox.roster import PLACE_MARKS, TEACHER_CODE, Roster

Version: TypeAlias = Literal["v1p1", "v1p2"]

GRADES = ("KG", *(f"{grade:02d}" for grade in range(1, 14)))
"""The sandbox's grades as its made-up student information system writes them."""

_EPOCH = date(1970, 1, 1)


class OneRosterRows:
    """All collections of one night in the form of one version."""

    def __init__(self, roster: Roster, version: Version, *, text_booleans: bool) -> None:
        self._roster = roster
        self._definition = roster.definition
        self._version = version
        self._text_booleans = text_booleans or version == "v1p2"
        self._messy = bool(roster.definition.defects)
        self._modified = f"{roster.definition.anchor + timedelta(days=roster.district.night)}T06:00:00.000Z"
        self._base = f"https://{roster.definition.district}-v2.rosterserver.example/ims/oneroster/{version}"

    def collections(self) -> dict[str, Collection]:
        """Give the collections by their path, the parts of others (`/schools`, `/students`) among them."""
        orgs, sessions = self._orgs(), self._sessions()
        users = {"guardians": self._guardians(), "students": self._students(), "teachers": self._employees()}
        return {
            "orgs": orgs,
            "schools": _where(orgs, "school"),
            "academicSessions": sessions,
            "terms": _where(sessions, "term"),
            "gradingPeriods": _where(sessions, "gradingPeriod"),
            "courses": self._courses(),
            "classes": self._classes(),
            "users": joined(list(users.values())),
            "students": users["students"],
            "teachers": self._teachers(users["teachers"]),
            "enrollments": self._enrollments(),
            "demographics": self._demographics(),
        }

    def _ref(self, kind: str, sourced_id: str) -> Ref:
        return Ref(f"{self._base}/{kind}{'es' if kind == 'class' else 's'}/{sourced_id}", sourced_id, kind)

    def _truth_value(self, value: bool) -> bool | str:
        return str(value).lower() if self._text_booleans else value

    def _status(self, serial: int) -> str:
        """Active, now and then spelt in another way; what it means stays."""
        return {3: "", 7: "Active"}.get(serial % 50, "active") if self._messy else "active"

    def _orgs(self) -> Collection:
        district = self._ref("org", ids.DISTRICT_ORG_ID)
        schools = [ids.org_id(school) for school in range(self._roster.district.schools)]
        rows = [
            wire.Org(
                sourced_id=ids.DISTRICT_ORG_ID,
                status="active",
                date_last_modified=self._modified,
                name=self._definition.name,
                type="district",
                identifier=None,
                parent=None,
                children=[self._ref("org", school) for school in schools],
            ),
            *(
                wire.Org(
                    sourced_id=sourced_id,
                    status=self._status(school),
                    date_last_modified=self._modified,
                    name=self._roster.school_name(school),
                    type="school",
                    identifier=str(1001 + school),
                    parent=district,
                    children=[],
                )
                for school, sourced_id in enumerate(schools)
            ),
        ]
        return listed(rows, [row.sourced_id for row in rows])

    def _sessions(self) -> Collection:
        district, defects = self._roster.district, self._definition.defects
        day_after = timedelta(days=1 if self._version == "v1p2" else 0)
        year = self._ref("academicSession", ids.session_id(district.year_serial))

        def row(serial: int, kind: str, title: str, dates: tuple[str, str], school_year: int) -> wire.AcademicSession:
            return wire.AcademicSession(
                sourced_id=ids.session_id(serial),
                status="active",
                date_last_modified=self._modified,
                title=title,
                type=kind,
                start_date=dates[0],
                end_date=dates[1],
                parent=None if kind == "schoolYear" else year,
                children=[],
                school_year=str(school_year),
            )

        def of_term(term: Term) -> wire.AcademicSession:
            kind = "schoolYear" if term.serial == district.year_serial else "term"
            return row(term.serial, kind, term.name, (str(term.first), str(term.last + day_after)), term.last.year)

        rows = [of_term(term) for term in district.terms]
        first, last = district.terms[0].first, district.terms[0].last
        if "date-unreadable" in defects:
            written = f"{first.month}/{first.day}/{first.year}"
            rows.append(row(ids.UNKNOWN_SERIAL - 2, "gradingPeriod", "Quarter 1", (written, "soon"), last.year))
        if "term-dates-reversed" in defects:
            rows.append(row(ids.UNKNOWN_SERIAL - 1, "gradingPeriod", "Quarter 2", (str(last), str(first)), last.year))
        return listed(rows, [row.sourced_id for row in rows])

    def _courses(self) -> Collection:
        year = self._ref("academicSession", ids.session_id(self._roster.district.year_serial))
        district = self._ref("org", ids.DISTRICT_ORG_ID)

        def row(course: int) -> wire.Course:
            return wire.Course(
                sourced_id=ids.course_id(course),
                status=self._status(course),
                date_last_modified=self._modified,
                title=course_name(course),
                school_year=year,
                course_code=str(course + 1),
                grades=[GRADES[course // len(SUBJECTS)]],
                subjects=[SUBJECTS[course % len(SUBJECTS)][0]],
                subject_codes=[],
                org=district,
            )

        return Collection(len(SUBJECTS) * 13, ids.course_id, lambda at: [row(course) for course in at.tolist()])

    def _classes(self) -> Collection:
        classes = self._roster.district.classes
        return Collection(
            len(classes),
            lambda at: ids.class_id(int(classes.serial[at])),
            lambda at: [self._class(row) for row in at.tolist()],
        )

    def _class(self, row: int) -> wire.Class:
        classes, marks = self._roster.district.classes, self._roster.class_marks
        serial, course = int(classes.serial[row]), int(classes.course[row])
        school = ids.UNKNOWN_SERIAL if marks["class-without-school"][row] else int(classes.school[row])
        term = ids.UNKNOWN_SERIAL if marks["class-term-unknown"][row] else int(classes.term[row])
        return wire.Class(
            sourced_id=ids.class_id(serial),
            status=self._status(serial),
            date_last_modified=self._modified,
            title=class_title(self._roster, row),
            class_code=f"{serial}",
            class_type="scheduled",
            location="",
            grades=[GRADES[classes.grade[row]]],
            subjects=[SUBJECTS[course % len(SUBJECTS)][0]] if course != NONE else [],
            subject_codes=[],
            periods=[str(classes.period[row])],
            course=None if course == NONE else self._ref("course", ids.course_id(course)),
            school=self._ref("org", ids.org_id(school)),
            terms=[] if marks["class-without-term"][row] else [self._ref("academicSession", ids.session_id(term))],
        )

    def _user(
        self, *, role: str, orgs: list[Ref], more_roles: Sequence[tuple[str, Ref]] = (), **columns: object
    ) -> wire.User:
        common = {"date_last_modified": self._modified, "middle_name": "", "sms": "", "phone": "", **columns}
        if self._version == "v1p1":
            return wire.User11(role=role, orgs=orgs, **common)  # type: ignore[arg-type]
        roles = [wire.Role("primary", role, org) for org in orgs]
        roles += [wire.Role("secondary", other, org) for other, org in more_roles]
        return wire.User12(roles=roles, primary_org=orgs[0] if orgs else None, **common)  # type: ignore[arg-type]

    def _students(self) -> Collection:
        students = self._roster.district.students
        twice = np.flatnonzero(self._roster.student_marks["id-twice"])
        order = np.sort(np.concatenate([np.arange(len(students)), twice]))
        return Collection(
            len(order),
            lambda at: ids.student_id(int(students.serial[order[at]])),
            lambda at: self._student_rows(order[at]),
        )

    def _student_rows(self, at: Rows) -> list[wire.User]:
        roster, students, marks = self._roster, self._roster.district.students, self._roster.student_marks
        columns = (students.serial, students.number, students.given, students.family)
        more = (students.school, students.second_school, students.grade)
        made = []
        for row, serial, number, given, family, school, second, grade in zip(
            at.tolist(), *(column[at].tolist() for column in (*columns, *more)), strict=True
        ):
            schools = [school] if second == NONE else [school, second]
            if marks["person-school-unknown"][row]:
                schools.append(ids.UNKNOWN_SERIAL)
            removed = marks["place-of-removed-person"][row]
            made.append(
                self._user(
                    sourced_id=ids.student_id(serial),
                    status=("inactive" if number % 2 else "tobedeleted") if removed else self._status(number),
                    username=f"s{number}",
                    enabled_user="perhaps" if marks["boolean-unreadable"][row] else self._truth_value(number % 20 != 0),
                    given_name="" if marks["name-missing"][row] else GIVEN[given],
                    family_name=FAMILY[family],
                    identifier="NULL" if marks["null-written-out"][row] else str(number),
                    email=roster.student_emails[row],
                    grades=[GRADES[grade]],
                    user_ids=[{"type": "Local", "identifier": str(number)}],
                    agents=[self._ref("user", ids.guardian_id(number))] if number % 3 == 0 else [],
                    role="student",
                    orgs=[self._ref("org", ids.org_id(org)) for org in schools],
                )
            )
        return made

    def _employees(self) -> Collection:
        teachers = self._roster.district.teachers
        return Collection(
            len(teachers),
            lambda at: ids.teacher_id(int(teachers.serial[at])),
            lambda at: [self._employee(row) for row in at.tolist()],
        )

    def _teachers(self, employees: Collection) -> Collection:
        rows = np.flatnonzero(self._roster.district.teachers.roles & TEACHES)
        return Collection(len(rows), lambda at: employees.id_of(int(rows[at])), lambda at: employees.make(rows[at]))

    def _employee(self, row: int) -> wire.User:
        roster, teachers = self._roster, self._roster.district.teachers
        serial = int(teachers.serial[row])
        given, family = roster.teacher_name(row)
        teaches, staff, admin = roster.teacher_roles(row)
        school, district = (
            self._ref("org", ids.org_id(int(teachers.school[row]))),
            self._ref("org", ids.DISTRICT_ORG_ID),
        )
        manages = "administrator" if self._version == "v1p1" else "siteAdministrator"
        more_roles = [(manages, school)] * (staff and teaches) + [("districtAdministrator", district)] * admin
        return self._user(
            sourced_id=ids.teacher_id(serial),
            status=self._status(serial),
            username=f"t{serial}",
            enabled_user=self._truth_value(True),
            given_name=given,
            family_name=family,
            identifier=str(50_000 + serial),
            email=roster.teacher_email(row),
            grades=[],
            user_ids=[],
            agents=[],
            role="teacher" if teaches else manages,
            orgs=[school],
            more_roles=more_roles,
        )

    def _guardians(self) -> Collection:
        students, rows = self._roster.district.students, self._roster.contact_rows
        return Collection(
            len(rows),
            lambda at: ids.guardian_id(int(students.number[rows[at]])),
            lambda at: [self._guardian(row) for row in rows[at].tolist()],
        )

    def _guardian(self, student_row: int) -> wire.User:
        students = self._roster.district.students
        number = int(students.number[student_row])
        return self._user(
            sourced_id=ids.guardian_id(number),
            status="active",
            username=f"g{number}",
            enabled_user=self._truth_value(True),
            given_name=GIVEN[number % len(GIVEN)],
            family_name=FAMILY[students.family[student_row]],
            identifier="",
            email=f"guardian{number}@mail.example",
            grades=[],
            user_ids=[],
            agents=[self._ref("user", ids.student_id(int(students.serial[student_row])))],
            role="guardian",
            orgs=[self._ref("org", ids.org_id(int(students.school[student_row])))],
        )

    def _enrollments(self) -> Collection:
        classes, places = self._roster.district.classes, self._roster.places
        twice = PLACE_MARKS.index("place-twice")

        def id_of(at: int) -> str:
            row, person = int(places.class_row[at]), int(places.person[at])
            serial = int(classes.serial[row]) if row < len(classes) else ids.UNKNOWN_SERIAL
            return f"{ids.class_id(serial)}_{person_id(person)}{'-2' if places.mark[at] == twice else ''}"

        return Collection(len(places), id_of, self._enrollment_rows)

    def _enrollment_rows(self, at: Rows) -> list[wire.Enrollment]:
        classes, places = self._roster.district.classes, self._roster.places
        class_row = places.class_row[at]
        known = np.minimum(class_row, len(classes) - 1)
        serial = np.where(class_row < len(classes), classes.serial[known], ids.UNKNOWN_SERIAL)
        columns = (serial, classes.school[known], classes.teacher[known], places.person[at], places.mark[at])
        anchor, schools = self._definition.anchor, self._roster.district.schools
        begun = anchor - timedelta(days=60)
        dates = {
            "place-not-yet-begun": (str(anchor + timedelta(days=400)), ""),
            "place-already-ended": (str(anchor - timedelta(days=200)), str(begun)),
            "date-unreadable": (f"{begun.month}/{begun.day}/{begun.year}", ""),
        }
        made = []
        last_serial = NONE
        for class_serial, school, primary, person, number in zip(*(column.tolist() for column in columns), strict=True):
            mark = PLACE_MARKS[number]
            if class_serial != last_serial:
                last_serial, class_id = class_serial, ids.class_id(class_serial)
                class_ref = self._ref("class", class_id)
                school_refs = [self._ref("org", ids.org_id((school + other) % schools)) for other in (0, 1)]
            user_id = person_id(person)
            is_primary = person - TEACHER_CODE == primary or mark == "several-primary-teachers"
            begin, end = dates.get(mark, ("", "")) if mark else ("", "")
            role = "student" if person < TEACHER_CODE else "teacher"
            made.append(
                wire.Enrollment(
                    sourced_id=f"{class_id}_{user_id}{'-2' if mark == 'place-twice' else ''}",
                    status="active" if mark == "place-of-removed-person" else self._status(person),
                    date_last_modified=self._modified,
                    user=self._ref("user", user_id),
                    class_=class_ref,
                    school=school_refs[mark == "place-school-differs"],
                    role="chaperone" if mark == "place-role-unknown" else role,
                    primary=self._truth_value(is_primary),
                    begin_date=begin,
                    end_date=end,
                )
            )
        return made

    def _demographics(self) -> Collection:
        students = self._roster.district.students

        def make(at: Rows) -> list[wire.Demographics]:
            return [
                wire.Demographics(
                    sourced_id=ids.student_id(serial),
                    status="active",
                    date_last_modified=self._modified,
                    birth_date=str(_EPOCH + timedelta(days=born)),
                )
                for serial, born in zip(students.serial[at].tolist(), students.born[at].tolist(), strict=True)
            ]

        return Collection(len(students), lambda at: ids.student_id(int(students.serial[at])), make)


def person_id(code: int) -> str:
    """Give the sourcedId of a person of `Places`."""
    return ids.student_id(code) if code < TEACHER_CODE else ids.teacher_id(code - TEACHER_CODE)


def class_title(roster: Roster, row: int) -> str:
    """Give a class's title: the course and the period. Two classes may have the same one."""
    classes = roster.district.classes
    course = int(classes.course[row])
    return f"{course_name(course) if course != NONE else 'Study Hall'} P{classes.period[row]}"


def _where(collection: Collection, kind: str) -> Collection:
    """Give the rows of one type."""
    rows = [row for row in collection.make(np.arange(len(collection))) if row.type == kind]
    return listed(rows, [row.sourced_id for row in rows])
