"""Reads what is applied: the baseline of every comparison (promise 2)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

import psycopg
from psycopg import sql

from schemas.records import RECORD_KINDS, Kind, Record, RecordKind
from services.database.roster_tables import COLUMNS, record_of

_ROWS_AT_ONCE = 20_000
_DIGEST_BYTES = 16


class UnknownDistrictError(Exception):
    """The district is not registered, or no longer is."""


@dataclass(frozen=True, slots=True)
class AppliedTotals:
    """The roster version that is applied, how many of each kind it has, and its digest (see RosterSynced)."""

    roster_version: int
    totals: dict[Kind, int]
    digest: bytes


@dataclass(frozen=True, slots=True)
class WithoutPlaces:
    """How many classes have no teacher and how many students are in no class."""

    classes_without_teacher: int
    students_without_class: int


class AppliedRoster:
    """One district's applied roster as it is at one moment: everything read through it is of the same version."""

    def __init__(self, connection: psycopg.Connection[Any], district: str) -> None:
        self._connection = connection
        self._district = district

    def __enter__(self) -> Self:
        self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return self

    def __exit__(self, *_: object) -> None:
        if not self._connection.closed:
            self._connection.execute("ROLLBACK")

    def totals(self) -> AppliedTotals:
        """Give version, totals and digest. Raises UnknownDistrictError."""
        row = self._connection.execute(
            "SELECT roster_version, digest, schools, teachers, students, classes, places FROM rosters"
            " WHERE district = %s",
            (self._district,),
        ).fetchone()
        if row is None:
            raise UnknownDistrictError(f"district {self._district} is not registered")
        kinds: tuple[Kind, ...] = (*RECORD_KINDS, "places")
        return AppliedTotals(row[0], dict(zip(kinds, row[2:], strict=True)), row[1])

    def digests(self, kind: RecordKind) -> dict[str, bytes]:
        """Give the digest of every applied record of the kind, by id."""
        query = sql.SQL("SELECT id, digest FROM {} WHERE district = %s").format(sql.Identifier(kind))
        with self._connection.cursor("digests", binary=True) as cursor:  # on the server: a million rows come in parts
            cursor.itersize = _ROWS_AT_ONCE
            return dict(cursor.execute(query, (self._district,)))

    def all_digests(self, kind: RecordKind) -> set[bytes]:
        """Give the digests of all applied records of the kind: with the ids it would take twice as long."""
        query = sql.SQL("SELECT string_agg(digest, '') FROM {} WHERE district = %s").format(sql.Identifier(kind))
        row = self._connection.execute(query, (self._district,), binary=True).fetchone()
        joined: bytes = row[0] if row is not None and row[0] is not None else b""
        return {joined[begins : begins + _DIGEST_BYTES] for begins in range(0, len(joined), _DIGEST_BYTES)}

    def with_digests(self, kind: RecordKind, digests: Sequence[bytes]) -> dict[str, bytes]:
        """Give the digests of those applied records that have one of these, by id."""
        if not digests:
            return {}
        query = sql.SQL(
            "SELECT id, digest FROM {} JOIN unnest(%b::bytea[]) AS wanted (digest) USING (digest) WHERE district = %s"
        ).format(sql.Identifier(kind))
        return dict(self._connection.execute(query, (digests, self._district), binary=True))

    def with_ids(self, kind: RecordKind, ids: Sequence[str]) -> dict[str, bytes]:
        """Give the digests of those applied records that have one of these ids, by id."""
        if not ids:
            return {}
        query = sql.SQL("SELECT id, digest FROM {} WHERE district = %s AND id = ANY(%b)").format(sql.Identifier(kind))
        return dict(self._connection.execute(query, (self._district, ids), binary=True))

    def records(self, kind: RecordKind, ids: Sequence[str]) -> dict[str, Record]:
        """Give the applied records with these ids, by id, classes with their places."""
        if not ids:
            return {}
        columns = sql.SQL(", ").join(map(sql.Identifier, COLUMNS[kind]))
        query = sql.SQL("SELECT {} FROM {} WHERE district = %s AND id = ANY(%b)").format(columns, sql.Identifier(kind))
        rows = self._connection.execute(query, (self._district, list(ids)), binary=True)
        return {str(row[0]): record_of(kind, row) for row in rows}

    def students_of_schools(self) -> dict[str, int]:
        """Give how many students each school has, by the school's id."""
        return dict(
            self._connection.execute(
                "SELECT school, sum(students)::bigint FROM ("
                " SELECT schools, count(*) AS students FROM students WHERE district = %s GROUP BY schools"
                ") AS alike, unnest(schools) AS school GROUP BY school",
                (self._district,),
            ).fetchall()
        )

    def without_places(self) -> WithoutPlaces:
        """Count classes without a teacher and students without a class, looking at everybody."""
        return WithoutPlaces(
            self._count("SELECT count(*) FROM classes WHERE district = %(district)s AND teachers = '{}'"),
            self._count("SELECT count(*) FROM students WHERE district = %(district)s AND classes = '{}'"),
        )

    def classes_of_students(self, ids: Iterable[str]) -> dict[str, int]:
        """Give how many classes each of these students is in; who is not applied is left out."""
        found, rest = dict[str, int](), iter(ids)
        while some := list(islice(rest, _ROWS_AT_ONCE)):
            found.update(
                self._connection.execute(
                    "SELECT id, cardinality(classes) FROM students WHERE district = %s AND id = ANY(%b)",
                    (self._district, some),
                    binary=True,
                )
            )
        return found

    def _count(self, query: str) -> int:
        row = self._connection.execute(query.encode(), {"district": self._district}).fetchone()
        assert row is not None, "a count is always answered"
        return int(row[0])

    def kept_classes_of(self, classes: Sequence[str], people: Sequence[str]) -> list[str]:
        """Give those of these classes in which any of these people has a place, in order."""
        rows = self._connection.execute(
            "SELECT DISTINCT class FROM places WHERE district = %s AND class = ANY(%b) AND person = ANY(%b)"
            " ORDER BY class",
            (self._district, list(classes), list(people)),
        )
        return [row[0] for row in rows]
