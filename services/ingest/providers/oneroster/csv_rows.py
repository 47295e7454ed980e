"""Makes OneRoster rows out of the files of a CSV package, and proves each file read whole.

What Rollcall does not use (passwords, telephones, agents, demographics but students' birth dates) is dropped here, by
never being looked at.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import starmap
from operator import itemgetter

import numpy as np

from schemas.events import CollectionProof
from services.ingest.providers.oneroster.csv_columns import COLUMNS, ColumnsError, find_columns
from services.ingest.providers.oneroster.csv_manifest import Version
from services.ingest.providers.oneroster.csv_table import CsvTable
from services.ingest.providers.oneroster.rows import (
    ClassRow,
    CourseRow,
    EnrollmentRow,
    OrgRow,
    RoleRow,
    SessionRow,
    UserRow,
)
from services.ingest.providers.oneroster.values import Defects, read_list, read_role, read_status
from services.ingest.source import PullFailedError

_CUT_OFF = "ends in the middle of a row: the file was cut off; wait until its upload is complete, or upload it again"


class CsvCollection:
    """The rows of one file: their used values, then, once all were read, the proof that they are whole."""

    def __init__(self, table: CsvTable, version: Version, defects: Defects) -> None:
        """Find the columns. Raises PullFailedError 'not-a-roster' where a required one is missing."""
        self._table = table
        self._defects = defects
        try:
            found = find_columns(table.file, table.header, version)
        except ColumnsError as error:
            raise table.refused(str(error), 1) from error
        defects.update(found.defects)
        self._width = len(table.header)
        # A column that is not there is read from the blank that `values` puts behind each row's last field.
        self._places = tuple(self._width if place is None else place for place in found.places)
        self._ids = array("q")
        self._short_rows = 0

    def values(self) -> Iterator[tuple[str, ...]]:
        """Give each row's values in the order of `COLUMNS`, blank where nothing (or the letters NULL) is given.

        Raises PullFailedError: 'not-a-roster' for a row without an id, 'incomplete' for a file that was cut off.
        """
        table, defects, width, ids = self._table, self._defects, self._width, self._ids
        pick = itemgetter(*self._places)
        last_is_short = False
        for row in table.rows():
            last_is_short = False
            if len(row) != width:
                if not any(row):
                    continue
                last_is_short = len(row) < width
                self._fit(row)
            row.append("")
            values = pick(row)
            if "NULL" in values:
                defects["null-written-out"] += values.count("NULL")
                values = tuple("" if value == "NULL" else value for value in values)
            if not values[0]:
                if not any(row):
                    continue
                raise table.refused("has no " + COLUMNS[table.file][0].names[0] + "; export it again", table.line)
            ids.append(hash(values[0]))
            yield values
        if last_is_short and self._short_rows == 1 and not table.ends_with_newline:
            # Rows without their trailing blanks are usual; a single one at the very end is a half-written file.
            raise PullFailedError("incomplete", table.refused(_CUT_OFF, table.line).text)

    def proof(self) -> CollectionProof:
        """Give the proof, once `values` has ended."""
        return CollectionProof(
            collection=self._table.file.removesuffix(".csv"),
            pages=1,
            rows=len(self._ids),
            distinct=self._distinct(),
            end="end of file",
            digest=self._table.digest,
        )

    def _distinct(self) -> int:
        """Count the ids by their 64-bit hashes: millions of ids themselves would fill the memory.

        Two ids of one hash make this count, by which nothing is decided, one too small.
        """
        if not self._ids:
            return 0
        # Sorting is some ten times faster than np.unique, which hashes once more; in place, it takes no memory.
        hashes = np.frombuffer(self._ids, dtype=np.int64)
        hashes.sort()
        return 1 + int(np.count_nonzero(hashes[1:] != hashes[:-1]))

    def refuse_without_rows(self) -> None:
        """Raise PullFailedError 'not-a-roster' where the file had a header and nothing else, once `values` has ended.

        An empty collection is a failed export, never a district that everybody left (oneroster.md section 14).
        """
        if not self._ids:
            raise self._table.refused(
                "has a header and no rows; that is read as a failed export, never as everybody having left, so "
                "nothing changes: export it again"
            )

    def _fit(self, row: list[str]) -> None:
        if len(row) > self._width:
            self._defects["row-too-long"] += 1
            del row[self._width :]
        else:
            self._defects["row-too-short"] += 1
            self._short_rows += 1
            row.extend([""] * (self._width - len(row)))


def org_rows(values: Iterable[tuple[str, ...]]) -> Iterator[OrgRow]:
    """Make the rows of orgs.csv."""
    return starmap(OrgRow, values)


def session_rows(values: Iterable[tuple[str, ...]]) -> Iterator[SessionRow]:
    """Make the rows of academicSessions.csv."""
    return starmap(SessionRow, values)


def course_rows(values: Iterable[tuple[str, ...]]) -> Iterator[CourseRow]:
    """Make the rows of courses.csv."""
    return starmap(CourseRow, values)


def enrollment_rows(values: Iterable[tuple[str, ...]]) -> Iterator[EnrollmentRow]:
    """Make the rows of enrollments.csv."""
    return starmap(EnrollmentRow, values)


def class_rows(values: Iterable[tuple[str, ...]]) -> Iterator[ClassRow]:
    """Make the rows of classes.csv; terms, grades and subjects are lists written as one text."""
    for sourced_id, status, title, course, school, terms, grades, subjects in values:
        yield ClassRow(
            sourced_id, status, title, course, school, read_list(terms), read_list(grades), read_list(subjects)
        )


def read_roles(values: Iterable[tuple[str, ...]], defects: Defects) -> dict[str, tuple[RoleRow, ...]]:
    """Read 1.2's roles.csv: the roles of each user, those marked as removed left out."""
    roles: dict[str, tuple[RoleRow, ...]] = {}
    shared: dict[tuple[RoleRow, ...], tuple[RoleRow, ...]] = {}  # a million users hold a few thousand different ones
    for user, status, role, org in values:
        if read_status(status, defects) != "removed":
            held = (*roles.get(user, ()), RoleRow(role, org))
            roles[user] = shared.setdefault(held, held)
    return roles


def read_birth_dates(values: Iterable[tuple[str, ...]], defects: Defects) -> dict[str, str]:
    """Read the birth dates out of demographics.csv, and nothing else of it: by user, as the district wrote them."""
    known: dict[str, str] = {}
    return {
        user: known.setdefault(birth_date, birth_date)
        for user, status, birth_date in values
        if birth_date and read_status(status, defects) != "removed"
    }


def user_rows(
    values: Iterable[tuple[str, ...]],
    roles: Mapping[str, tuple[RoleRow, ...]],
    birth_dates: Mapping[str, str],
) -> Iterator[UserRow]:
    """Make the rows of users.csv, with the roles of roles.csv (1.2), else its own, one at each org (1.0 and 1.1).

    Only a student gets a birth date.
    """
    for sourced_id, status, enabled, given, family, shown, shown_family, email, number, grades, role, orgs in values:
        held = roles.get(sourced_id) or _own_roles(role, orgs)
        is_student = any(read_role(one.role) == "student" for one in held)
        yield UserRow(
            sourced_id,
            status,
            enabled,
            given,
            family,
            shown,
            shown_family,
            email,
            number,
            read_list(grades),
            held,
            birth_dates.get(sourced_id, "") if is_student else "",
        )


def _own_roles(role: str, orgs: str) -> tuple[RoleRow, ...]:
    if not role:
        return ()
    return tuple(RoleRow(role, org) for org in read_list(orgs)) or (RoleRow(role),)
