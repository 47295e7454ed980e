"""Which columns Rollcall reads of each OneRoster CSV file, and how they are found in a header: by name, never by place.

Sources: OneRoster 1.0, 1.1 and 1.2 CSV bindings; the dialects are those that producers really write (oneroster.md
section 11). A column that does not stand here (passwords, telephones, agents, demographics but the birth date) is never
looked at.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from services.ingest.defects import DefectCode
from services.ingest.providers.oneroster.csv_manifest import Version

_MISSPELT_LIKENESS = 0.88
"""difflib's ratio from which two names are one name misspelt: one letter off, or two swapped, in six or more."""

_OWN_PREFIXES = ("ext", "metadata")
"""Columns that a producer adds on its own begin with `ext_` or `metadata.`; they are never a misspelt standard one."""


class ColumnsError(ValueError):
    """A header does not let a file be read. The text says why and names only standard columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its `names`, the current one first, the versions whose files have it, and what to do without it."""

    names: tuple[str, ...]
    required: bool = False
    versions: tuple[Version, ...] = ("1.0", "1.1", "1.2")
    advice: str = ""


_ID = Column(("sourcedId",), required=True)
_STATUS = Column(("status",))
_ROLES_ADVICE = "export users.csv with it, or add the file roles.csv as OneRoster 1.2 has it"
_GRADES = ("grades", "grade")

COLUMNS: dict[str, tuple[Column, ...]] = {
    "orgs.csv": (
        _ID,
        _STATUS,
        Column(("name",), required=True),
        Column(("type",), required=True),
        Column(("identifier",)),
    ),
    "academicSessions.csv": (
        _ID,
        _STATUS,
        Column(("type",)),
        Column(("startDate",), required=True),
        Column(("endDate",), required=True),
        Column(("schoolYear",), versions=("1.1", "1.2")),
    ),
    "courses.csv": (
        _ID,
        _STATUS,
        Column(("title",)),
        Column(("schoolYearSourcedId", "schoolYearId")),
    ),
    "users.csv": (
        _ID,
        _STATUS,
        Column(("enabledUser",), versions=("1.1", "1.2")),
        Column(("givenName",), required=True),
        Column(("familyName",), required=True),
        Column(("preferredGivenName", "preferredFirstName"), versions=("1.2",)),
        Column(("preferredFamilyName", "preferredLastName"), versions=("1.2",)),
        Column(("email",)),
        Column(("identifier",)),
        Column(_GRADES, versions=("1.1", "1.2")),
        Column(("role",), True, ("1.0", "1.1"), _ROLES_ADVICE),
        Column(("orgSourcedIds", "orgSourcedId"), True, ("1.0", "1.1"), _ROLES_ADVICE),
    ),
    "roles.csv": (
        Column(("userSourcedId",), required=True),
        _STATUS,
        Column(("role",), required=True),
        Column(("orgSourcedId",), required=True),
    ),
    "demographics.csv": (
        Column(("sourcedId", "userSourcedId"), required=True),
        _STATUS,
        Column(("birthDate",)),
    ),
    "classes.csv": (
        _ID,
        _STATUS,
        Column(("title",), required=True),
        Column(("courseSourcedId",)),
        Column(("schoolSourcedId",), required=True),
        Column(("termSourcedIds", "termSourcedId"), required=True),
        Column(_GRADES),
        Column(("subjects", "subject")),
    ),
    "enrollments.csv": (
        _ID,
        Column(("classSourcedId",), required=True),
        Column(("userSourcedId",), required=True),
        _STATUS,
        Column(("schoolSourcedId",)),
        Column(("role",), required=True),
        Column(("primary",)),
        Column(("beginDate",), versions=("1.1", "1.2")),
        Column(("endDate",), versions=("1.1", "1.2")),
    ),
}
"""By file, in the order of the fields of its row in `rows.py`; users.csv ends with 1.1's role and orgs instead."""


@dataclass(frozen=True, slots=True)
class FoundColumns:
    """Where each column of a file stands in its header (None: nowhere), and the defects that finding them met."""

    places: tuple[int | None, ...]
    defects: tuple[DefectCode, ...]


def find_columns(file: str, header: Sequence[str], version: Version) -> FoundColumns:
    """Find the columns of `file` in its header.

    Case, blanks and underscores are forgiven, and a misspelt name where only one column can be meant. Raises
    ColumnsError where a required column is missing or a used one is there twice.
    """
    names = [_fold(name) for name in header]
    columns = COLUMNS[file]
    places = [_find_exactly(column, names) for column in columns]
    lost = [n for n, column in enumerate(columns) if places[n] is None and version in column.versions]
    spare = {n: name for n, name in enumerate(names) if n not in places and _may_be_misspelt(header[n])}
    defects: list[DefectCode] = []
    for n, place in _find_misspelt({n: columns[n] for n in lost}, spare).items():
        places[n] = place
        lost.remove(n)
        defects.append("column-misspelt")
    required = [columns[n] for n in lost if columns[n].required]
    if required:
        raise ColumnsError(_explain_missing(required, header, nothing_found=all(place is None for place in places)))
    defects.extend("column-missing" for _ in lost)
    return FoundColumns(tuple(places), tuple(defects))


def _fold(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _may_be_misspelt(name: str) -> bool:
    """Tell whether a name can be a slip of a standard one: `email2` and `ext_email` are not."""
    folded = name.strip().casefold()
    return not folded.startswith(_OWN_PREFIXES) and folded.replace("_", "").replace(" ", "").isalpha()


def _find_exactly(column: Column, names: Sequence[str]) -> int | None:
    for name in column.names:
        folded = _fold(name)
        if names.count(folded) > 1:
            raise ColumnsError(f"has the column {name} twice; leave only one of them")
        if folded in names:
            return names.index(folded)
    return None


def _find_misspelt(lost: dict[int, Column], spare: dict[int, str]) -> dict[int, int]:
    """Give the places of the lost columns that exactly one spare name is like, while being like no other of them."""
    alike = {
        n: {place for place, name in spare.items() if any(_is_like(name, _fold(known)) for known in column.names)}
        for n, column in lost.items()
    }
    return {
        n: place
        for n, places in alike.items()
        if len(places) == 1
        for place in places
        if sum(place in others for others in alike.values()) == 1
    }


def _is_like(name: str, known: str) -> bool:
    return difflib.SequenceMatcher(None, name, known, autojunk=False).ratio() >= _MISSPELT_LIKENESS


def _explain_missing(required: Sequence[Column], header: Sequence[str], *, nothing_found: bool) -> str:
    if len(header) == 1 and any(mark in header[0] for mark in (";", "\t")):
        return "is separated by semicolons or tabs; export it separated by commas"
    if nothing_found:
        return "has no header: its first line must name the columns (sourcedId, …); export it with one"
    missing = ", ".join(column.names[0] for column in required)
    advice = next((column.advice for column in required if column.advice), "export the file with it")
    return f"has no column {missing}; {advice}"
