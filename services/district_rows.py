"""The registered districts as the accounts database has them."""

from typing import Any

import psycopg
from psycopg.rows import dict_row

from services.database.queries import Queries
from services.districts import District

QUERIES = Queries("services", "districts.sql")


def districts(connection: psycopg.Connection[Any]) -> list[District]:
    """Give all districts, by their ids."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return [District.model_validate(row) for row in cursor.execute(QUERIES["all"])]


def district(connection: psycopg.Connection[Any], district_id: str) -> District | None:
    """Give one district, or None where none is registered under the id."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(QUERIES["one"], {"district": district_id}).fetchone()
    return None if row is None else District.model_validate(row)


async def find_district(connection: psycopg.AsyncConnection[Any], district_id: str) -> District | None:
    """Give one district, or None where none is registered under the id, as `district` does in an event loop."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(QUERIES["one"], {"district": district_id})
        row = await cursor.fetchone()
    return None if row is None else District.model_validate(row)


def put_district(connection: psycopg.Connection[Any], registered: District) -> None:
    """Register a district, with an empty roster, or replace all that is registered of it; its roster stays."""
    with connection.transaction():
        connection.execute(QUERIES["put"], registered.model_dump())
        connection.execute(QUERIES["put_roster"], {"district": registered.district})


def remove_district(connection: psycopg.Connection[Any], district_id: str) -> bool:
    """Remove a district and all that was rostered for it; give False where none is registered under the id."""
    return connection.execute(QUERIES["remove"], {"district": district_id}).rowcount == 1
