"""What a person reads when a file of a package is not what it must be; a cell is never quoted."""

from pathlib import Path

import pytest

from services.ingest.source import PullFailedError
from tests.unit.oneroster_csv_packages import (
    Files,
    Tables,
    files_1_1,
    files_of,
    pull,
    tables_1_1,
    text_of,
    write_folder,
)


def refusal(folder: Path, files: Files, code: str = "not-a-roster") -> str:
    with pytest.raises(PullFailedError) as raised:
        pull(write_folder(folder, files))
    error = raised.value
    assert error.code == code
    assert not any(name in error.text for name in ("Ben", "Ode", "ben@", "open-sesame"))
    return error.text


def users_text() -> str:
    return text_of(tables_1_1()["users.csv"])


@pytest.mark.parametrize("padding", [0, 3 * 1024 * 1024])
def test_a_wrong_encoding_is_refused_with_the_file_the_line_and_the_byte(tmp_path: Path, padding: int) -> None:
    header, *lines = users_text().encode().splitlines(keepends=True)
    ada = lines[0].replace(b"Ada", b"Ad\xe9")
    blank_lines = b"\n" * padding

    text = refusal(tmp_path / "p", files_1_1(users_csv=header + blank_lines + ada + b"".join(lines[1:])))

    byte = ada.index(b"\xe9") + 1
    assert f"users.csv, line {padding + 2}, byte {byte}, is not UTF-8; save the file as 'CSV UTF-8'" in text


def test_a_file_that_ends_inside_a_letter_is_refused(tmp_path: Path) -> None:
    text = refusal(tmp_path / "p", files_1_1(orgs_csv=b"sourcedId,name,type\no1,school,\xc3"))

    assert "orgs.csv, line 2, byte 11, is not UTF-8" in text


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_is_refused_by_its_name(tmp_path: Path, encoding: str) -> None:
    text = refusal(tmp_path / "p", files_1_1(users_csv=users_text().encode(encoding)))

    assert "users.csv, line 1, is UTF-16" in text


def test_a_nul_byte_is_refused_with_its_line(tmp_path: Path) -> None:
    text = refusal(tmp_path / "p", files_1_1(users_csv=users_text().replace("Ben", "B\0n")))

    assert "users.csv, line 3, has a NUL byte" in text


def test_a_quote_inside_a_quoted_value_is_refused_with_its_line(tmp_path: Path) -> None:
    text = refusal(tmp_path / "p", files_1_1(users_csv=users_text().replace("Ben", '"Ben "the" boy"')))

    assert 'users.csv, line 3, has a quote inside a quoted value; write it twice ("")' in text


def test_a_quote_left_open_is_refused(tmp_path: Path) -> None:
    text = refusal(tmp_path / "p", files_1_1(users_csv=users_text().replace("Ben", '"Ben')))

    assert "users.csv, line 5, is inside a quoted value that does not end" in text


def test_a_carriage_return_in_the_middle_of_a_line_is_refused(tmp_path: Path) -> None:
    text = refusal(tmp_path / "p", files_1_1(users_csv=users_text().replace("\n", "\r")))

    assert "users.csv, line 1, has a carriage return in the middle of a line" in text


@pytest.mark.parametrize("endless", [",", '"\n",'])
def test_a_row_without_end_is_refused_before_it_fills_the_memory(tmp_path: Path, endless: str) -> None:
    users = users_text() + endless.replace("\n", "", 1) + endless * (20 * 1024 * 1024 // len(endless))

    text = refusal(tmp_path / "p", files_1_1(users_csv=users))

    assert text.startswith("users.csv, line ")
    assert "is in a row of more than 16777216 bytes" in text


@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("orgs.csv", "sourcedId"),
        ("orgs.csv", "name"),
        ("orgs.csv", "type"),
        ("academicSessions.csv", "startDate"),
        ("academicSessions.csv", "endDate"),
        ("users.csv", "sourcedId"),
        ("users.csv", "givenName"),
        ("users.csv", "familyName"),
        ("users.csv", "role"),
        ("users.csv", "orgSourcedIds"),
        ("classes.csv", "title"),
        ("classes.csv", "schoolSourcedId"),
        ("classes.csv", "termSourcedIds"),
        ("enrollments.csv", "classSourcedId"),
        ("enrollments.csv", "userSourcedId"),
        ("enrollments.csv", "role"),
        ("demographics.csv", "sourcedId"),
    ],
)
def test_a_required_column_that_is_missing_is_named_with_its_file(tmp_path: Path, file: str, column: str) -> None:
    tables: Tables = tables_1_1()
    tables[file] = [{name: value for name, value in row.items() if name != column} for row in tables[file]]

    assert f"{file}, line 1, has no column {column}; " in refusal(tmp_path / "p", files_of(tables))


def test_users_without_a_role_are_told_of_roles_csv(tmp_path: Path) -> None:
    users = users_text().replace(",role,", ",ext_role,")

    assert "or add the file roles.csv as OneRoster 1.2 has it" in refusal(tmp_path / "p", files_1_1(users_csv=users))


def test_a_used_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    users = users_text().replace("username", "email")

    assert "users.csv, line 1, has the column email twice" in refusal(tmp_path / "p", files_1_1(users_csv=users))


def test_two_headers_that_could_both_be_the_missing_column_are_not_guessed_between(tmp_path: Path) -> None:
    users = users_text().replace("givenName", "givenNames").replace("middleName", "givenNme")

    assert "has no column givenName" in refusal(tmp_path / "p", files_1_1(users_csv=users))


def test_a_file_without_a_header_is_refused_without_quoting_it(tmp_path: Path) -> None:
    without_header = users_text().split("\n", 1)[1]

    assert "users.csv, line 1, has no header" in refusal(tmp_path / "p", files_1_1(users_csv=without_header))


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_file_separated_otherwise_is_refused_with_advice(tmp_path: Path, separator: str) -> None:
    text = refusal(tmp_path / "p", files_1_1(users_csv=users_text().replace(",", separator)))

    assert "users.csv, line 1, is separated by semicolons or tabs" in text


@pytest.mark.parametrize("content", ["", "\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path: Path, content: str | bytes) -> None:
    assert "users.csv is empty" in refusal(tmp_path / "p", files_1_1(users_csv=content))


@pytest.mark.parametrize("file", ["orgs", "academicSessions", "users", "classes", "enrollments"])
@pytest.mark.parametrize("rest", ["", "\n", "\n,,,\n"])
def test_a_required_file_with_only_a_header_fails_the_pull(tmp_path: Path, file: str, rest: str) -> None:
    header = text_of(tables_1_1()[f"{file}.csv"]).split("\n", 1)[0]

    text = refusal(tmp_path / "p", files_1_1(**{f"{file}_csv": header + rest}))

    assert f"{file}.csv has a header and no rows; that is read as a failed export" in text


def test_courses_and_demographics_with_only_a_header_are_tolerated(tmp_path: Path) -> None:
    files = files_1_1(courses_csv="sourcedId,title\n", demographics_csv="sourcedId,birthDate\n")

    assert len(pull(write_folder(tmp_path / "p", files)).records["students"]) == 2


def test_a_row_without_an_id_is_refused_with_its_line(tmp_path: Path) -> None:
    assert "users.csv, line 3, has no sourcedId" in refusal(
        tmp_path / "p", files_1_1(users_csv=users_text().replace("u2,", ",", 1))
    )


def test_a_file_that_was_cut_off_in_a_row_is_incomplete(tmp_path: Path) -> None:
    enrollments = text_of(tables_1_1()["enrollments.csv"])

    text = refusal(tmp_path / "p", files_1_1(enrollments_csv=enrollments.rstrip("\n")[:-15]), code="incomplete")

    assert "enrollments.csv, line 4, ends in the middle of a row: the file was cut off" in text
