"""The scheduler: asks for each district's sync when its night has come, and for the one that was missed; writes what
districts must be told of pauses, lost connections and conflicts; and forgets what was done in nights long ago.

What has been asked for and told is in the database, and doing it twice does nothing there, so that any number of
schedulers may run, and one that was down begins by catching up.
"""

import asyncio
import threading
from datetime import datetime, timedelta

import structlog
from psycopg.rows import class_row

from services import clock
from services.database.connect import connect
from services.district_rows import QUERIES
from services.faust_worker import ends_the_process, make_app, serve, transient_retries
from services.guard.telling import tell_due
from services.ingest.schedule import ScheduledDistrict, Window, due
from services.installation import find_installation
from services.nights import last_nights, request_sync
from services.retention import forget_before
from services.settings import Settings

log = structlog.get_logger()


def run(settings: Settings, stop: threading.Event) -> None:
    """Ask for what is due, and tell it, at the start and every minute, until `stop` is set."""
    asyncio.run(_run(settings, stop))


def request_due(dsn: str, window: Window, now: datetime) -> list[str]:
    """Ask for every sync that is due by `now` and was not asked for; give their ids.

    Raises psycopg.Error where the database does not answer; what was asked for by then stays so.
    """
    with connect(dsn, "rollcall_scheduler") as connection:
        with connection.cursor(row_factory=class_row(ScheduledDistrict)) as cursor:
            districts = cursor.execute(QUERIES["scheduled"]).fetchall()
        asked_for = {night.sync_id for night in last_nights(connection)}
        return [
            request.sync_id
            for request in due(districts, asked_for, now, window)
            if request_sync(connection, request, "/rollcall/scheduler")
        ]


def forget_due(dsn: str, before: datetime) -> dict[str, int]:
    """Forget what was done in the nights before then, see `services.retention`; give how many rows of what."""
    with connect(dsn, "rollcall_scheduler") as connection:
        return forget_before(connection, before)


async def _run(settings: Settings, stop: threading.Event) -> None:
    installation = find_installation(settings)
    window = Window(settings.night_starts, settings.night_hours)
    app = make_app("scheduler", settings, installation.kafka)
    app.producer_only = True  # it reads no topic, so it joins no consumer group

    async def ask() -> None:
        with ends_the_process(task="schedule"):
            async for attempt in transient_retries():
                with attempt:
                    asked = await asyncio.to_thread(request_due, installation.database, window, clock.now())
            if asked:
                log.info("syncs-requested", sync_ids=asked)

    async def tell() -> None:
        with ends_the_process(task="notices"):
            async for attempt in transient_retries():
                with attempt:
                    told = await asyncio.to_thread(tell_due, installation.database, clock.now())
            if told:
                log.info("notices-written", notice_ids=told)

    async def forget() -> None:
        with ends_the_process(task="retention"):
            async for attempt in transient_retries():
                with attempt:
                    before = clock.now() - timedelta(days=settings.journal_days)
                    forgotten = await asyncio.to_thread(forget_due, installation.database, before)
            if forgotten:
                log.info("journals-forgotten", **forgotten)

    for task, when in ((ask, "* * * * *"), (tell, "* * * * *"), (forget, "17 * * * *")):
        app.task(task)
        app.crontab(when)(task)
    await serve(app, stop)
