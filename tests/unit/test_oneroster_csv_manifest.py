"""manifest.csv against the files that are there."""

from pathlib import Path

import pytest

from services.ingest.source import PullFailedError
from tests.unit.oneroster_csv_packages import MANIFEST_1_1, Files, files_1_1, pull, write_folder


def manifest_with(line: str) -> str:
    """Give the ordinary manifest with the line of one property exchanged."""
    name = line.split(",", maxsplit=1)[0]
    return "".join(
        f"{line}\n" if old.startswith(f"{name},") else f"{old}\n" for old in MANIFEST_1_1.splitlines() if old
    )


def refusal(tmp_path: Path, files: Files) -> str:
    with pytest.raises(PullFailedError) as raised:
        pull(write_folder(tmp_path / "folder", files))
    assert raised.value.code == "not-a-roster"
    return raised.value.text


def test_a_package_without_a_manifest_is_read_as_1_0(tmp_path: Path) -> None:
    assert len(pull(write_folder(tmp_path / "folder", files_1_1(manifest_csv=None))).records["students"]) == 2


@pytest.mark.parametrize("file", ["orgs", "academicSessions", "users", "classes", "enrollments"])
def test_a_required_file_that_is_missing_fails_the_pull(tmp_path: Path, file: str) -> None:
    text = refusal(tmp_path, files_1_1(**{"manifest_csv": None, f"{file}_csv": None}))

    assert f"{file}.csv is missing; without it nobody can tell who has left, so nothing changes" in text


@pytest.mark.parametrize("file", ["orgs", "academicSessions", "users", "classes", "enrollments"])
def test_a_required_file_that_the_manifest_calls_absent_removes_nothing_and_fails_the_pull(
    tmp_path: Path, file: str
) -> None:
    files = files_1_1(**{"manifest_csv": manifest_with(f"file.{file},absent"), f"{file}_csv": None})

    assert f"{file}.csv is missing" in refusal(tmp_path, files)


def test_several_missing_files_are_named_together(tmp_path: Path) -> None:
    text = refusal(tmp_path, files_1_1(manifest_csv=None, orgs_csv=None, users_csv=None))

    assert "orgs.csv, users.csv are missing" in text


def test_absent_courses_and_demographics_are_tolerated(tmp_path: Path) -> None:
    manifest = MANIFEST_1_1.replace("file.courses,bulk", "file.courses,absent")
    manifest = manifest.replace("file.demographics,bulk", "file.demographics,absent")
    files = files_1_1(manifest_csv=manifest, courses_csv=None, demographics_csv=None)

    pulled = pull(write_folder(tmp_path / "folder", files))

    assert pulled.class_("c1").course is None
    assert pulled.student("u2").birth_date is None
    assert [proof.collection for proof in pulled.report.proofs] == [
        "orgs",
        "academicSessions",
        "users",
        "classes",
        "enrollments",
    ]


def test_a_file_announced_as_bulk_that_is_missing_fails_the_pull(tmp_path: Path) -> None:
    text = refusal(tmp_path, files_1_1(courses_csv=None))

    assert "manifest.csv says that courses.csv is bulk, but it is missing" in text


def test_a_file_announced_as_absent_that_is_there_fails_the_pull(tmp_path: Path) -> None:
    text = refusal(tmp_path, files_1_1(manifest_csv=manifest_with("file.courses,absent")))

    assert "manifest.csv says that courses.csv is absent, but it is there" in text


def test_a_delta_is_refused(tmp_path: Path) -> None:
    text = refusal(tmp_path, files_1_1(manifest_csv=manifest_with("file.users,delta")))

    assert "users.csv is a delta" in text
    assert "ask the district to export it as bulk" in text


def test_a_delta_of_a_file_that_rollcall_does_not_read_is_no_concern(tmp_path: Path) -> None:
    files = files_1_1(manifest_csv=manifest_with("file.results,delta"))

    assert len(pull(write_folder(tmp_path / "folder", files)).records["students"]) == 2


@pytest.mark.parametrize("line", ["file.users,", "file.users", "file.users,BULK", "source.systemName"])
def test_lines_without_a_value_or_in_capitals_are_tolerated(tmp_path: Path, line: str) -> None:
    files = files_1_1(manifest_csv=manifest_with(f"{line}"))

    assert len(pull(write_folder(tmp_path / "folder", files)).records["students"]) == 2


def test_a_mode_that_is_none_of_the_three_is_refused(tmp_path: Path) -> None:
    text = refusal(tmp_path, files_1_1(manifest_csv=manifest_with("file.users,full")))

    assert "neither absent, bulk nor delta of users.csv" in text


def test_a_manifest_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    text = refusal(tmp_path, files_1_1(manifest_csv=MANIFEST_1_1 + "file.users,delta\n"))

    assert "manifest.csv gives two different values for the same property" in text


@pytest.mark.parametrize("version", ["1.1", "v1p1", "1.1.1", ""])
def test_the_version_is_understood_however_it_is_written(tmp_path: Path, version: str) -> None:
    files = files_1_1(manifest_csv=manifest_with(f"oneroster.version,{version}"))

    assert len(pull(write_folder(tmp_path / "folder", files)).records["students"]) == 2


@pytest.mark.parametrize("version", ["2.0", "1.3", "latest"])
def test_a_version_that_is_none_of_ours_is_refused(tmp_path: Path, version: str) -> None:
    text = refusal(tmp_path, files_1_1(manifest_csv=manifest_with(f"oneroster.version,{version}")))

    assert "a oneroster.version that is not 1.0, 1.1 or 1.2" in text
