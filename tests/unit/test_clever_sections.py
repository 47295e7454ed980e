"""Which sections become classes, what changes nothing, and Clever's quirks (clever.md sections 9 and 12)."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.unit.clever_server import (
    COURSE,
    DISTRICT,
    SCHOOL,
    TEACHER,
    CleverServer,
    Rows,
    encoded,
    pull_of,
    read,
    section,
    student,
    student_id,
    teacher,
    with_section,
    with_student,
    with_term,
)

OTHER_SCHOOL, OTHER_TEACHER, UNSEEN = "b1" * 12, "e1" * 12, "e9" * 12


# ---------------------------------------------------------------- the current term


@pytest.mark.parametrize(
    ("today", "classes"),
    [("2026-07-31", 0), ("2026-08-01", 1), ("2026-12-18", 1), ("2026-12-19", 0)],
)
def test_only_sections_of_the_current_term_are_classes(tmp_path: Path, today: str, classes: int) -> None:
    pull = pull_of(tmp_path, today=date.fromisoformat(today))
    assert len(pull.classes) == classes
    assert len(pull.students) == 5


def test_a_section_of_a_past_term_has_no_defects(tmp_path: Path) -> None:
    def change(rows: Rows) -> None:
        with_term(end_date="2026-09-01")(rows)
        with_section(teacher=None, teachers=[], students=[UNSEEN], school=None)(rows)

    pull = pull_of(tmp_path, change)
    assert pull.classes == []
    assert +pull.report.defects == {}


@pytest.mark.parametrize(
    "term", [{"start_date": "", "end_date": None}, {"start_date": "2026-09-01"}, {"end_date": "2026-12-01"}]
)
def test_a_term_with_open_dates_is_current_where_they_allow(tmp_path: Path, term: dict[str, Any]) -> None:
    assert len(pull_of(tmp_path, with_term(**term)).classes) == 1


def test_a_term_with_dates_that_nobody_can_read_is_current(tmp_path: Path) -> None:
    pull = pull_of(tmp_path, with_term(start_date="soon", end_date="2026-12-01"))
    assert len(pull.classes) == 1
    assert pull.report.defects["date-unreadable"] == 1


def test_a_term_that_ends_before_it_starts_is_current(tmp_path: Path) -> None:
    pull = pull_of(tmp_path, with_term(start_date="2026-12-01", end_date="2026-08-01"))
    assert len(pull.classes) == 1
    assert pull.report.defects["term-dates-reversed"] == 1


# ---------------------------------------------------------------- what changes without anything having changed


@pytest.mark.parametrize("field", ["created", "last_modified"])
def test_timestamps_that_move_change_no_record(tmp_path: Path, field: str) -> None:
    def touch(rows: Rows) -> None:
        for row in (*rows["schools"], *rows["users"], *rows["sections"]):
            row[field] = "2026-10-01T00:00:00.000Z"

    assert encoded(pull_of(tmp_path, touch)) == encoded(pull_of(tmp_path))


def test_the_order_of_fields_changes_no_record(tmp_path: Path) -> None:
    def reverse(rows: Rows) -> None:
        for collection, of in rows.items():
            rows[collection] = [dict(reversed(row.items())) for row in of]

    assert encoded(pull_of(tmp_path, reverse)) == encoded(pull_of(tmp_path))


def test_the_order_of_students_and_of_further_teachers_changes_no_class(tmp_path: Path) -> None:
    further = [f"e{number}" * 12 for number in range(8)]

    def ordered(teachers: list[str], students: list[str]) -> Callable[[Rows], None]:
        def change(rows: Rows) -> None:
            rows["users"][5:5] = [teacher(id_) for id_ in further]
            with_section(teachers=teachers, students=students)(rows)

        return change

    students = [student_id(number) for number in range(1, 6)]
    one = pull_of(tmp_path, ordered([TEACHER, *further], students)).classes
    other = pull_of(tmp_path, ordered([TEACHER, *reversed(further)], students[::-1])).classes
    assert one == other
    assert one[0].teachers == (TEACHER, *further)


def test_a_term_and_a_course_made_anew_under_other_ids_change_no_class(tmp_path: Path) -> None:
    def renew(rows: Rows) -> None:
        rows["terms"][0]["id"] = "c1" * 12
        rows["courses"][0]["id"] = "d1" * 12
        with_section(term_id="c1" * 12, course="d1" * 12)(rows)

    assert encoded(pull_of(tmp_path, renew)) == encoded(pull_of(tmp_path))


def test_a_sections_name_is_taken_as_given_and_follows_its_teacher(tmp_path: Path) -> None:
    assert pull_of(tmp_path, with_section(name="Math - Hopper - 2")).classes[0].name == "Math - Hopper - 2"


# ---------------------------------------------------------------- quirks that break naive code


def test_members_that_we_cannot_see_are_dropped_and_counted(tmp_path: Path) -> None:
    pull = pull_of(tmp_path, with_section(students=[student_id(1), UNSEEN, "e8" * 12], teachers=[TEACHER, UNSEEN]))
    assert (pull.classes[0].students, pull.classes[0].teachers) == ((student_id(1),), (TEACHER,))
    assert pull.report.defects["place-of-unknown-person"] == 3


def test_a_student_listed_among_the_teachers_is_not_one(tmp_path: Path) -> None:
    pull = pull_of(tmp_path, with_section(teachers=[TEACHER, student_id(1)]))
    assert pull.classes[0].teachers == (TEACHER,)
    assert pull.report.defects["place-of-unknown-person"] == 1


def test_the_same_member_twice_has_one_place_and_is_counted(tmp_path: Path) -> None:
    pull = pull_of(tmp_path, with_section(students=[student_id(1), student_id(1)], teachers=[TEACHER, TEACHER]))
    assert (pull.classes[0].students, pull.classes[0].teachers) == ((student_id(1),), (TEACHER,))
    assert pull.report.defects["place-twice"] == 2


def test_a_student_keeps_a_place_in_a_class_of_another_school(tmp_path: Path) -> None:
    def change(rows: Rows) -> None:
        rows["schools"].insert(0, {"id": OTHER_SCHOOL, "name": "Elm"})
        rows["users"][0] = student(1, role={"school": OTHER_SCHOOL, "schools": [OTHER_SCHOOL]})

    pull = pull_of(tmp_path, change)
    assert student_id(1) in pull.classes[0].students
    assert +pull.report.defects == {}


def test_people_without_any_section_are_rostered(tmp_path: Path) -> None:
    pull = pull_of(tmp_path, lambda rows: rows["sections"].clear())
    assert (len(pull.students), len(pull.teachers), pull.classes) == (5, 1, [])


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_section_without_course_or_term_is_a_class(tmp_path: Path, nothing: str | None) -> None:
    pull = pull_of(tmp_path, with_section(course=nothing, term_id=nothing))
    assert pull.classes[0].course is None
    assert +pull.report.defects == {"class-without-term": 1}


def test_a_district_without_courses_and_terms_keeps_its_sections(tmp_path: Path) -> None:
    def change(rows: Rows) -> None:
        rows["terms"], rows["courses"] = [], []

    pull = pull_of(tmp_path, change)
    assert len(pull.classes) == 1
    assert +pull.report.defects == {"class-term-unknown": 1}


def test_a_course_without_a_name_is_known_by_its_number(tmp_path: Path) -> None:
    def change(rows: Rows) -> None:
        rows["courses"] = [{"id": COURSE, "name": "", "number": "M1"}]

    assert pull_of(tmp_path, change).classes[0].course == "M1"


@pytest.mark.parametrize("school", [None, "", UNSEEN])
def test_a_section_of_no_known_school_is_left_out_and_counted(tmp_path: Path, school: str | None) -> None:
    pull = pull_of(tmp_path, with_section(school=school))
    assert pull.classes == []
    assert pull.report.defects["class-without-school"] == 1


def test_a_section_of_a_school_that_cannot_be_read_stays_a_class(tmp_path: Path) -> None:
    def change(rows: Rows) -> None:
        rows["schools"] = [{"id": SCHOOL, "name": 5}]

    pull = pull_of(tmp_path, change)
    assert pull.kept("schools") == [SCHOOL]
    assert pull.classes[0].school == SCHOOL
    assert pull.students[0].schools == (SCHOOL,)


def test_a_person_who_returns_under_a_new_id_is_a_new_person(tmp_path: Path) -> None:
    def renew(rows: Rows) -> None:
        rows["users"][0] = student(1) | {"id": "0" * 24}

    ids = {person.id for person in pull_of(tmp_path, renew).students}
    assert "0" * 24 in ids
    assert student_id(1) not in ids


def test_the_legacy_id_is_no_key(tmp_path: Path) -> None:
    pull = pull_of(tmp_path, with_section(students=["1389".zfill(24)], teachers=["9" * 24], teacher="9" * 24))
    assert (pull.classes[0].students, pull.classes[0].teachers) == ((), ())
    assert b"9" * 24 not in b"".join(encoded(pull))


def test_texts_have_no_largest_length_and_any_unicode(tmp_path: Path) -> None:
    name = "Ж" * 5000 + "🎓 'O; DROP"
    assert pull_of(tmp_path, with_student(name={"first": name, "last": "李"})).students[0].given == name


def test_people_and_sections_of_the_same_name_are_different_ones(tmp_path: Path) -> None:
    pull = pull_of(tmp_path, lambda rows: rows["sections"].append(section("f" * 23 + "f1")))
    assert len(pull.classes) == 2
    assert len({person.id for person in pull.students if person.display_name == "Ada Lovelace"}) == 5


@pytest.mark.parametrize(
    ("primary", "teachers", "given"),
    [
        (TEACHER, [OTHER_TEACHER, TEACHER], (TEACHER, OTHER_TEACHER)),
        (None, [TEACHER, OTHER_TEACHER], (TEACHER, OTHER_TEACHER)),
        ("", [TEACHER, OTHER_TEACHER], (TEACHER, OTHER_TEACHER)),
        (TEACHER, [OTHER_TEACHER], (TEACHER, OTHER_TEACHER)),
        (TEACHER, None, (TEACHER,)),
        (UNSEEN, [UNSEEN, TEACHER, OTHER_TEACHER], (OTHER_TEACHER, TEACHER)),
        (None, [], ()),
        (None, None, ()),
    ],
)
def test_the_primary_teacher_comes_first_or_the_first_listed_or_none(
    tmp_path: Path, primary: str | None, teachers: list[str] | None, given: tuple[str, ...]
) -> None:
    def change(rows: Rows) -> None:
        rows["users"].insert(5, teacher(OTHER_TEACHER))
        with_section(teacher=primary, teachers=teachers)(rows)

    pull = pull_of(tmp_path, change)
    assert pull.classes[0].teachers == given
    assert pull.report.defects["class-without-teacher"] == (0 if given else 1)


def test_everybody_is_asked_for_once_with_all_of_their_roles(tmp_path: Path) -> None:
    server = CleverServer()
    read(server, tmp_path)
    assert [dict(request.url.params) for request in server.asked("users")] == [{"limit": "10000"}]


def test_nothing_but_what_is_rostered_leaves_the_adapter(tmp_path: Path) -> None:
    leaves = b"".join(encoded(pull_of(tmp_path)))
    assert not [
        word
        for word in (b"Asian", b"11201", b"user1", b"Free", b"555-0100", b"sis_id", DISTRICT.encode())
        if word in leaves
    ]
