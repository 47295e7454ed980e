"""The districts that people find their sign-in by."""

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg_pool import ConnectionPool

from services.database.queries import Queries

QUERIES = Queries("services.activation.web", "districts.sql")


@dataclass(frozen=True, slots=True)
class DistrictDoor:
    """A district as the sign-in page shows it, and the provider that its roster comes from."""

    district: str
    name: str
    provider: str


class DistrictDirectory:
    """Finds districts. The pool's connections may do what the role rollcall_sign_in may do."""

    def __init__(self, pool: ConnectionPool[psycopg.Connection[Any]]) -> None:
        self._pool = pool

    def find(self, search: str, ways: tuple[str, ...], most: int) -> list[DistrictDoor]:
        """Give at most so many districts with this in their name whose people sign in by one of the providers."""
        about = {"search": search, "ways": list(ways), "most": most}
        with self._pool.connection() as connection, connection.cursor(row_factory=class_row(DistrictDoor)) as cursor:
            return cursor.execute(QUERIES["signing_in"], about).fetchall()

    def named(self, district: str) -> DistrictDoor | None:
        """Give one district, or None where there is none."""
        with self._pool.connection() as connection, connection.cursor(row_factory=class_row(DistrictDoor)) as cursor:
            return cursor.execute(QUERIES["district"], {"district": district}).fetchone()
