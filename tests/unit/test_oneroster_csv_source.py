"""The CSV package as a RosterSource: proofs, privacy, a package that moves, a loop that stays free."""

import asyncio
import contextlib
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.events import CollectionProof
from services.ingest.source import PullFailedError, PullReport, RosterMovedError
from tests.unit.oneroster_csv_packages import (
    TODAY,
    files_1_1,
    pull,
    pull_from,
    source,
    tables_1_1,
    text_of,
    write_folder,
    write_zip,
)

MANY = 40_000


def many_enrollments() -> str:
    """Give enrollments.csv with many rows for the ordinary class; its last ones are of the two students."""
    header, *rows = text_of(tables_1_1()["enrollments.csv"]).splitlines()
    unknown = (f"x{n},,,c1,o2,nobody-{n},student,,," for n in range(MANY))
    return "\n".join([header, *unknown, *rows, ""])


def test_each_file_is_proved_whole_by_its_rows_its_ids_and_its_digest(tmp_path: Path) -> None:
    enrollments = many_enrollments() + "e3,,,c1,o2,u3,student,,,\n"

    pulled = pull(write_folder(tmp_path / "p", files_1_1(enrollments_csv=enrollments)))

    proofs = {proof.collection: proof for proof in pulled.report.proofs}
    assert list(proofs) == ["orgs", "academicSessions", "courses", "demographics", "users", "classes", "enrollments"]
    proof = proofs["enrollments"]
    assert (proof.rows, proof.distinct, proof.end) == (MANY + 4, MANY + 3, "end of file")
    assert proof.digest == hashlib.blake2b(enrollments.encode(), digest_size=16).hexdigest()
    assert (
        proofs["users"].digest
        == hashlib.blake2b((tmp_path / "p" / "users.csv").read_bytes(), digest_size=16).hexdigest()
    )


def test_enrollments_of_unknown_people_are_left_out_and_counted_one_by_one(tmp_path: Path) -> None:
    pulled = pull(write_folder(tmp_path / "p", files_1_1(enrollments_csv=many_enrollments())))

    assert pulled.report.defects["place-of-unknown-person"] == MANY
    assert pulled.class_("c1").students == ("u2", "u3")


def test_what_rollcall_does_not_use_is_dropped(tmp_path: Path) -> None:
    pulled = pull(write_folder(tmp_path / "p", files_1_1()))

    everything = repr(pulled)
    for dropped in ("open-sesame", "555-0100", "555-0101", "Dee", "dee@home.example", "female", "1980-01-02"):
        assert dropped not in everything


def test_no_page_is_given_before_the_last_file_was_read_whole(tmp_path: Path) -> None:
    files = files_1_1(enrollments_csv=text_of(tables_1_1()["enrollments.csv"]) + '"')
    pages = []

    async def read() -> None:
        async for page in source(write_folder(tmp_path / "p", files)).read(TODAY, PullReport()):
            pages.append(page)

    with pytest.raises(PullFailedError):
        asyncio.run(read())
    assert pages == []


class TellingProofs(list[CollectionProof]):
    """A report's proofs that call somebody when users.csv has been read, which is before the pull has ended."""

    def __init__(self, tell: Callable[[], None]) -> None:
        super().__init__()
        self._tell = tell

    def append(self, proof: CollectionProof) -> None:
        super().append(proof)
        if proof.collection == "users":
            self._tell()


async def pull_while(package: Path, change: Callable[[], None]) -> None:
    report = PullReport(proofs=TellingProofs(change))
    async for _ in source(package).read(TODAY, report):
        pass


def apply_change(package: Path, change: str) -> None:
    users = package / "users.csv"
    match change:
        case "appended":
            users.write_text(users.read_text() + "\n")
        case "replaced":
            content = users.read_bytes()
            times = users.stat()
            new = package / "users.new"
            new.write_bytes(content)
            os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
            new.rename(users)
        case "removed":
            users.unlink()
        case "added":
            (package / "roles.csv").write_text("userSourcedId,role,orgSourcedId\n")


def replace_zip(package: Path) -> None:
    write_zip(package.with_name("new.zip"), files_1_1()).replace(package)


@pytest.mark.parametrize("change", ["appended", "replaced", "removed", "added"])
def test_a_package_that_changes_while_it_is_read_must_be_read_again(tmp_path: Path, change: str) -> None:
    package = write_folder(tmp_path / "p", files_1_1())

    with pytest.raises(RosterMovedError, match="was written to while it was read"):
        asyncio.run(pull_while(package, lambda: apply_change(package, change)))


def test_a_file_that_looks_broken_because_it_is_being_replaced_must_be_read_again(tmp_path: Path) -> None:
    files = files_1_1(enrollments_csv=text_of(tables_1_1()["enrollments.csv"]) + '"')
    package = write_folder(tmp_path / "p", files)

    with pytest.raises(RosterMovedError):
        asyncio.run(pull_while(package, lambda: apply_change(package, "appended")))


def test_a_zip_that_is_replaced_while_it_is_read_must_be_read_again(tmp_path: Path) -> None:
    package = write_zip(tmp_path / "roster.zip", files_1_1())

    with pytest.raises(RosterMovedError):
        asyncio.run(pull_while(package, lambda: replace_zip(package)))


def test_the_event_loop_stays_free_while_a_package_is_read(tmp_path: Path) -> None:
    package = write_folder(tmp_path / "p", files_1_1(enrollments_csv=many_enrollments()))

    async def count_turns() -> int:
        turns = 0
        reading = asyncio.create_task(pull_from(source(package)))
        while not reading.done():
            turns += 1
            await asyncio.sleep(0)
        await reading
        return turns

    assert asyncio.run(count_turns()) > 100


def test_a_pull_that_is_cancelled_stops_and_leaves_no_thread_behind(tmp_path: Path) -> None:
    package = write_folder(tmp_path / "p", files_1_1(enrollments_csv=many_enrollments()))

    async def begin_and_cancel() -> None:
        reading = asyncio.create_task(pull_from(source(package)))
        await asyncio.sleep(0)
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading

    asyncio.run(begin_and_cancel())
    for thread in threading.enumerate():
        if thread.name.startswith("csv-"):
            thread.join(timeout=10)
            assert not thread.is_alive()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not list a process's open files there")
def test_a_pull_left_early_closes_its_files(tmp_path: Path) -> None:
    package = write_zip(tmp_path / "roster.zip", files_1_1())

    async def take_one_page() -> None:
        pages = source(package).read(TODAY, PullReport())
        async with contextlib.aclosing(pages):
            async for _ in pages:
                break

    asyncio.run(take_one_page())
    for thread in threading.enumerate():
        if thread.name.startswith("csv-"):
            thread.join(timeout=10)
    assert not [fd for fd in Path("/proc/self/fd").iterdir() if os.path.realpath(fd) == str(package)]
