"""Writes the notices that nobody's work brings about: pauses, lost connections, conflicts. The scheduler calls it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import class_row

from schemas.cloudevents import event_id
from schemas.events import Notice
from schemas.topics import NOTICES
from services.database.connect import connect
from services.database.queries import Queries
from services.district_rows import QUERIES as DISTRICTS
from services.guard.pause_notices import near_pauses, pause_notices
from services.guard.rules_rows import calendars
from services.guard.standing_notices import DISCONNECTED, Conflicts, Refused, conflicts_notice, disconnected_notice
from services.ingest.schedule import ScheduledDistrict
from services.outbox import INSERT as OUTBOX_INSERT
from services.outbox import outbox_row

QUERIES = Queries("services.guard", "telling.sql")
_TYPE = "dev.rollcall.notice.v1"

KEPT = timedelta(days=400)
"""How long what was told stays on record: a school year, and the same days of the next."""


def tell_due(dsn: str, now: datetime) -> list[str]:
    """Write every notice that there is reason for by `now` and that was not written yet; give their ids.

    Forgets what was told long ago. Raises psycopg.Error where the database does not answer; what was written by then
    stays so.
    """
    with connect(dsn, "rollcall_scheduler") as connection:
        found = [*_pauses(connection, now), *_disconnected(connection, now), *_conflicts(connection, now)]
        told = [notice_id for notice in found if (notice_id := _tell_once(connection, notice)) is not None]
        about = {"before": now - KEPT, "still_so": [event_id(_TYPE, *_identity(notice)) for notice in found]}
        connection.execute(QUERIES["forget"], about)
        return told


def _identity(notice: Notice) -> tuple[str, ...]:
    return (notice.code, notice.district, notice.subject_id)


def _tell_once(connection: psycopg.Connection[Any], notice: Notice) -> str | None:
    """Write a notice with its event in one transaction; give its id, or None where it was written before."""
    identity = _identity(notice)
    about = {"notice_id": event_id(_TYPE, *identity), **notice.model_dump()}
    with connection.transaction():
        if connection.execute(QUERIES["tell"], about).fetchone() is None:
            return None
        connection.execute(
            OUTBOX_INSERT,
            outbox_row(NOTICES, _TYPE, notice, key=notice.district, source="/rollcall/scheduler", identity=identity),
        )
    return str(about["notice_id"])


def _pauses(connection: psycopg.Connection[Any], now: datetime) -> Iterator[Notice]:
    by_district = calendars(connection)
    with connection.cursor(row_factory=class_row(ScheduledDistrict)) as cursor:
        for district in cursor.execute(DISTRICTS["scheduled"]).fetchall():
            if (calendar := by_district.get(district.district)) is not None:
                near = near_pauses(calendar, now)
                yield from pause_notices(district.district, district.registered_at, near, now)


def _disconnected(connection: psycopg.Connection[Any], now: datetime) -> Iterator[Notice]:
    with connection.cursor(row_factory=class_row(Refused)) as cursor:
        for refused in cursor.execute(QUERIES["disconnected"], {"codes": list(DISCONNECTED)}).fetchall():
            yield disconnected_notice(refused, now)


def _conflicts(connection: psycopg.Connection[Any], now: datetime) -> Iterator[Notice]:
    with connection.cursor(row_factory=class_row(Conflicts)) as cursor:
        for conflicts in cursor.execute(QUERIES["conflicts"]).fetchall():
            if (notice := conflicts_notice(conflicts, now)) is not None:
                yield notice
