"""Which of Clever's users, schools and sections become which records (clever.md sections 7 and 8)."""

from pathlib import Path

import pytest

from schemas.records import Class, School, Student, Teacher
from services.ingest.source import PullFailedError
from tests.unit.clever_server import (
    SCHOOL,
    SECTION,
    TEACHER,
    Rows,
    pull_of,
    section,
    student,
    student_id,
    teacher,
    with_student,
)

OTHER_SCHOOL, UNSEEN = "b1" * 12, "e9" * 12


# ---------------------------------------------------------------- the four kinds


def test_each_kind_carries_the_fields_rollcall_uses_and_no_others(tmp_path: Path) -> None:
    pull = pull_of(tmp_path)
    assert pull.schools == [School(SCHOOL, "Oak School", "13K")]
    assert pull.students[0] == Student(
        id=student_id(1),
        email="s1@oak.example.org",
        given="Ada",
        family="Lovelace",
        display_name="Ada Lovelace",
        schools=(SCHOOL,),
        number="n1",
        grade="5",
        birth_date="2015-02-11",
    )
    assert pull.teachers == [
        Teacher(TEACHER, "eeee@oak.example.org", "Ada", "Lovelace", "Ada Lovelace", (SCHOOL,), "77")
    ]
    assert pull.classes == [
        Class(
            id=SECTION,
            name="Math - Lovelace - 2",
            school=SCHOOL,
            teachers=(TEACHER,),
            students=tuple(student_id(number) for number in range(1, 6)),
            course="Mathematics",
            grade="5",
            subject="math",
        )
    ]
    assert +pull.report.defects == {}


def test_staff_administrators_and_contacts_are_not_rostered_and_no_defect(tmp_path: Path) -> None:
    others = {"staff": {"staff_id": "1"}, "district_admin": {"title": "CIO"}, "contact": {"phone": "555-0100"}}

    def change(rows: Rows) -> None:
        rows["users"] += [
            teacher("e" * 23 + f"{n}", roles={role: held}) for n, (role, held) in enumerate(others.items())
        ]
        rows["users"].sort(key=lambda row: str(row["id"]))

    pull = pull_of(tmp_path, change)
    assert (len(pull.students), len(pull.teachers)) == (5, 1)
    assert +pull.report.defects == {}


def test_a_person_without_any_role_is_left_out_and_counted(tmp_path: Path) -> None:
    pull = pull_of(tmp_path, lambda rows: rows["users"].append(teacher("f" * 24, roles={})))
    assert pull.report.defects["person-without-role"] == 1
    assert len(pull.teachers) == 1


def test_an_employee_with_several_roles_is_one_teacher(tmp_path: Path) -> None:
    def change(rows: Rows) -> None:
        rows["users"][-1]["roles"] |= {"staff": {"staff_id": "1"}, "district_admin": {"title": "CIO"}}

    assert [person.id for person in pull_of(tmp_path, change).teachers] == [TEACHER]


def test_a_student_who_also_teaches_has_a_record_of_each_kind_and_is_counted(tmp_path: Path) -> None:
    def change(rows: Rows) -> None:
        rows["users"][0]["roles"] |= {"teacher": {"school": SCHOOL}}

    pull = pull_of(tmp_path, change)
    assert student_id(1) in {person.id for person in pull.students} & {person.id for person in pull.teachers}
    assert pull.report.defects["person-in-two-kinds"] == 1
    assert pull.report.defects["email-shared"] == 0


@pytest.mark.parametrize(
    ("email", "kept", "defect"),
    [
        ("  x@oak.example.org ", "x@oak.example.org", None),
        ("X.Y@Oak.example.org", "X.Y@Oak.example.org", None),
        ("", None, "email-missing"),
        (None, None, "email-missing"),
        ("no-at-sign.example.org", None, "email-malformed"),
        ("two@at@signs.org", None, "email-malformed"),
    ],
)
def test_an_email_is_kept_as_it_is_where_it_is_one(
    tmp_path: Path, email: str | None, kept: str | None, defect: str | None
) -> None:
    pull = pull_of(tmp_path, with_student(email=email))
    assert pull.students[0].email == kept
    assert +pull.report.defects == ({} if defect is None else {defect: 1})


def test_an_email_that_several_share_stays_with_each_and_is_counted(tmp_path: Path) -> None:
    pull = pull_of(tmp_path, with_student(email="S2@OAK.example.org"))
    assert [person.email for person in pull.students[:2]] == ["S2@OAK.example.org", "s2@oak.example.org"]
    assert pull.report.defects["email-shared"] == 1


@pytest.mark.parametrize(
    ("dob", "birth_date", "unreadable"),
    [
        ("1/16/1998", "1998-01-16", 0),
        ("12/01/2014", "2014-12-01", 0),
        ("", None, 0),
        ("2/30/2015", None, 1),
        ("?", None, 1),
    ],
)
def test_a_date_of_birth_becomes_an_iso_date(tmp_path: Path, dob: str, birth_date: str | None, unreadable: int) -> None:
    pull = pull_of(tmp_path, with_student(role={"dob": dob}))
    assert pull.students[0].birth_date == birth_date
    assert pull.report.defects["date-unreadable"] == unreadable


@pytest.mark.parametrize(
    ("preferred", "shown"),
    [
        ({"first": "Lin", "middle": "", "last": "Wu"}, "Lin Wu"),
        ({"first": "Lin", "last": ""}, "Lin Lovelace"),
        ({"first": "", "middle": "", "last": ""}, "Ada Lovelace"),
        (None, "Ada Lovelace"),
    ],
)
def test_the_preferred_name_of_v3_1_is_shown_and_the_legal_one_kept(
    tmp_path: Path, preferred: dict[str, str] | None, shown: str
) -> None:
    person = pull_of(tmp_path, with_student(role={"preferred_name": preferred})).students[0]
    assert (person.display_name, person.given, person.family) == (shown, "Ada", "Lovelace")


@pytest.mark.parametrize(("name", "shown"), [({"last": "Wu"}, "Wu"), ({"first": "", "last": ""}, ""), (None, "")])
def test_a_missing_name_is_counted(tmp_path: Path, name: dict[str, str] | None, shown: str) -> None:
    pull = pull_of(tmp_path, with_student(name=name))
    assert pull.students[0].display_name == shown
    assert pull.report.defects["name-missing"] == 1


def test_a_student_belongs_to_all_of_their_schools_in_the_pull_in_order(tmp_path: Path) -> None:
    def change(rows: Rows) -> None:
        rows["schools"].insert(0, {"id": OTHER_SCHOOL, "name": "Elm"})
        rows["users"][0] = student(1, role={"school": SCHOOL, "schools": [UNSEEN, OTHER_SCHOOL]})

    pull = pull_of(tmp_path, change)
    assert pull.students[0].schools == (OTHER_SCHOOL, SCHOOL)
    assert pull.report.defects["person-school-unknown"] == 1


def test_unknown_values_are_kept_and_counted(tmp_path: Path) -> None:
    pull = pull_of(tmp_path, with_student(role={"grade": "14"}))
    assert pull.students[0].grade == "14"
    assert pull.report.defects["value-unknown"] == 1


def test_a_record_of_another_form_leaves_what_is_applied_as_it_is(tmp_path: Path) -> None:
    def change(rows: Rows) -> None:
        rows["schools"].append({"id": "b" * 23 + "f", "name": 5})
        rows["users"][0] = student(1, email=["x"])
        rows["sections"].append(section("f" * 23 + "f0", name={}))

    pull = pull_of(tmp_path, change)
    assert pull.kept("schools") == ["b" * 23 + "f"]
    assert pull.kept("students") == [student_id(1)]
    assert pull.kept("teachers") == []
    assert pull.kept("classes") == ["f" * 23 + "f0"]
    assert student_id(1) in pull.classes[0].students
    assert pull.report.defects["record-unreadable"] == 3


def test_a_person_whose_roles_cannot_be_read_fails_the_pull(tmp_path: Path) -> None:
    with pytest.raises(PullFailedError, match="roles") as caught:
        pull_of(tmp_path, with_student(roles=["student"]))
    assert caught.value.code == "not-a-roster"
