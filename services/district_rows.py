"""The registered districts as the accounts database has them."""

from typing import Any

import psycopg
from psycopg.rows import dict_row
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from schemas.cloudevents import event_id
from schemas.events import RosterSynced
from schemas.records import KINDS
from schemas.topics import UPDATES
from services.clock import now
from services.database.queries import Queries
from services.districts import District
from services.outbox import INSERT as OUTBOX_INSERT
from services.outbox import outbox_row

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
    """Remove a district and all that was rostered for it; give False where none is registered under the id.

    Whoever follows `roster.updates` is told, record by record, in one last roster version (promise 10). A night that is
    being applied at this moment comes first: then all is tried again, and psycopg.errors.SerializationFailure raised
    where that does not end.
    """
    for attempt in Retrying(
        retry=retry_if_exception_type(psycopg.errors.SerializationFailure),
        wait=wait_exponential_jitter(multiplier=0.2, max=5),
        stop=stop_after_attempt(8),
        reraise=True,
    ):
        with attempt, connection.transaction():
            # So that the removal fails, rather than forget a version, where one is applied meanwhile.
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            retired = connection.execute(QUERIES["retire"], {"district": district_id}).fetchone()
            if retired is not None:
                _publish_removal(connection, district_id, retired[0])
            removed = connection.execute(QUERIES["remove"], {"district": district_id}).rowcount == 1
    return removed


def _publish_removal(connection: psycopg.Connection[Any], district_id: str, version: int) -> None:
    change_set = event_id("district removed", district_id, version)
    about = {"district": district_id, "roster_version": version, "change_set": change_set}
    updates = connection.execute(QUERIES["publish_removals"], about).rowcount
    synced = RosterSynced(
        district=district_id,
        sync_id=change_set,
        change_set=change_set,
        roster_version=version,
        updates=updates,
        totals=dict.fromkeys(KINDS, 0),
        digest="0" * 32,
        synced_at=now(),
    )
    connection.execute(
        OUTBOX_INSERT,
        outbox_row(
            UPDATES,
            "dev.rollcall.roster.synced.v1",
            synced,
            key=district_id,
            source="/rollcall/command-line",
            identity=(change_set,),
            causation_id=change_set,
        ),
    )
