"""What of a OneRoster pull becomes a record (oneroster.md sections 8, 9, 10 and 13)."""

import random
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import Class, School, Student, Teacher
from services.ingest.providers.oneroster.assembler import OneRosterAssembler
from services.ingest.providers.oneroster.rows import (
    ClassRow,
    CourseRow,
    EnrollmentRow,
    OrgRow,
    RoleRow,
    SessionRow,
    UserRow,
)
from services.ingest.source import PullReport
from tests.unit.record_pages import records_of

TODAY = date(2026, 10, 1)


@dataclass
class Roster:
    """What an assembler gave: records and kept ids of each kind, and the defects."""

    schools: dict[str, School] = field(default_factory=dict)
    teachers: dict[str, Teacher] = field(default_factory=dict)
    students: dict[str, Student] = field(default_factory=dict)
    classes: dict[str, Class] = field(default_factory=dict)
    kept: dict[str, list[str]] = field(default_factory=dict)
    defects: dict[str, int] = field(default_factory=dict)
    largest_page: int = 0


ORG = OrgRow("s1", "active", "Oak School", "school", "001")
OTHER_ORG = OrgRow("s2", "active", "Elm School", "school")
DISTRICT = OrgRow("d1", "active", "The District", "district")
FALL = SessionRow("fall", "active", "semester", "2026-08-20", "2026-12-18", "2027")
LAST_SPRING = SessionRow("spring", "active", "semester", "2026-01-05", "2026-06-04", "2026")
COURSE = CourseRow("course", "active", "Algebra I", "")


def user(sourced_id: str, role: str = "student", **fields: Any) -> UserRow:
    roles = fields.pop("roles", (RoleRow(role, "s1"),))
    defaults: dict[str, Any] = {
        "status": "active",
        "enabled": "true",
        "given_name": f"Given{sourced_id}",
        "family_name": f"Family{sourced_id}",
        "email": f"{sourced_id}@x.example.org",
    }
    return UserRow(sourced_id, roles=roles, **(defaults | fields))


def a_class(sourced_id: str = "c1", **fields: Any) -> ClassRow:
    defaults: dict[str, Any] = {"status": "active", "title": "Math", "school_id": "s1", "term_ids": ("fall",)}
    return ClassRow(sourced_id, **(defaults | fields))


def enrollment(class_id: str, user_id: str, role: str = "student", **fields: Any) -> EnrollmentRow:
    defaults: dict[str, Any] = {"status": "active", "school_id": "s1", "primary": "false"}
    sourced_id = fields.pop("sourced_id", f"{class_id}-{user_id}-{role}")
    return EnrollmentRow(sourced_id, class_id, user_id, role=role, **(defaults | fields))


def assemble(
    *,
    orgs: tuple[OrgRow, ...] = (ORG, OTHER_ORG, DISTRICT),
    sessions: tuple[SessionRow, ...] = (FALL, LAST_SPRING),
    courses: tuple[CourseRow, ...] = (COURSE,),
    users: tuple[UserRow, ...] = (user("t1", "teacher"), user("a"), user("b")),
    classes: tuple[ClassRow, ...] = (a_class(),),
    enrollments: tuple[EnrollmentRow, ...] = (),
    today: date = TODAY,
    is_1_2: bool = False,
    page_records: int = 1000,
) -> Roster:
    report = PullReport()
    assembler = OneRosterAssembler(today, report, end_date_is_exclusive=is_1_2, page_records=page_records)
    assembler.add_orgs(orgs)
    assembler.add_sessions(sessions)
    assembler.add_courses(courses)
    roster = Roster()
    assembler.add_users(users)
    assembler.add_classes(classes)
    assembler.add_enrollments(enrollments)
    for page in assembler.finish():
        given: dict[str, Any] = getattr(roster, page.kind)
        records = records_of(page)
        for record in records:
            assert record.id not in given, "each id comes once"
            given[record.id] = record
        roster.kept.setdefault(page.kind, []).extend(page.kept)
        roster.largest_page = max(roster.largest_page, len(records) + len(page.kept))
    roster.kept = {kind: ids for kind, ids in roster.kept.items() if ids}
    roster.defects = {str(code): count for code, count in report.defects.items()}
    return roster


def test_orgs_that_are_schools_become_schools_and_others_do_not() -> None:
    roster = assemble(orgs=(ORG, DISTRICT, OrgRow("s3", "", "Fir", "School")))
    assert roster.schools == {"s1": School("s1", "Oak School", "001"), "s3": School("s3", "Fir")}
    assert not roster.defects.keys() - {"class-without-teacher"}


def test_a_class_carries_its_course_its_first_grade_and_subject_and_its_places() -> None:
    roster = assemble(
        classes=(a_class(course_id="course", grades=("", "09", "10"), subjects=("Math", "Science")),),
        enrollments=(enrollment("c1", "b"), enrollment("c1", "a"), enrollment("c1", "t1", "teacher")),
    )
    assert roster.classes == {
        "c1": Class("c1", "Math", "s1", ("t1",), ("a", "b"), course="Algebra I", grade="09", subject="Math")
    }
    assert not roster.defects


def test_the_primary_teacher_comes_first_and_the_others_are_sorted() -> None:
    teachers = tuple(user(name, "teacher") for name in ("t1", "t2", "t3"))
    rows = (
        enrollment("c1", "t3", "teacher", primary="true"),
        enrollment("c1", "t2", "teacher"),
        enrollment("c1", "t1", "teacher"),
    )
    assert assemble(users=teachers, enrollments=rows).classes["c1"].teachers == ("t3", "t1", "t2")


def test_of_several_primary_teachers_the_lowest_id_is_it_and_none_is_allowed() -> None:
    teachers = tuple(user(name, "teacher") for name in ("t1", "t2", "t3"))
    several = assemble(
        users=teachers,
        enrollments=(
            enrollment("c1", "t3", "teacher", primary="1"),
            enrollment("c1", "t2", "teacher", primary="yes"),
            enrollment("c1", "t1", "teacher"),
        ),
    )
    assert several.classes["c1"].teachers == ("t2", "t1", "t3")
    assert several.defects == {"several-primary-teachers": 1, "boolean-unusual": 2}
    none = assemble(users=teachers, enrollments=(enrollment("c1", "t2", "teacher"), enrollment("c1", "t1", "teacher")))
    assert none.classes["c1"].teachers == ("t1", "t2")
    assert not none.defects


def test_a_class_without_a_teacher_is_kept_and_counted() -> None:
    roster = assemble(enrollments=(enrollment("c1", "a"),))
    assert roster.classes["c1"].students == ("a",)
    assert roster.defects == {"class-without-teacher": 1}


# ---------------------------------------------------------------- people


def test_only_students_and_teachers_are_rostered_and_the_other_roles_are_no_defect() -> None:
    others = ("guardian", "parent", "administrator", "aide", "proctor", "counselor", "principal", "ext:coach")
    roster = assemble(users=(user("t1", "Teacher"), user("a", "STUDENT"), *(user(role, role) for role in others)))
    assert set(roster.teachers) == {"t1"}
    assert set(roster.students) == {"a"}
    assert roster.defects == {"class-without-teacher": 1}


def test_a_person_who_teaches_and_learns_is_in_both_kinds() -> None:
    both = user("x", roles=(RoleRow("teacher", "s1"), RoleRow("student", "s2"), RoleRow("guardian", "s1")))
    roster = assemble(users=(both,), classes=())
    assert roster.teachers["x"].schools == ("s1",)
    assert roster.students["x"].schools == ("s2",)
    assert roster.defects == {"person-in-two-kinds": 1}


@pytest.mark.parametrize("roles", [(), (RoleRow("wizard", "s1"),)])
def test_a_person_without_a_known_role_is_left_out_and_counted(roles: tuple[RoleRow, ...]) -> None:
    roster = assemble(users=(user("x", roles=roles),), classes=())
    assert not roster.teachers
    assert not roster.students
    assert roster.defects == {"person-without-role": 1}


def test_a_persons_schools_are_the_schools_of_this_pull_sorted() -> None:
    roles = tuple(RoleRow("student", org) for org in ("s2", "s1", "d1", "nowhere", "s1"))
    roster = assemble(users=(user("a", roles=roles),), classes=())
    assert roster.students["a"].schools == ("s1", "s2")
    assert roster.defects == {"person-school-unknown": 1}


def test_a_person_whose_login_is_disabled_has_not_left() -> None:
    roster = assemble(users=(user("a", enabled="false"),), enrollments=(enrollment("c1", "a"),))
    assert set(roster.students) == {"a"}
    assert roster.classes["c1"].students == ("a",)


def test_preferred_names_are_shown_and_legal_ones_stay() -> None:
    preferred = user("a", given_name="Robert", family_name="Roe", preferred_given_name="Bo")
    student = assemble(users=(preferred,), classes=()).students["a"]
    assert (student.given, student.family, student.display_name) == ("Robert", "Roe", "Bo Roe")


def test_what_a_student_has_besides_a_name_is_kept_as_it_was_sent() -> None:
    row = user("a", identifier="4711", grades=("KG", "01"), birth_date="3/14/2015", email=" Kid@x.example.org ")
    student = assemble(users=(row,), classes=()).students["a"]
    assert (student.number, student.grade, student.birth_date) == ("4711", "KG", "2015-03-14")
    assert student.email == "Kid@x.example.org"


def test_emails_are_counted_where_missing_malformed_or_shared_and_nobody_is_merged() -> None:
    users = (
        user("a", email="Same@x.example.org"),
        user("b", email="same@X.example.org"),
        user("c", email="same@x.example.org"),
        user("d", email=""),
        user("e", email="nonsense"),
    )
    roster = assemble(users=users, classes=())
    assert set(roster.students) == {"a", "b", "c", "d", "e"}
    assert roster.students["b"].email == "same@X.example.org"
    assert roster.students["e"].email is None
    assert roster.defects == {"email-shared": 2, "email-missing": 1, "email-malformed": 1}


def test_a_name_that_is_missing_is_counted_and_the_person_kept() -> None:
    roster = assemble(users=(user("a", family_name="NULL"),), classes=())
    assert roster.students["a"].display_name == "Givena"
    assert roster.defects == {"name-missing": 1, "null-written-out": 1}


@pytest.mark.parametrize(
    "masked",
    [
        lambda number: {"given_name": "Student", "family_name": "Student"},
        lambda number: {"given_name": "", "family_name": ""},
        lambda number: {"given_name": f"{number:032x}", "family_name": f"{number:032x}"},
        lambda number: {"given_name": "***", "family_name": str(number)},
    ],
    ids=["one name", "empty", "hashes", "no letters"],
)
def test_names_that_look_masked_by_data_guard_are_flagged_and_not_rejected(masked: Any) -> None:
    roster = assemble(users=tuple(user(f"u{number}", **masked(number)) for number in range(30)), classes=())
    assert len(roster.students) == 30
    assert roster.defects["names-obfuscated"] == 30


def test_ordinary_names_are_not_taken_for_masked() -> None:
    names = ("Ada", "Bo", "Zoë", "María", "李")
    users = tuple(user(f"u{n}", given_name=names[n % 5], family_name=f"Lee{n // 5}") for n in range(40))
    assert "names-obfuscated" not in assemble(users=users, classes=()).defects


# ---------------------------------------------------------------- status, ids that come twice


@pytest.mark.parametrize("status", ["tobedeleted", "inactive", "ToBeDeleted"])
def test_whatever_is_marked_as_removed_is_left_out_with_all_its_places(status: str) -> None:
    roster = assemble(
        orgs=(ORG, OrgRow("s2", status, "Elm", "school")),
        users=(user("t1", "teacher"), user("a"), user("b", status=status)),
        classes=(a_class(), a_class("c2", status=status)),
        enrollments=(
            enrollment("c1", "t1", "teacher"),
            enrollment("c1", "a"),
            enrollment("c1", "b"),
            enrollment("c2", "a"),
            enrollment("c1", "t1", "student", status=status),
        ),
    )
    assert set(roster.schools) == {"s1"}
    assert set(roster.students) == {"a"}
    assert set(roster.classes) == {"c1"}
    assert roster.classes["c1"].students == ("a",)
    assert roster.defects == {"place-of-removed-person": 3}
    assert not roster.kept


def test_an_unknown_status_keeps_what_is_applied_and_makes_nothing_new() -> None:
    roster = assemble(
        orgs=(ORG, OrgRow("s2", "closed", "Elm", "school")),
        users=(user("t1", "teacher", status="leave"), user("a", status="moved"), user("b")),
        classes=(a_class(status="draft"), a_class("c2", school_id="s2"), a_class("c3")),
    )
    assert roster.kept == {"schools": ["s2"], "teachers": ["t1"], "students": ["a"], "classes": ["c1", "c2"]}
    assert set(roster.schools) == {"s1"}
    assert set(roster.students) == {"b"}
    assert set(roster.classes) == {"c3"}
    assert roster.defects["status-unknown"] == 4


def test_a_person_keeps_the_reference_to_a_school_that_is_kept() -> None:
    roster = assemble(orgs=(OrgRow("s1", "closed", "Oak", "school"),), users=(user("a"),), classes=())
    assert roster.students["a"].schools == ("s1",)


def test_a_class_with_a_place_that_nobody_can_rely_on_is_kept_as_it_was() -> None:
    classes = (a_class("c1"), a_class("c2"), a_class("c3"))
    roster = assemble(
        users=(user("a", status="moved"), user("b"), user("t1", "teacher")),
        classes=classes,
        enrollments=(enrollment("c1", "a"), enrollment("c2", "b", status="perhaps"), enrollment("c3", "b")),
    )
    assert roster.kept == {"students": ["a"], "classes": ["c1", "c2"]}
    assert set(roster.classes) == {"c3"}


def test_one_id_twice_with_the_same_values_is_one_record() -> None:
    roster = assemble(
        orgs=(ORG, ORG),
        sessions=(FALL, FALL),
        courses=(COURSE, COURSE),
        users=(user("a"), user("b"), user("a")),
        classes=(a_class(), a_class()),
        enrollments=(enrollment("c1", "a"), enrollment("c1", "a")),
    )
    assert set(roster.students) == {"a", "b"}
    assert roster.classes["c1"].students == ("a",)
    assert roster.defects == {"id-twice": 5, "place-twice": 1, "class-without-teacher": 1}
    assert not roster.kept


def test_one_id_twice_with_differing_values_keeps_what_is_applied_however_late_it_comes() -> None:
    roster = assemble(
        orgs=(ORG, OTHER_ORG, OrgRow("s2", "active", "Another", "school")),
        users=(user("a"), user("b"), user("c"), user("a", email="other@x.example.org")),
        classes=(a_class(), a_class("c2"), a_class("c2", title="Art")),
        page_records=1,
    )
    assert roster.kept == {"schools": ["s2"], "students": ["a"], "classes": ["c2"]}
    assert set(roster.students) == {"b", "c"}
    assert set(roster.classes) == {"c1"}
    assert roster.defects["id-twice-differing"] == 3


def test_a_person_who_is_a_teacher_once_and_a_student_once_is_kept_in_both_kinds() -> None:
    roster = assemble(users=(user("x", "teacher"), user("x", "student")), classes=())
    assert roster.kept == {"teachers": ["x"], "students": ["x"]}


# ---------------------------------------------------------------- classes and terms


def test_a_class_is_current_if_any_of_its_terms_covers_today() -> None:
    classes = (
        a_class("c1", term_ids=("spring", "fall")),
        a_class("c2", term_ids=("spring",)),
        a_class("c3", term_ids=("fall",)),
    )
    assert set(assemble(classes=classes).classes) == {"c1", "c3"}


def test_a_class_without_terms_takes_its_courses_school_year() -> None:
    courses = (CourseRow("old", "", "Old", "spring"), CourseRow("new", "", "New", "fall"))
    classes = (a_class("c1", term_ids=(), course_id="old"), a_class("c2", term_ids=("gone",), course_id="new"))
    roster = assemble(courses=courses, classes=classes)
    assert set(roster.classes) == {"c2"}
    assert roster.defects == {"class-without-term": 1, "class-term-unknown": 1, "class-without-teacher": 1}


def test_a_class_of_which_no_term_is_known_is_kept_as_current_and_flagged() -> None:
    roster = assemble(classes=(a_class("c1", term_ids=()), a_class("c2", term_ids=("gone",))))
    assert set(roster.classes) == {"c1", "c2"}
    assert roster.defects == {"class-without-term": 1, "class-term-unknown": 1, "class-without-teacher": 2}


def test_between_terms_nobody_is_removed() -> None:
    spring = SessionRow("spring", "active", "semester", "2027-01-05", "2027-06-04")
    classes = (a_class("c1"), a_class("c2", term_ids=("spring",)))
    rows = (enrollment("c1", "a", end_date="2026-12-18"), enrollment("c1", "t1", "teacher"))
    roster = assemble(sessions=(FALL, spring), classes=classes, enrollments=rows, today=date(2026, 12, 28))
    assert set(roster.classes) == {"c1"}
    assert roster.classes["c1"].students == ("a",)
    assert roster.defects == {"term-gap": 1}


def test_a_term_with_reversed_dates_does_not_remove_its_classes() -> None:
    reversed_term = SessionRow("fall", "active", "semester", "2026-12-18", "2026-08-20")
    roster = assemble(sessions=(reversed_term,))
    assert set(roster.classes) == {"c1"}
    assert roster.defects == {"term-dates-reversed": 1, "class-term-unknown": 1, "class-without-teacher": 1}


def test_a_class_of_no_known_school_is_left_out_and_counted() -> None:
    classes = (a_class("c1", school_id="nowhere"), a_class("c2", school_id="d1"), a_class("c3", school_id=""))
    roster = assemble(classes=classes, enrollments=(enrollment("c1", "a"),))
    assert not roster.classes
    assert roster.defects == {"class-without-school": 3}


# ---------------------------------------------------------------- places


def test_places_that_lead_nowhere_are_dropped_and_counted() -> None:
    roster = assemble(
        users=(user("t1", "teacher"), user("a"), user("aide", "aide")),
        enrollments=(
            enrollment("c1", "t1", "teacher"),
            enrollment("c1", "a"),
            enrollment("c1", "ghost"),
            enrollment("c9", "a"),
            enrollment("c1", "aide", "teacher"),
            enrollment("c1", "t1", "student"),
        ),
    )
    assert roster.classes["c1"] == Class("c1", "Math", "s1", ("t1",), ("a",))
    assert roster.defects == {"place-of-unknown-person": 3, "place-in-unknown-class": 1}


def test_enrollments_of_classes_of_other_terms_are_dropped_without_a_word() -> None:
    roster = assemble(classes=(a_class("c1", term_ids=("spring",)),), enrollments=(enrollment("c1", "ghost"),))
    assert not roster.classes
    assert not roster.defects


def test_an_enrollment_with_another_role_makes_no_place() -> None:
    roster = assemble(
        enrollments=(
            enrollment("c1", "t1", "Teacher"),
            enrollment("c1", "a", "proctor"),
            enrollment("c1", "b", "wizard"),
        )
    )
    assert roster.classes["c1"] == Class("c1", "Math", "s1", ("t1",))
    assert roster.defects == {"place-role-unknown": 1}


@pytest.mark.parametrize(("is_1_2", "member"), [(False, True), (True, False)])
def test_the_day_an_enrollment_ends_on_counts_in_on_1_1_and_not_in_1_2(is_1_2: bool, member: bool) -> None:
    roster = assemble(enrollments=(enrollment("c1", "a", end_date="2026-10-01"),), is_1_2=is_1_2)
    assert roster.classes["c1"].students == (("a",) if member else ())
    assert ("place-already-ended" in roster.defects) is not member


def test_an_enrollment_of_the_future_or_the_past_is_no_place() -> None:
    rows = (
        enrollment("c1", "a", begin_date="2026-10-02"),
        enrollment("c1", "b", begin_date="2026-08-20", end_date="2026-09-30"),
    )
    roster = assemble(enrollments=rows)
    assert roster.classes["c1"].students == ()
    assert roster.defects == {"place-not-yet-begun": 1, "place-already-ended": 1, "class-without-teacher": 1}


def test_an_enrollment_that_begins_today_is_a_place() -> None:
    roster = assemble(enrollments=(enrollment("c1", "a", begin_date="2026-10-01"),))
    assert roster.classes["c1"].students == ("a",)


def test_an_enrollment_that_names_another_school_is_a_place_in_its_class() -> None:
    roster = assemble(enrollments=(enrollment("c1", "a", school_id="s2"), enrollment("c1", "t1", "teacher")))
    assert roster.classes["c1"].school == "s1"
    assert roster.classes["c1"].students == ("a",)
    assert roster.defects == {"place-school-differs": 1}


def test_a_place_is_its_class_person_and_role_whatever_its_own_id_is() -> None:
    both = user("x", roles=(RoleRow("teacher", "s1"), RoleRow("student", "s1")))
    rows = (
        enrollment("c1", "x", "student", sourced_id="1"),
        enrollment("c1", "x", "student", sourced_id="2"),
        enrollment("c1", "x", "teacher", sourced_id="1", primary="false"),
        enrollment("c1", "x", "teacher", sourced_id="1", primary="true"),
    )
    roster = assemble(users=(both,), enrollments=rows)
    assert roster.classes["c1"] == Class("c1", "Math", "s1", ("x",), ("x",))
    assert roster.defects == {"place-twice": 2, "person-in-two-kinds": 1}


def test_pages_are_never_larger_than_asked_for() -> None:
    users = tuple(user(f"u{number}") for number in range(25))
    assert assemble(users=users, page_records=10).largest_page == 10


# ---------------------------------------------------------------- any roster

STATUS = st.sampled_from(["active", "active", "active", "", "tobedeleted", "odd"])
IDS = st.sampled_from("abcdef")


@settings(max_examples=150, deadline=None)
@given(
    users=st.lists(
        st.builds(
            lambda i, role, status, email: user(i, role, status=status, email=email),
            IDS,
            st.sampled_from(["student", "teacher", "guardian", "odd"]),
            STATUS,
            st.sampled_from(["x@x.example.org", "y@x.example.org", ""]),
        ),
        max_size=8,
    ),
    classes=st.lists(
        st.builds(
            lambda i, terms, status, school: a_class(i, term_ids=terms, status=status, school_id=school),
            st.sampled_from(["c1", "c2", "c3"]),
            st.sampled_from([("fall",), ("spring",), (), ("gone",)]),
            STATUS,
            st.sampled_from(["s1", "s2", "d1"]),
        ),
        max_size=5,
    ),
    enrollments=st.lists(
        st.builds(
            lambda c, u, role, status, primary: enrollment(c, u, role, status=status, primary=primary),
            st.sampled_from(["c1", "c2", "c3", "c4"]),
            IDS,
            st.sampled_from(["student", "teacher"]),
            STATUS,
            st.sampled_from(["true", "false"]),
        ),
        max_size=20,
    ),
    seed=st.integers(0, 9),
)
def test_the_order_of_rows_does_not_matter_and_every_place_points_at_a_record(
    users: list[UserRow], classes: list[ClassRow], enrollments: list[EnrollmentRow], seed: int
) -> None:
    shuffle = random.Random(seed)
    roster = assemble(users=tuple(users), classes=tuple(classes), enrollments=tuple(enrollments))
    other = assemble(
        users=tuple(shuffle.sample(users, len(users))),
        classes=tuple(shuffle.sample(classes, len(classes))),
        enrollments=tuple(shuffle.sample(enrollments, len(enrollments))),
        page_records=2,
    )
    assert roster.teachers == other.teachers
    assert roster.students == other.students
    assert roster.classes == other.classes
    assert roster.kept == other.kept
    for record in roster.classes.values():
        assert set(record.teachers) <= set(roster.teachers)
        assert set(record.students) <= set(roster.students)
        assert record.school in roster.schools
    for kind, kept in roster.kept.items():
        assert not set(kept) & set(getattr(roster, kind)), "an id is a record or kept, never both"
