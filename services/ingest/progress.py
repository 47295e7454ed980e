"""Ingest's part in a night's row: that it pulls, how far it is, that it failed."""

import time
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from schemas.events import SyncRequested
from schemas.records import RecordKind
from services import clock
from services.nights import QUERIES

_SECONDS_BETWEEN = 0.5

Pool = AsyncConnectionPool[psycopg.AsyncConnection[Any]]


class NightProgress:
    """The row of one sync. Each method raises psycopg.OperationalError where the database does not answer."""

    def __init__(self, pool: Pool, request: SyncRequested) -> None:
        self._pool = pool
        self._request = request
        self._told_at = 0.0

    async def begin(self, snapshot_id: str) -> bool:
        """Say that a pull begins. Gives False where this sync is past its pull already: it was delivered again."""
        row = {
            **self._request.model_dump(exclude={"district", "sync_id"}),
            "snapshot_id": snapshot_id,
            "at": clock.now(),
        }
        self._told_at = time.monotonic()
        return await self._execute("pulling", district=self._request.district, **row) == 1

    async def pulled(self, records: Mapping[RecordKind, int]) -> None:
        """Say how many records of each kind have been pulled: twice a second, so of a short pull never."""
        now = time.monotonic()
        if now - self._told_at >= _SECONDS_BETWEEN:
            self._told_at = now
            await self._execute("pulled", pulled=Jsonb(dict(records)))

    async def failed(self, code: str, text: str) -> None:
        """Say that the sync has ended without an effect."""
        await self._execute("failed", code=code, text=text, at=clock.now())

    async def _execute(self, query: str, **parameters: object) -> int:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(QUERIES[query], {"sync_id": self._request.sync_id, **parameters})
            return cursor.rowcount
