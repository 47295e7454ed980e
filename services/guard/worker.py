"""The guard worker: judges each change set, lets it through or holds it, and follows what reviewers decide."""

import asyncio
import threading
from typing import Any, cast

from psycopg_pool import ConnectionPool

from schemas.topics import CHANGES, DECISIONS
from services.async_publisher import AsyncPublisher
from services.database.connect import with_role
from services.faust_worker import FaustWorker
from services.guard.following import Decisions
from services.guard.holds import Connection, Transactions
from services.guard.release import HeldTopic, Releases
from services.guard.reopening import SECONDS_BETWEEN_TURNS, Reopening
from services.guard.routing import DistrictLocks, Routing, Rules
from services.installation import Installation, find_installation
from services.settings import Settings


def run(settings: Settings, stop: threading.Event) -> None:
    """Work until `stop` is set. Raises what cannot be waited out."""
    asyncio.run(_run(settings, find_installation(settings), stop))


async def _run(settings: Settings, installation: Installation, stop: threading.Event) -> None:
    pool: ConnectionPool[Connection] = ConnectionPool(
        with_role(installation.database, "rollcall_guard"),
        kwargs={"autocommit": True},
        min_size=1,
        max_size=3,
        check=ConnectionPool.check_connection,
        open=False,
    )
    with pool:
        async with AsyncPublisher(installation.kafka, settings.topic_prefix, "rollcall-guard") as publisher:
            worker = FaustWorker("guard", settings, installation.kafka, publisher)
            transact, locks = Transactions(pool), DistrictLocks()
            rules = Rules(settings.limit_percent, settings.two_reviewers_above)
            routing = Routing(transact, publisher, rules, locks)
            held_topic = HeldTopic(installation.kafka, settings.topic_prefix)
            releases = Releases(transact, publisher, held_topic, locks)
            reopening = Reopening(
                transact=transact,
                publisher=publisher,
                held_topic=held_topic,
                releases=releases,
                locks=locks,
                limit_percent=rules.limit_percent,
            )
            worker.read(CHANGES, routing.take)
            worker.read(DECISIONS, Decisions(transact, publisher, releases).take)

            worker.app.timer(SECONDS_BETWEEN_TURNS)(reopening.turn)
            worker.app.on_partitions_assigned.connect(cast(Any, reopening.assigned))
            worker.app.on_partitions_revoked.connect(cast(Any, reopening.revoked))
            worker.app.on_partitions_revoked.connect(cast(Any, routing.revoked))
            await worker.run(stop)
