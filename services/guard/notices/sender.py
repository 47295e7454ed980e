"""Sends what is due, by one carrier, one parcel after the other, until told to stop.

A parcel is named and on record before it is sent, and written down as sent after. A crash in between sends that one
parcel again under the same name, and no other.
"""

import asyncio
import threading
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import psycopg
import structlog

from services import clock
from services.database.connect import with_role
from services.guard.notices import sent
from services.guard.notices.carriers import Carrier, NotDeliveredError
from services.guard.notices.parcels import Parcel

log = structlog.get_logger()

GIVEN_UP_AFTER = timedelta(days=7)
KEPT = timedelta(days=400)
"""How long it stays on record who was told what: a school year, and the same days of the next."""
_LONGEST_WAIT = 3600
_LONGEST_REST = 300
_ONE_SENDER = {False: 0x6D61696C, True: 0x686F6F6B}  # the advisory lock that the sender at work holds, for each way


class Sender:
    """One carrier's line. A second sender of the same kind, in another process, waits until the first is gone."""

    def __init__(self, dsn: str, carrier: Carrier, gather: timedelta, stop: threading.Event) -> None:
        self._dsn = with_role(dsn, "rollcall_notifier")
        self._carrier = carrier
        self._gather = gather
        self._stop = stop
        self._failures = 0

    def session(self, progress: threading.Event) -> None:
        """Send until stopped; see `services.sessions.keep_running`. Raises psycopg.Error where the database is lost."""
        asyncio.run(self._session(progress.set))

    async def _session(self, progressed: Callable[[], None]) -> None:
        async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as connection:
            while not self._stop.is_set() and not await self._alone(connection):
                await self._wait(1)
            forgotten_on: date | None = None
            while not self._stop.is_set():
                if forgotten_on != (today := clock.now().date()):
                    await sent.forget(connection, clock.now() - KEPT)
                    forgotten_on = today
                await self._turn(connection, progressed)
                await self._wait(min(2**self._failures, _LONGEST_REST))

    async def _turn(self, connection: sent.Connection, progressed: Callable[[], None]) -> None:
        now = clock.now()
        for parcel in await sent.next_parcels(
            connection, by_webhook=self._carrier.by_webhook, gathered_before=now - self._gather, now=now
        ):
            if self._stop.is_set():
                return
            try:
                await self._carrier.deliver(parcel)
            except NotDeliveredError as error:
                await self._failed(connection, parcel, error)
                if error.away:
                    self._failures = min(self._failures + 1, 10)
                    return
            else:
                await sent.sent(connection, parcel)
                log.info("told", parcel=parcel.name, notices=_ids(parcel), webhook=self._carrier.by_webhook)
            self._failures = 0
            progressed()

    async def _failed(self, connection: sent.Connection, parcel: Parcel, error: NotDeliveredError) -> None:
        now = clock.now()
        about = {"parcel": parcel.name, "notices": _ids(parcel), "attempt": parcel.attempts + 1, "error": str(error)}
        if now - min(one.received_at for one in parcel.contents) > GIVEN_UP_AFTER:
            await sent.give_up(connection, parcel)
            log.error("given-up", **about)
            return
        wait = timedelta(seconds=min(2 ** min(parcel.attempts, 12), _LONGEST_WAIT))
        await sent.put_off(connection, parcel, now + wait)
        log.warning("not-told-yet", again_in=wait.total_seconds(), **about)

    async def _alone(self, connection: sent.Connection) -> bool:
        lock: dict[str, Any] = {"lock": _ONE_SENDER[self._carrier.by_webhook]}
        row = await (await connection.execute("SELECT pg_try_advisory_lock(%(lock)s)", lock)).fetchone()
        return bool(row and row[0])

    async def _wait(self, seconds: float) -> None:
        await asyncio.to_thread(self._stop.wait, seconds)


def _ids(parcel: Parcel) -> list[str]:
    return [one.notice_id for one in parcel.contents]
