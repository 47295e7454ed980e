"""The table `notices_sent`: who must be told of what, in which parcel, and whether that has gone out."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import psycopg

from schemas.events import Notice
from services.clock import now
from services.database.queries import Queries
from services.guard.notices.parcels import WEBHOOK, Due, Parcel, parcels

QUERIES = Queries("services.guard.notices")

Connection = psycopg.AsyncConnection[Any]


def receive(connection: psycopg.Connection[Any], notice_id: str, notice: Notice, recipients: Iterable[str]) -> None:
    """Write who must be told of the notice. One that is on record is left alone: whoever is a recipient by now, and
    was not when it came first, does not get old news when it is delivered again.
    """
    with connection.transaction():
        if connection.execute(QUERIES["on_record"], {"notice_id": notice_id}).fetchone() is not None:
            return
        for recipient in recipients:
            about = {"notice_id": notice_id, "recipient": recipient, "received_at": now(), **notice.model_dump()}
            connection.execute(QUERIES["receive"], about)


async def next_parcels(
    connection: Connection, *, by_webhook: bool, gathered_before: datetime, now: datetime
) -> list[Parcel]:
    """Give the parcels whose time has come: those that were named before, as they were, then those packed just now."""
    about = {"webhook": WEBHOOK, "by_webhook": by_webhook, "now": now}
    async with connection.transaction():
        rows = await (await connection.execute(QUERIES["due"], about)).fetchall()
        for parcel in parcels(map(_due, rows), gathered_before):
            ids = [one.notice_id for one in parcel.contents]
            await connection.execute(
                QUERIES["pack"], {"parcel": parcel.name, "recipient": parcel.recipient, "notice_ids": ids}
            )
        packed = await (await connection.execute(QUERIES["packed"], about)).fetchall()
    return list(_parcels(packed))


async def sent(connection: Connection, parcel: Parcel) -> None:
    """Write that the parcel has gone out."""
    await connection.execute(QUERIES["sent"], {"parcel": parcel.name, "sent_at": now()})


async def put_off(connection: Connection, parcel: Parcel, until: datetime) -> None:
    """Write that the parcel did not go out, and when to try again."""
    await connection.execute(QUERIES["put_off"], {"parcel": parcel.name, "next_attempt_at": until})


async def give_up(connection: Connection, parcel: Parcel) -> None:
    """Write that the parcel will not be tried again."""
    await connection.execute(QUERIES["give_up"], {"parcel": parcel.name})


async def forget(connection: Connection, before: datetime) -> None:
    """Forget who was told what before an instant; what has not gone out yet stays."""
    await connection.execute(QUERIES["forget"], {"before": before})


def _due(row: tuple[Any, ...]) -> Due:
    notice_id, recipient, district, code, subject_id, text, noticed_at, received_at, name, timezone = row[:10]
    notice = Notice(district=district, code=code, subject_id=subject_id, text=text, noticed_at=noticed_at)
    return Due(notice_id, recipient, notice, name, timezone, received_at)


def _parcels(rows: Iterable[tuple[Any, ...]]) -> Iterator[Parcel]:
    for name, group in groupby(rows, key=itemgetter(10)):
        packed = list(group)
        yield Parcel(name, packed[0][1], tuple(map(_due, packed)), attempts=packed[0][11])
