"""Reads what is applied: the baseline of every comparison (promise 2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import psycopg
from psycopg import sql

from schemas.records import RECORD_KINDS, Class, Kind, Record, RecordKind
from services.database.roster_tables import COLUMNS, record_of, with_places

_ROWS_AT_ONCE = 20_000


class UnknownDistrictError(Exception):
    """The district is not registered, or no longer is."""


@dataclass(frozen=True, slots=True)
class AppliedTotals:
    """The roster version that is applied and how many of each kind it has."""

    roster_version: int
    totals: dict[Kind, int]


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
        """Give version and totals. Raises UnknownDistrictError."""
        row = self._connection.execute(
            "SELECT roster_version, schools, teachers, students, classes, places FROM rosters WHERE district = %s",
            (self._district,),
        ).fetchone()
        if row is None:
            raise UnknownDistrictError(f"district {self._district} is not registered")
        kinds: tuple[Kind, ...] = (*RECORD_KINDS, "places")
        return AppliedTotals(row[0], dict(zip(kinds, row[1:], strict=True)))

    def digests(self, kind: RecordKind) -> dict[str, bytes]:
        """Give the digest of every applied record of the kind, by id."""
        query = sql.SQL("SELECT id, digest FROM {} WHERE district = %s").format(sql.Identifier(kind))
        with self._connection.cursor("digests", binary=True) as cursor:  # on the server: a million rows come in parts
            cursor.itersize = _ROWS_AT_ONCE
            return dict(cursor.execute(query, (self._district,)))

    def records(self, kind: RecordKind, ids: Sequence[str]) -> dict[str, Record]:
        """Give the applied records with these ids, by id, classes with their places."""
        if not ids:
            return {}
        columns = sql.SQL(", ").join(map(sql.Identifier, COLUMNS[kind]))
        query = sql.SQL("SELECT {} FROM {} WHERE district = %s AND id = ANY(%s)").format(columns, sql.Identifier(kind))
        rows = self._connection.execute(query, (self._district, list(ids)), binary=True)
        if kind != "classes":
            return {str(row[0]): record_of(kind, row) for row in rows}
        classes = {str(row[0]): class_ for row in rows if isinstance(class_ := record_of(kind, row), Class)}
        places: dict[str, list[tuple[str, str, bool]]] = {id_: [] for id_ in classes}
        for class_, *place in self._connection.execute(
            "SELECT class, part, person, is_primary FROM places WHERE district = %s AND class = ANY(%s)",
            (self._district, list(ids)),
            binary=True,
        ):
            places[class_].append((place[0], place[1], place[2]))
        return {id_: with_places(class_, places[id_]) for id_, class_ in classes.items()}

    def students_of_schools(self) -> dict[str, int]:
        """Give how many students each school has, by the school's id."""
        return dict(
            self._connection.execute(
                "SELECT school, count(*) FROM students, unnest(schools) AS school WHERE district = %s GROUP BY school",
                (self._district,),
            ).fetchall()
        )

    def classes_without_teacher(self) -> int:
        """Count the classes that have no teacher."""
        return self._count(
            "SELECT count(*) FROM classes c WHERE district = %(district)s AND NOT EXISTS (SELECT FROM places p"
            " WHERE p.district = %(district)s AND p.class = c.id AND p.part = 'teacher')"
        )

    def students_without_class(self) -> int:
        """Count the students that are in no class."""
        return self._count(
            "SELECT count(*) FROM students s WHERE district = %(district)s AND NOT EXISTS (SELECT FROM places p"
            " WHERE p.district = %(district)s AND p.person = s.id AND p.part = 'student')"
        )

    def classes_of_students(self, ids: Sequence[str]) -> dict[str, int]:
        """Give how many classes each of these students is in; who is not applied is left out."""
        if not ids:
            return {}
        return dict(
            self._connection.execute(
                "SELECT s.id, count(p.class) FROM students s"
                " LEFT JOIN places p ON p.district = %(district)s AND p.person = s.id AND p.part = 'student'"
                " WHERE s.district = %(district)s AND s.id = ANY(%(ids)s) GROUP BY s.id",
                {"district": self._district, "ids": list(ids)},
                binary=True,
            ).fetchall()
        )

    def _count(self, query: str) -> int:
        row = self._connection.execute(query.encode(), {"district": self._district}).fetchone()
        assert row is not None, "a count is always answered"
        return int(row[0])

    def kept_classes_of(self, classes: Sequence[str], people: Sequence[str]) -> list[str]:
        """Give those of these classes in which any of these people has a place, in order."""
        rows = self._connection.execute(
            "SELECT DISTINCT class FROM places WHERE district = %s AND class = ANY(%s) AND person = ANY(%s)"
            " ORDER BY class",
            (self._district, list(classes), list(people)),
        )
        return [row[0] for row in rows]
