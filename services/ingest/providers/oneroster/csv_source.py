"""Reads a district's roster out of a OneRoster CSV package (1.0, 1.1 or 1.2; a folder or a zip)."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from functools import partial
from itertools import islice
from typing import TypeAlias, TypeVar

from services.districts import District
from services.ingest.providers.oneroster.assembler import OneRosterAssembler
from services.ingest.providers.oneroster.csv_manifest import REQUIRED_FILES, Version, check_complete, read_manifest
from services.ingest.providers.oneroster.csv_package import Package, PackageLimits, open_package
from services.ingest.providers.oneroster.csv_rows import (
    CsvCollection,
    class_rows,
    course_rows,
    enrollment_rows,
    org_rows,
    read_birth_dates,
    read_roles,
    session_rows,
    user_rows,
)
from services.ingest.providers.oneroster.csv_table import CsvTable
from services.ingest.providers.oneroster.values import Defects
from services.ingest.source import PullFailedError, PullReport, RecordPage, RosterMovedError

_SLICE_ROWS = 5000
"""Rows read between two moments at which a pull can be stopped."""

Row = TypeVar("Row")
Value = TypeVar("Value")
Slice: TypeAlias = RecordPage | None
"""What one step of a pull gives: a page, or nothing yet."""


class CsvSource:
    """A RosterSource over a CSV package. `page_records` is the most records in one page."""

    def __init__(self, district: District, page_records: int, limits: PackageLimits | None = None) -> None:
        self._district = district
        self._page_records = page_records
        self._limits = limits

    async def read(self, today: date, report: PullReport) -> AsyncGenerator[RecordPage, None]:
        """Give the package's records; see RosterSource.

        Reading is work for the processor, so it runs slice by slice in a thread of its own and the event loop stays
        free. A slice under way is finished before the files are closed, also when the pull is cancelled.
        """
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"csv-{self._district.district}")
        slices = self._slices(today, report)
        try:
            while True:
                done, page = await loop.run_in_executor(thread, _next_slice, slices)
                if done:
                    return
                if page is not None:
                    yield page
        finally:
            thread.submit(slices.close)
            thread.shutdown(wait=False)

    def _slices(self, today: date, report: PullReport) -> Generator[Slice, None, None]:
        with open_package(self._district.url, self._limits) as package:
            try:
                yield from _Pull(package, today, report, self._page_records).slices()
            except PullFailedError as error:
                # A file that is being replaced looks like a broken one: only a package that stood still is broken.
                if package.has_moved():
                    raise _moved(package) from error
                raise


class _Pull:
    """One reading of an opened package, as a generator of slices."""

    def __init__(self, package: Package, today: date, report: PullReport, page_records: int) -> None:
        self._manifest = read_manifest(package)
        check_complete(self._manifest, package)
        self._package = package
        self._report = report
        self._assembler = OneRosterAssembler(
            today, report, end_date_is_exclusive=self._manifest.version == "1.2", page_records=page_records
        )

    def slices(self) -> Iterator[Slice]:
        """Read every file in the assembler's order; give the pages once all of them have been read, and stood still."""
        take = self._assembler
        yield from self._feed("orgs.csv", org_rows, take.add_orgs)
        yield from self._feed("academicSessions.csv", session_rows, take.add_sessions)
        if "courses.csv" in self._package.files:
            yield from self._feed("courses.csv", course_rows, take.add_courses)
        yield from self._users()
        yield from self._feed("classes.csv", class_rows, take.add_classes)
        yield from self._feed("enrollments.csv", enrollment_rows, take.add_enrollments)
        if self._package.has_moved():
            raise _moved(self._package)
        yield from take.finish()

    def _users(self) -> Iterator[Slice]:
        """Read the users, with what stands in files of their own; that is let go of before the next file is read."""
        roles = self._read("roles.csv", read_roles, required=True)
        birth_dates = self._read("demographics.csv", read_birth_dates, required=False)
        yield None
        as_users = partial(user_rows, roles=roles, birth_dates=birth_dates)
        yield from self._feed("users.csv", as_users, self._assembler.add_users)

    def _feed(
        self,
        file: str,
        as_rows: Callable[[Iterator[tuple[str, ...]]], Iterator[Row]],
        take: Callable[[Sequence[Row]], Iterable[RecordPage] | None],
    ) -> Iterator[Slice]:
        """Stream a file into the assembler, slice by slice."""
        with self._collection(file, required=file in REQUIRED_FILES) as collection:
            rows = as_rows(collection.values())
            while batch := list(islice(rows, _SLICE_ROWS)):
                yield from take(batch) or ()
                yield None

    def _read(
        self, file: str, read: Callable[[Iterator[tuple[str, ...]], Defects], dict[str, Value]], *, required: bool
    ) -> dict[str, Value]:
        """Read a file that users are looked up in, if the package has it."""
        if file not in self._package.files:
            return {}
        with self._collection(file, required=required) as collection:
            return read(collection.values(), self._report.defects)

    @contextmanager
    def _collection(self, file: str, *, required: bool) -> Iterator[CsvCollection]:
        """Open a file; when it has been read to its end, keep the proof. A required one must have had rows."""
        with CsvTable(self._package, file) as table:
            collection = CsvCollection(table, self._version_of(file), self._report.defects)
            yield collection
            if required:
                collection.refuse_without_rows()
            self._report.proofs.append(collection.proof())

    def _version_of(self, file: str) -> Version:
        """Give the version whose columns a file must have; in users.csv, roles.csv makes the difference."""
        if file != "users.csv":
            return self._manifest.version
        if "roles.csv" in self._package.files:
            return "1.2"
        return "1.0" if self._manifest.version == "1.0" else "1.1"


def _next_slice(slices: Iterator[Slice]) -> tuple[bool, Slice]:
    """Give whether the pull has ended, and its next slice. StopIteration cannot cross into the event loop."""
    for page in slices:
        return False, page
    return True, None


def _moved(package: Package) -> RosterMovedError:
    return RosterMovedError(f"{package.location} was written to while it was read")
