"""The ingest worker: pulls what is asked for, several districts side by side, each district one pull at a time."""

import asyncio
import gc
import threading
from collections import defaultdict
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import structlog
from faust.types import TP
from psycopg_pool import AsyncConnectionPool
from pydantic import ValidationError

from schemas.cloudevents import header
from schemas.events import SyncRequested
from schemas.topics import SYNC_REQUESTS
from services import clock
from services.async_publisher import AsyncPublisher
from services.database.connect import with_role
from services.district_rows import QUERIES as DISTRICTS
from services.district_rows import find_district
from services.districts import District
from services.faust_worker import Delivery, FaustWorker, ends_the_process, transient_retries
from services.ingest.aside import aside
from services.ingest.one_heap import share_one_heap
from services.ingest.progress import NightProgress, Pool
from services.ingest.providers.hosts import HostLimits
from services.ingest.providers.open import open_source
from services.ingest.providers.page_process import PageProcess, WorkOnPage
from services.ingest.pull import pull_roster
from services.ingest.remembered_rows import RowMemory, forget_gone
from services.ingest.snapshot import SnapshotWriter
from services.ingest.source import PullFailedError, PullReport
from services.installation import find_installation
from services.metrics import StageWork
from services.settings import Settings

log = structlog.get_logger()

SECONDS_BETWEEN_FORGETTING = 60.0
"""How long what is remembered of a district may outlive it."""


def run(settings: Settings, stop: threading.Event) -> None:
    """Pull what is asked for until `stop` is set. Pulls that are under way then begin anew at the next start."""
    share_one_heap()
    gc.freeze()  # what imports made stays: looking for cycles in it took 80 ms each time
    with PageProcess() as pages:
        asyncio.run(_run(settings, pages, stop))


async def _run(settings: Settings, pages: PageProcess, stop: threading.Event) -> None:
    installation = find_installation(settings)
    dsn = with_role(installation.database, "rollcall_ingest")
    async with (
        AsyncConnectionPool(dsn, min_size=1, max_size=4, kwargs={"autocommit": True}, open=False) as pool,
        AsyncPublisher(installation.kafka, settings.topic_prefix, "rollcall-ingest") as publisher,
    ):
        worker = FaustWorker("ingest", settings, installation.kafka, publisher)
        pulls = Pulls(settings, cast(Pool, pool), publisher, pages.work)
        worker.read(SYNC_REQUESTS, pulls.take)
        worker.app.on_partitions_assigned.connect(cast(Any, pulls.assigned))

        async def forget() -> None:
            with ends_the_process(task="forget"):
                async for attempt in transient_retries():
                    with attempt:
                        await _forget_gone(cast(Pool, pool), settings.remembered_rows)

        worker.app.task(forget)
        worker.app.timer(SECONDS_BETWEEN_FORGETTING)(forget)
        try:
            await worker.run(stop)
        finally:
            await pulls.cancel()


class _Pull:
    """A pull under way. It has several deliveries where its request came again before it ended."""

    task: asyncio.Task[None]

    def __init__(self, request: SyncRequested, delivery: Delivery) -> None:
        self.request = request
        self.deliveries = [delivery]


class Pulls:
    """The pulls of this worker: `pulls_at_once` at the same time, never two of one district."""

    def __init__(self, settings: Settings, pool: Pool, publisher: AsyncPublisher, work_on_page: WorkOnPage) -> None:
        self._settings = settings
        self._pool = pool
        self._publisher = publisher
        self._work_on_page = work_on_page
        self._limits = HostLimits(settings.requests_at_once)
        self._slots = asyncio.Semaphore(settings.pulls_at_once)
        self._lines: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._pulls: dict[str, _Pull] = {}

    async def take(self, delivery: Delivery) -> None:
        """Begin the pull that is asked for, or put it in line. It is acked when its end is durable."""
        request = cast(SyncRequested, delivery.event())
        if request.sync_id in self._pulls:
            self._pulls[request.sync_id].deliveries.append(delivery)
            return
        pull = self._pulls[request.sync_id] = _Pull(request, delivery)
        pull.task = asyncio.create_task(self._work(pull))

    async def assigned(self, _app: object, partitions: set[TP], **_: Any) -> None:
        """Give up the pulls that another worker is about to begin: those whose partitions are now its own."""
        mine = {tp.partition for tp in partitions}
        self._give_up([pull for pull in self._pulls.values() if pull.deliveries[0].message.partition not in mine])

    async def cancel(self) -> None:
        """Give up every pull, unacked."""
        tasks = self._give_up(list(self._pulls.values()))
        await asyncio.gather(*tasks, return_exceptions=True)

    def _give_up(self, pulls: list[_Pull]) -> list[asyncio.Task[None]]:
        for pull in pulls:
            del self._pulls[pull.request.sync_id]
            pull.task.cancel()
        return [pull.task for pull in pulls]

    async def _work(self, pull: _Pull) -> None:
        request = pull.request
        with ends_the_process(district=request.district, sync_id=request.sync_id):
            async with self._lines[request.district], self._slots:
                cause = header(pull.deliveries[0].message.headers, "ce_id")
                work = StageWork("pull", request.sync_id)
                async for attempt in transient_retries():
                    with attempt, work.timed():
                        await self._sync(request, cause, work)
            del self._pulls[request.sync_id]
            for delivery in pull.deliveries:
                delivery.ack()

    async def _sync(self, request: SyncRequested, causation_id: str | None, work: StageWork) -> None:
        """Pull the district's roster into a snapshot; where that fails, say so on the topic and in the night's row."""
        begin = partial(SnapshotWriter, self._publisher, request, causation_id, self._settings.page_records)
        night = NightProgress(self._pool, request)
        writer = begin()
        memory: RowMemory | None = None
        report: PullReport | None = None
        bound = log.bind(district=request.district, sync_id=request.sync_id)
        try:
            district = await self._district(request.district)
            if not await night.begin(writer.snapshot_id):
                bound.info("pull-not-needed")
                return
            _refuse_other_plans(district)
            memory = RowMemory(self._settings.remembered_rows, district)
            source = partial(
                open_source, district, self._limits, self._settings, memory=memory, work_on_page=self._work_on_page
            )
            today = clock.now().astimezone(ZoneInfo(district.timezone)).date()
            async with aclosing(pull_roster(source, today)) as steps:
                async for step in steps:
                    if not isinstance(step, PullReport):
                        await writer.write(step)
                        await night.pulled(writer.records)
                        continue
                    if report is not None:
                        await writer.abort("moved", "the provider's data changed while they were read; reading anew")
                        writer = begin()
                        await night.begin(writer.snapshot_id)
                    report = step
                    writer.start(district.provider)
                    bound.info("pull-began", snapshot_id=writer.snapshot_id)
            assert report is not None, "a pull that ended well has begun"
            await writer.complete(report)
            await aside(writer.bytes, memory.keep)
            work.add(records=sum(writer.records.values()), size=writer.bytes)
            bound.info("pull-completed", snapshot_id=writer.snapshot_id, kinds=writer.records, **work.told())
        except PullFailedError as error:
            await writer.abort(error.code, error.text)
            await night.failed(error.code, error.text)
            bound.warning("pull-failed", code=error.code, text=error.text)
        finally:
            writer.give_up()
            if memory is not None:
                memory.close()

    async def _district(self, district_id: str) -> District:
        try:
            async with self._pool.connection() as connection:
                district = await find_district(connection, district_id)
        except ValidationError as error:
            fields = ", ".join(sorted({str(problem["loc"][0]) for problem in error.errors(include_input=False)}))
            raise PullFailedError(
                "misconfigured",
                f"district {district_id} is registered with values that cannot be used ({fields}); "
                "correct them with `rollcall district update`",
            ) from None
        if district is None:
            raise PullFailedError(
                "unknown-district",
                f"no district is registered as {district_id}; `rollcall district list` shows those that are",
            )
        return district


async def _forget_gone(pool: Pool, folder: Path) -> None:
    """Forget the rows of districts that were removed meanwhile, perhaps from another machine: they hold names."""
    async with pool.connection() as connection:
        rows = await (await connection.execute(DISTRICTS["ids"])).fetchall()
    await asyncio.to_thread(forget_gone, folder, {district for (district,) in rows})


def _refuse_other_plans(district: District) -> None:
    if district.plan != "districts":
        raise PullFailedError(
            "plan",
            f"district {district.district} is on the Enterprise Starter plan, which has no rostering; "
            "when it has moved to the districts plan, say so with `rollcall district update --plan districts`",
        )
