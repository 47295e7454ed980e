"""Every way of writing a OneRoster CSV package that producers really use gives the same records."""

import random
import tempfile
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.oneroster_csv_packages import (
    MANIFEST_1_1,
    TODAY,
    Files,
    Pulled,
    Row,
    Tables,
    files_1_1,
    files_of,
    pull,
    tables_1_1,
    text_of,
    write_folder,
)

MANIFEST_1_2 = "propertyName,value\noneroster.version,1.2\nfile.roles,bulk\nfile.userProfiles,bulk\n"


def pull_files(folder: Path, files: Files, today: date = TODAY) -> Pulled:
    return pull(write_folder(folder, files), today)


def pull_tables(folder: Path, tables: Tables, today: date = TODAY) -> Pulled:
    return pull_files(folder, files_of(tables), today)


def renamed(rows: list[Row], **names: str) -> list[Row]:
    return [{names.get(name, name): value for name, value in row.items()} for row in rows]


def without(rows: list[Row], *names: str) -> list[Row]:
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


@pytest.fixture
def ordinary(tmp_path: Path) -> Pulled:
    return pull_tables(tmp_path / "ordinary", tables_1_1())


def test_a_package_gives_its_schools_teachers_students_and_classes(ordinary: Pulled) -> None:
    assert ordinary.school("o2").name == "A school"
    assert set(ordinary.records["schools"]) == {"o2"}
    assert ordinary.teacher("u1").email == "ada@district.example"
    ben = ordinary.student("u2")
    assert (ben.display_name, ben.grade, ben.number, ben.schools) == ("Ben Ode", "09", "77", ("o2",))
    assert ben.birth_date == "2012-03-04"
    algebra = ordinary.class_("c1")
    assert (algebra.teachers, algebra.students) == (("u1",), ("u2", "u3"))
    assert (algebra.course, algebra.grade, algebra.subject) == ("Algebra", "09", "Mathematics")
    assert not +ordinary.report.defects


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32), quote_all=st.booleans(), bom=st.booleans(), windows=st.booleans(), final=st.booleans()
)
def test_column_order_quoting_bom_and_line_ends_never_change_the_records(
    seed: int, quote_all: bool, bom: bool, windows: bool, final: bool
) -> None:
    order = random.Random(seed)
    files: Files = {}
    for file, rows in tables_1_1().items():
        columns = list(rows[0])
        order.shuffle(columns)
        shuffled = [{column: row[column] for column in columns} for row in rows]
        text = text_of(shuffled, quote_all=quote_all, line_end="\r\n" if windows else "\n")
        content = (text if final else text.rstrip("\r\n")).encode()
        files[file] = b"\xef\xbb\xbf" + content if bom else content
    with tempfile.TemporaryDirectory() as folder:
        changed = pull_files(Path(folder) / "changed", files)
        ordinary = pull_tables(Path(folder) / "ordinary", tables_1_1())

    assert changed.records == ordinary.records


@settings(max_examples=60, deadline=None)
@given(
    given_name=st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1).filter(
        lambda name: name.strip() == name and name != "NULL"
    ),
    quote_all=st.booleans(),
)
def test_any_name_comes_through_as_it_was_written(given_name: str, quote_all: bool) -> None:
    rows = tables_1_1()["users.csv"]
    rows[1]["givenName"] = given_name
    with tempfile.TemporaryDirectory() as folder:
        pulled = pull_files(Path(folder), files_1_1(users_csv=text_of(rows, quote_all=quote_all)))

    assert pulled.student("u2").given == given_name


def test_columns_of_the_producers_own_and_columns_without_a_name_are_ignored(tmp_path: Path, ordinary: Pulled) -> None:
    tables = tables_1_1()
    for rows in tables.values():
        for row in rows:
            row.update({"ext_email": "x@y.example", "metadata.role": "student", "": "?", "email2": "z@y.example"})

    assert pull_tables(tmp_path / "p", tables).records == ordinary.records


@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("orgs.csv", "identifier"),
        ("orgs.csv", "status"),
        ("academicSessions.csv", "schoolYear"),
        ("courses.csv", "schoolYearSourcedId"),
        ("users.csv", "enabledUser"),
        ("users.csv", "grades"),
        ("users.csv", "identifier"),
        ("classes.csv", "subjects"),
        ("enrollments.csv", "primary"),
        ("enrollments.csv", "beginDate"),
        ("demographics.csv", "birthDate"),
    ],
)
def test_an_optional_column_that_is_missing_is_blank_and_counted(tmp_path: Path, file: str, column: str) -> None:
    tables = tables_1_1()
    tables[file] = without(tables[file], column)

    pulled = pull_tables(tmp_path / "p", tables)

    assert pulled.report.defects["column-missing"] == 1
    assert set(pulled.records["students"]) == {"u2", "u3"}


def test_the_names_of_1_0_are_understood_and_what_1_0_has_not_is_no_defect(tmp_path: Path, ordinary: Pulled) -> None:
    tables = tables_1_1()
    tables["academicSessions.csv"] = without(tables["academicSessions.csv"], "schoolYear")
    tables["courses.csv"] = renamed(tables["courses.csv"], schoolYearSourcedId="schoolYearId")
    users = without(tables["users.csv"], "enabledUser", "password", "middleName")
    tables["users.csv"] = renamed(users, userIds="userId", agentSourcedIds="agents", grades="grade")
    tables["classes.csv"] = renamed(tables["classes.csv"], grades="grade", termSourcedIds="termSourcedId")
    tables["enrollments.csv"] = without(tables["enrollments.csv"], "beginDate", "endDate")
    tables["demographics.csv"] = renamed(tables["demographics.csv"], sourcedId="userSourcedId", birthDate="birthdate")

    pulled = pull_files(tmp_path / "p", files_of(tables, manifest=None))

    assert pulled.records == ordinary.records
    assert not +pulled.report.defects


def tables_1_2() -> Tables:
    """Give the ordinary package as OneRoster 1.2 has it, with somebody who teaches here and learns there."""
    tables = tables_1_1()
    roles = [("r1", "u1", "teacher"), ("r2", "u2", "student"), ("r3", "u3", "student"), ("r4", "u4", "parent")]
    tables["roles.csv"] = [
        {
            "sourcedId": sourced_id,
            "status": "",
            "dateLastModified": "",
            "userSourcedId": user,
            "roleType": "primary",
            "role": role,
            "beginDate": "",
            "endDate": "",
            "orgSourcedId": "o2",
            "userProfileSourcedId": "",
        }
        for sourced_id, user, role in roles
    ]
    tables["userProfiles.csv"] = [{"sourcedId": "p1", "userSourcedId": "u2", "username": "ben", "password": "secret"}]
    names = {"preferredGivenName": "", "preferredMiddleName": "", "preferredFamilyName": "", "primaryOrgSourcedId": ""}
    tables["users.csv"] = [row | names for row in without(tables["users.csv"], "role", "orgSourcedIds")]
    return tables


def test_roles_and_schools_come_from_roles_csv_in_1_2(tmp_path: Path, ordinary: Pulled) -> None:
    pulled = pull_files(tmp_path / "p", files_of(tables_1_2(), MANIFEST_1_2))

    assert pulled.records == ordinary.records
    assert not +pulled.report.defects
    assert "roles" in [proof.collection for proof in pulled.report.proofs]


def test_a_person_with_several_roles_in_1_2_is_of_both_kinds(tmp_path: Path) -> None:
    tables = tables_1_2()
    tables["roles.csv"].append({**tables["roles.csv"][0], "sourcedId": "r5", "userSourcedId": "u2"})

    pulled = pull_files(tmp_path / "p", files_of(tables, MANIFEST_1_2))

    assert "u2" in pulled.records["teachers"]
    assert "u2" in pulled.records["students"]
    assert pulled.report.defects["person-in-two-kinds"] == 1


def test_a_role_marked_as_removed_counts_no_more(tmp_path: Path) -> None:
    tables = tables_1_2()
    tables["roles.csv"][1]["status"] = "tobedeleted"

    assert set(pull_files(tmp_path / "p", files_of(tables, MANIFEST_1_2)).records["students"]) == {"u3"}


@pytest.mark.parametrize(
    "names", [("preferredGivenName", "preferredFamilyName"), ("preferredFirstName", "preferredLastName")]
)
def test_the_preferred_name_is_the_display_name_under_either_spelling(tmp_path: Path, names: tuple[str, str]) -> None:
    tables = tables_1_2()
    users = without(tables["users.csv"], "preferredGivenName", "preferredFamilyName")
    tables["users.csv"] = [row | {names[0]: "", names[1]: ""} for row in users]
    tables["users.csv"][1].update({names[0]: "Benny", names[1]: "Oak"})

    ben = pull_files(tmp_path / "p", files_of(tables, MANIFEST_1_2)).student("u2")

    assert (ben.display_name, ben.given, ben.family) == ("Benny Oak", "Ben", "Ode")


def test_a_terms_last_day_counts_in_1_1_and_not_in_1_2(tmp_path: Path) -> None:
    last_day = date(2026, 12, 18)
    current = {}
    for version, tables, manifest in (("1.1", tables_1_1(), MANIFEST_1_1), ("1.2", tables_1_2(), MANIFEST_1_2)):
        next_term = {"sourcedId": "t2", "startDate": "2026-12-18", "endDate": "2027-06-10"}
        tables["academicSessions.csv"].append({**tables["academicSessions.csv"][0], **next_term})
        tables["classes.csv"].append({**tables["classes.csv"][0], "sourcedId": "c2", "termSourcedIds": "t2"})
        pulled = pull_files(tmp_path / version, files_of(tables, manifest), last_day)
        current[version] = set(pulled.records["classes"])

    assert current == {"1.1": {"c1", "c2"}, "1.2": {"c2"}}


def test_header_names_with_other_case_blanks_or_underscores_are_understood(tmp_path: Path, ordinary: Pulled) -> None:
    tables = tables_1_1()
    tables["users.csv"] = renamed(
        tables["users.csv"], sourcedId="SOURCEDID", givenName="given_name", familyName=" Family Name ", role="Role"
    )

    pulled = pull_tables(tmp_path / "p", tables)

    assert pulled.records == ordinary.records
    assert not +pulled.report.defects


def test_a_misspelt_header_is_read_as_the_one_it_can_only_be_and_counted(tmp_path: Path, ordinary: Pulled) -> None:
    tables = tables_1_1()
    tables["users.csv"] = renamed(tables["users.csv"], givenName="givenNmae")
    tables["enrollments.csv"] = renamed(tables["enrollments.csv"], userSourcedId="userSourceId")

    pulled = pull_tables(tmp_path / "p", tables)

    assert pulled.records == ordinary.records
    assert pulled.report.defects["column-misspelt"] == 2


def test_a_column_with_a_number_is_never_taken_for_a_misspelt_one(tmp_path: Path) -> None:
    tables = tables_1_1()
    tables["users.csv"] = renamed(tables["users.csv"], email="email2")

    pulled = pull_tables(tmp_path / "p", tables)

    assert pulled.student("u2").email is None
    assert pulled.report.defects["column-missing"] == 1


def test_us_dates_and_capital_booleans_are_understood(tmp_path: Path, ordinary: Pulled) -> None:
    tables = tables_1_1()
    tables["academicSessions.csv"][0].update(startDate="8/15/2026", endDate="12/18/2026")
    tables["demographics.csv"][1]["birthDate"] = "3/4/2012"
    tables["enrollments.csv"][0]["primary"] = "TRUE"

    assert pull_tables(tmp_path / "p", tables).records == ordinary.records


@pytest.mark.parametrize("between", [",", ", ", " , "])
def test_lists_are_read_with_or_without_blanks(tmp_path: Path, between: str) -> None:
    tables = tables_1_1()
    tables["orgs.csv"].append({**tables["orgs.csv"][1], "sourcedId": "o3", "name": "Another school"})
    tables["users.csv"][1]["orgSourcedIds"] = between.join(["o3", "o2"])
    tables["classes.csv"][0]["termSourcedIds"] = between.join(["t1", "t1"])
    tables["classes.csv"][0]["grades"] = between.join(["10", "09"])

    pulled = pull_tables(tmp_path / "p", tables)

    assert pulled.student("u2").schools == ("o2", "o3")
    assert pulled.class_("c1").grade == "10"


def test_a_blank_between_a_comma_and_a_quote_does_not_shift_the_columns(tmp_path: Path) -> None:
    users = (
        "sourcedId, status, enabledUser, orgSourcedIds, role, givenName, familyName, email, identifier, grades\n"
        'u1, , true, "o2", teacher, Ada, Byron, ada@district.example, , \n'
        'u2, , true, "o1,o2", student, "Ben", "Ode", ben@district.example, 77, "09,10"\n'
    )

    ben = pull_files(tmp_path / "p", files_1_1(users_csv=users)).student("u2")

    assert (ben.given, ben.family, ben.email, ben.schools) == ("Ben", "Ode", "ben@district.example", ("o2",))


def test_fields_beyond_the_header_are_ignored_and_their_rows_counted(tmp_path: Path, ordinary: Pulled) -> None:
    header, first, *others = text_of(tables_1_1()["users.csv"]).splitlines()
    users = "\n".join([header, f"{first},more,and more", *others])

    pulled = pull_files(tmp_path / "p", files_1_1(users_csv=users))

    assert pulled.records == ordinary.records
    assert pulled.report.defects["row-too-long"] == 1


def test_fields_that_a_short_row_lacks_are_blank_and_the_rows_counted(tmp_path: Path, ordinary: Pulled) -> None:
    enrollments = text_of(tables_1_1()["enrollments.csv"]).replace(",,,\n", "\n")

    pulled = pull_files(tmp_path / "p", files_1_1(enrollments_csv=enrollments.rstrip("\n")))

    assert pulled.records == ordinary.records
    assert pulled.report.defects["row-too-short"] == 2


def test_blank_lines_and_rows_of_commas_are_no_rows(tmp_path: Path, ordinary: Pulled) -> None:
    orgs = text_of(tables_1_1()["orgs.csv"])

    pulled = pull_files(tmp_path / "p", files_1_1(orgs_csv=orgs + "\n,,,,,,\n,,\n\n"))

    assert pulled.records == ordinary.records
    assert pulled.report.proofs[0].rows == 2


def test_the_letters_null_are_blank_and_counted(tmp_path: Path) -> None:
    tables = tables_1_1()
    tables["users.csv"][1].update(identifier="NULL", grades="NULL", sms="NULL")
    tables["enrollments.csv"][1].update(endDate="NULL")

    pulled = pull_tables(tmp_path / "p", tables)

    assert (pulled.student("u2").number, pulled.student("u2").grade) == (None, None)
    assert pulled.class_("c1").students == ("u2", "u3")
    assert pulled.report.defects["null-written-out"] == 3


def test_a_line_break_inside_quotes_is_part_of_the_value(tmp_path: Path) -> None:
    tables = tables_1_1()
    tables["classes.csv"][0]["title"] = "Algebra\n1"

    assert pull_tables(tmp_path / "p", tables).class_("c1").name == "Algebra\n1"
