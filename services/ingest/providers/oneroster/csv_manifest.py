"""Reads manifest.csv, and decides whether a package is a whole roster that Rollcall may read.

Source: OneRoster 1.1 and 1.2 CSV binding, "Manifest": `propertyName,value` lines, among them `oneroster.version` and
one `file.<name>` each that is absent, bulk or delta. OneRoster 1.0 has no manifest.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from services.ingest.providers.oneroster.csv_package import ROSTER_FILES, Package
from services.ingest.providers.oneroster.csv_table import CsvTable
from services.ingest.source import PullFailedError

Version: TypeAlias = Literal["1.0", "1.1", "1.2"]

REQUIRED_FILES: tuple[str, ...] = ("orgs.csv", "academicSessions.csv", "users.csv", "classes.csv", "enrollments.csv")
"""Without one of these, nobody can tell who has left: a roster is read whole or not at all (promise 1)."""

_VERSION = re.compile(r"v?1[.p]?([012])(?:\D.*)?")
_VERSIONS: dict[str, Version] = {"0": "1.0", "1": "1.1", "2": "1.2"}
_DATA_FILES = tuple(file for file in ROSTER_FILES if file != "manifest.csv")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a package says of itself. `modes` has what each `file.<name>` line says, by file name in lower case."""

    version: Version
    modes: dict[str, str]


def read_manifest(package: Package) -> Manifest:
    """Read the package's manifest; a package without one is OneRoster 1.0.

    Raises PullFailedError 'not-a-roster' where the manifest cannot be read, contradicts itself, or names a version
    that is not 1.0, 1.1 or 1.2.
    """
    if "manifest.csv" not in package.files:
        return Manifest("1.0", {})
    with CsvTable(package, "manifest.csv") as table:
        properties = _read_properties([list(table.header), *table.rows()], table)
        version = properties.pop("oneroster.version", "") or "1.1"
        found = _VERSION.fullmatch(version.lower())
        if found is None:
            raise table.refused("names a oneroster.version that is not 1.0, 1.1 or 1.2; export one of these")
    prefix = "file."
    modes = {f"{name[len(prefix) :]}.csv": mode for name, mode in properties.items() if name.startswith(prefix)}
    return Manifest(_VERSIONS[found.group(1)], modes)


def check_complete(manifest: Manifest, package: Package) -> None:
    """Check that the files are those that the manifest announces, whole, and all that a roster needs.

    Raises PullFailedError 'not-a-roster'. A file that is absent removes nothing: without a required one the pull
    fails, and what is applied stays. A manifest line without a value, or no line, leaves it to the files themselves.
    """
    for file in _DATA_FILES:
        mode = manifest.modes.get(file.lower(), "").lower()
        there = file in package.files
        match mode:
            case "delta":
                raise _refused(
                    package,
                    f"manifest.csv says that {file} is a delta (only what changed); Rollcall compares whole rosters "
                    "every night, so ask the district to export it as bulk",
                )
            case "bulk" if not there:
                raise _refused(package, f"manifest.csv says that {file} is bulk, but it is missing; upload it too")
            case "absent" if there:
                raise _refused(
                    package, f"manifest.csv says that {file} is absent, but it is there; correct the one or the other"
                )
            case "" | "bulk" | "absent":
                pass
            case _:
                raise _refused(package, f"manifest.csv says neither absent, bulk nor delta of {file}; correct its line")
    missing = [file for file in REQUIRED_FILES if file not in package.files]
    if missing:
        raise _refused(
            package,
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; without it nobody can tell who has "
            "left, so nothing changes: ask the district to export all of " + ", ".join(REQUIRED_FILES),
        )


def _read_properties(rows: Iterable[list[str]], table: CsvTable) -> dict[str, str]:
    properties: dict[str, str] = {}
    for row in rows:
        name = row[0].strip().lower()
        value = row[1].strip() if len(row) > 1 else ""
        if properties.setdefault(name, value) != value:
            raise table.refused("gives two different values for the same property; leave only one of them")
    return properties


def _refused(package: Package, why: str) -> PullFailedError:
    return PullFailedError("not-a-roster", f"{package.location} is refused: {why}")
