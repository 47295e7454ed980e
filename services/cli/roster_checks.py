"""`rollcall doctor`: each district's files, and whether its roster is what its row says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from schemas.records import RECORD_KINDS, Kind
from services.apply.state_digest import StateDigest
from services.cli.checks import Check
from services.cli.district_input import checked_district
from services.cli.failures import CommandError
from services.diff.applied import AppliedRoster
from services.district_rows import districts
from services.districts import District

_ONE_SIDED_PLACES = """
    SELECT count(*) FROM (SELECT class, part, person FROM places WHERE district = %(district)s) place
    FULL JOIN (
        SELECT unnest(classes) AS class, 'teacher' AS part, id AS person FROM teachers WHERE district = %(district)s
        UNION ALL
        SELECT unnest(classes), 'student', id FROM students WHERE district = %(district)s
    ) theirs USING (class, part, person)
    WHERE place.class IS NULL OR theirs.class IS NULL"""


def district_checks(connection: psycopg.Connection[Any]) -> Iterator[Check]:
    """Look at every district. Raises psycopg.Error."""
    found = districts(connection)
    if not found:
        yield Check("districts", ok=True, text="none is registered yet; `rollcall district add --help` shows how")
    for district in found:
        yield _registration(district)
        yield roster_check(connection, district.district)


def _registration(district: District) -> Check:
    name = f"district {district.district}"
    try:
        checked_district(district.model_dump())
    except CommandError as error:
        return Check(name, ok=False, text=f"{error.text}; `rollcall district update {district.district}` changes it")
    files = [Path(path).name for path in (district.credentials_file, district.ca_file) if path]
    return Check(name, ok=True, text=f"{district.provider}, files readable: {', '.join(files) or 'none needed'}")


def roster_check(connection: psycopg.Connection[Any], district: str) -> Check:
    """Count the district's records and places anew, add up their digests, and compare with its row."""
    name = f"roster {district}"
    digest = StateDigest()
    counted: dict[Kind, int] = {}
    with AppliedRoster(connection, district) as applied:
        expected = applied.totals()
        row = connection.execute("SELECT digest FROM rosters WHERE district = %s", (district,)).fetchone()
        for kind in RECORD_KINDS:
            digests = applied.digests(kind)
            counted[kind] = len(digests)
            for one in digests.values():
                digest.replace(None, one)
        counted["places"] = _count(connection, "SELECT count(*) FROM places WHERE district = %(district)s", district)
        one_sided = _count(connection, _ONE_SIDED_PLACES, district)
    wrong = [
        f"{counted[kind]:,} {kind} where its row says {total:,}"
        for kind, total in expected.totals.items()
        if counted[kind] != total
    ]
    if row is not None and digest.value() != row[0]:
        wrong.append("the digests of its records do not add up to its own")
    if one_sided:
        wrong.append(f"{one_sided:,} places stand with their class alone, or with their person alone")
    if wrong:
        return Check(
            name,
            ok=False,
            text=f"at version {expected.roster_version}: {'; '.join(wrong)}; somebody has changed the accounts "
            "database past Rollcall: restore it, or remove the district and add it anew",
        )
    return Check(name, ok=True, text=f"version {expected.roster_version} adds up, {counted['students']:,} students")


def _count(connection: psycopg.Connection[Any], query: LiteralString, district: str) -> int:
    row = connection.execute(query, {"district": district}).fetchone()
    assert row is not None, "a count is always answered"
    return int(row[0])
