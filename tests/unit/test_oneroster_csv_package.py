"""What a folder or zip must be before a byte of it is read."""

import stat
import zipfile
from pathlib import Path

import pytest

from services.ingest.providers.oneroster.csv_package import PackageLimits
from services.ingest.source import PullFailedError
from tests.unit.oneroster_csv_packages import Files, files_1_1, pull, write_folder, write_zip


def refusal(location: Path, limits: PackageLimits | None = None) -> PullFailedError:
    with pytest.raises(PullFailedError) as raised:
        pull(location, limits=limits)
    return raised.value


def test_a_zip_gives_the_same_records_as_the_folder_it_was_made_of(tmp_path: Path) -> None:
    from_folder = pull(write_folder(tmp_path / "folder", files_1_1()))
    from_zip = pull(write_zip(tmp_path / "roster.zip", files_1_1()))

    assert from_zip.records == from_folder.records
    assert from_zip.report == from_folder.report
    assert len(from_zip.records["students"]) == 2


def test_files_that_are_no_part_of_a_roster_are_left_alone(tmp_path: Path) -> None:
    ordinary = pull(write_zip(tmp_path / "ordinary.zip", files_1_1()))
    others: Files = {
        "__MACOSX/._orgs.csv": b"\0\0",
        "results.csv": b"\xff\xfe",
        "userProfiles.csv": "sourcedId,credentials\np1,secret\n",
        "notes.txt": "hello",
    }

    assert pull(write_zip(tmp_path / "more.zip", {**files_1_1(), **others})).records == ordinary.records


def test_file_names_in_another_case_are_understood(tmp_path: Path) -> None:
    files = {name.upper(): content for name, content in files_1_1().items()}

    assert len(pull(write_folder(tmp_path / "folder", files)).records["students"]) == 2


def test_a_link_to_the_newest_upload_is_followed(tmp_path: Path) -> None:
    upload = write_folder(tmp_path / "2026-10-01", files_1_1())
    (tmp_path / "current").symlink_to(upload)

    assert len(pull(tmp_path / "current").records["students"]) == 2


def test_a_location_that_does_not_exist_is_not_found(tmp_path: Path) -> None:
    error = refusal(tmp_path / "nowhere")

    assert error.code == "not-found"
    assert f"there is no folder or zip at {tmp_path / 'nowhere'}" in error.text
    assert "rollcall district update --url" in error.text


def test_a_folder_with_other_files_is_refused_without_quoting_their_names(tmp_path: Path) -> None:
    error = refusal(write_folder(tmp_path / "folder", {"ada-byron.docx": "x", "ben-ode.docx": "x"}))

    assert error.code == "not-a-roster"
    assert "has no OneRoster file at its root" in error.text
    assert "it holds 2 other files" in error.text
    assert "byron" not in error.text


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert "it is empty" in refusal(write_folder(tmp_path / "folder", {})).text


def test_a_folder_whose_roster_is_one_folder_deeper_is_refused_with_that_folders_name(tmp_path: Path) -> None:
    write_folder(tmp_path / "folder" / "export", files_1_1())

    assert "they stand in its folder export: name that folder instead" in refusal(tmp_path / "folder").text


def test_a_zip_whose_files_are_inside_a_folder_is_refused_with_advice(tmp_path: Path) -> None:
    nested = {f"export/{name}": content for name, content in files_1_1().items()}

    error = refusal(write_zip(tmp_path / "roster.zip", nested))

    assert "they stand in its folder export: zip the files, not the folder around them" in error.text


def test_a_file_that_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "roster.zip").write_text("sourcedId,name\n")

    error = refusal(tmp_path / "roster.zip")

    assert error.code == "not-a-roster"
    assert "is not a zip, or only a part of one" in error.text


def test_half_a_zip_is_refused(tmp_path: Path) -> None:
    whole = write_zip(tmp_path / "roster.zip", files_1_1()).read_bytes()
    (tmp_path / "roster.zip").write_bytes(whole[: len(whole) // 2])

    assert "only a part of one" in refusal(tmp_path / "roster.zip").text


def test_a_zip_with_damaged_bytes_is_refused_with_the_file(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "roster.zip", files_1_1())
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("users.csv")
    content = bytearray(path.read_bytes())
    middle = member.header_offset + 30 + len("users.csv") + member.compress_size // 2
    content[middle] ^= 0xFF
    path.write_bytes(bytes(content))

    assert "users.csv is damaged inside the zip" in refusal(path).text


@pytest.mark.parametrize("name", ["../orgs.csv", "/orgs.csv", "a/../../b.csv", "..\\b.csv", "C:\\orgs.csv"])
def test_a_zip_with_a_path_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    path = write_zip(tmp_path / "roster.zip", {**files_1_1(), name: "x"})

    error = refusal(path)

    assert error.code == "not-a-roster"
    assert "a member's path leads outside of it" in error.text


def test_a_zip_with_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "roster.zip", files_1_1(orgs_csv=None))
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("orgs.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")

    assert "a member is a symbolic link" in refusal(path).text


def test_a_folder_with_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.csv").write_text("sourcedId,name,type\no1,A,school\n")
    folder = write_folder(tmp_path / "folder", files_1_1(orgs_csv=None))
    (folder / "orgs.csv").symlink_to(tmp_path / "elsewhere.csv")

    assert "orgs.csv is a symbolic link" in refusal(folder).text


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "folder", files_1_1(orgs_csv=None))
    (folder / "orgs.csv").mkdir()

    assert "orgs.csv is not a file" in refusal(folder).text


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "roster.zip", files_1_1())
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(signature)
        while start >= 0:
            content[start + flags] |= 0x1
            start = content.find(signature, start + 4)
    path.write_bytes(bytes(content))

    assert "is encrypted with a password" in refusal(path).text


def test_a_zip_packed_in_an_unusual_way_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "roster.zip", "w", zipfile.ZIP_LZMA) as archive:
        for name, content in files_1_1().items():
            archive.writestr(name, content)

    assert "zip it with the usual one (deflate)" in refusal(tmp_path / "roster.zip").text


def test_a_file_packed_far_too_well_is_refused_as_a_zip_bomb(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "roster.zip", files_1_1(users_csv=b"a" * (20 * 1024 * 1024)))

    assert "users.csv unpacks to more than 100 times its packed size, as a zip bomb does" in refusal(path).text


def test_a_zip_that_says_its_bomb_is_small_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "roster.zip", files_1_1(orgs_csv=b"sourcedId,name,type\n" + b"a" * (20 * 1024 * 1024)))
    size = (20 * 1024 * 1024 + 20).to_bytes(4, "little")
    content = path.read_bytes()
    assert content.count(size) == 2
    path.write_bytes(content.replace(size, (1000).to_bytes(4, "little")))

    assert "orgs.csv is damaged inside the zip" in refusal(path).text


@pytest.mark.parametrize("as_zip", [True, False])
def test_a_file_larger_than_one_file_may_be_is_refused(tmp_path: Path, as_zip: bool) -> None:
    path = write_zip(tmp_path / "p", files_1_1()) if as_zip else write_folder(tmp_path / "p", files_1_1())

    error = refusal(path, PackageLimits(file_bytes=400))

    assert "users.csv has" in error.text
    assert "more than the 400 allowed for one file" in error.text


@pytest.mark.parametrize("as_zip", [True, False])
def test_files_that_are_together_larger_than_a_package_may_be_are_refused(tmp_path: Path, as_zip: bool) -> None:
    path = write_zip(tmp_path / "p", files_1_1()) if as_zip else write_folder(tmp_path / "p", files_1_1())

    assert "more than the 1500 allowed for all" in refusal(path, PackageLimits(total_bytes=1500)).text


def test_a_zip_with_too_many_members_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "roster.zip", files_1_1())

    assert "more than the 5 allowed" in refusal(path, PackageLimits(members=5)).text


def test_a_zip_whose_members_overlap_is_refused(tmp_path: Path) -> None:
    noise = bytes(range(256)) * 200
    with zipfile.ZipFile(tmp_path / "roster.zip", "w") as archive:
        for name, content in files_1_1().items():
            archive.writestr(name, content)
        archive.writestr("big.bin", noise)
        for copy in range(3):
            again = zipfile.ZipInfo(f"copy{copy}.bin")
            big = archive.getinfo("big.bin")
            again.header_offset, again.CRC = big.header_offset, big.CRC
            again.file_size, again.compress_size = big.file_size, big.compress_size
            archive.filelist.append(again)

    assert "its members overlap" in refusal(tmp_path / "roster.zip").text


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "roster.zip", files_1_1())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("users.csv", "sourcedId\n")

    assert "it has users.csv twice" in refusal(path).text
