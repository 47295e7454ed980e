"""The desk-feed worker: fills the desk's tables from the topics, as any other review tool could.

A district is one lane of each topic, in the order of that topic; between topics there is no order, so each event fills
in its own part. What the desk has no use for is skipped by its header, undecoded.
"""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias

import psycopg
import structlog
from psycopg_pool import ConnectionPool

from schemas.cloudevents import UnreadableMessageError, header
from schemas.topics import ACTIVATIONS, CHANGES, DECISIONS, HELD, NOTICES, SNAPSHOTS, SYNC_REQUESTS, UPDATES
from services.clock import now
from services.database.connect import with_role
from services.dead_letters import DeadLetters
from services.guard.desk import activation_feed, held_feed, night_feed
from services.guard.desk.read_model import Connection
from services.installation import find_installation
from services.messages import Message, Publisher, key_text
from services.sessions import keep_running, working_beside
from services.settings import Settings
from services.worker import Worker

log = structlog.get_logger()

KEPT = timedelta(days=30)
"""How long the changes of a set, children's data, are kept after it was decided or superseded."""

SWEEP_SECONDS = 3600.0

Handler: TypeAlias = Callable[[Connection, Message], None]

HANDLERS: dict[tuple[str, str], Handler] = {
    (SYNC_REQUESTS.name, "dev.rollcall.sync.requested.v1"): night_feed.requested,
    (SNAPSHOTS.name, "dev.rollcall.snapshot.started.v1"): night_feed.snapshot_started,
    (SNAPSHOTS.name, "dev.rollcall.snapshot.completed.v1"): night_feed.snapshot_completed,
    (SNAPSHOTS.name, "dev.rollcall.snapshot.aborted.v1"): night_feed.snapshot_aborted,
    (CHANGES.name, "dev.rollcall.change-set.started.v1"): night_feed.compared,
    (UPDATES.name, "dev.rollcall.roster.synced.v1"): night_feed.synced,
    (UPDATES.name, "dev.rollcall.school.created.v1"): night_feed.school,
    (UPDATES.name, "dev.rollcall.school.updated.v1"): night_feed.school,
    (NOTICES.name, "dev.rollcall.notice.v1"): night_feed.notice,
    (DECISIONS.name, "dev.rollcall.review.decision.v1"): held_feed.decision,
    (DECISIONS.name, "dev.rollcall.conflict.resolved.v1"): activation_feed.resolved,
    (ACTIVATIONS.name, "dev.rollcall.activation.conflict.v1"): activation_feed.conflict,
    **{
        (ACTIVATIONS.name, f"dev.rollcall.activation.{state}.v1"): activation_feed.settled
        for state in ("activated", "linked", "required", "deactivated")
    },
    (HELD.name, "dev.rollcall.change-set.started.v1"): held_feed.started,
    (HELD.name, "dev.rollcall.change-set.chunk.v1"): held_feed.chunk,
    (HELD.name, "dev.rollcall.change-set.completed.v1"): held_feed.completed,
    (HELD.name, "dev.rollcall.hold.awaits.v1"): held_feed.awaits,
    (HELD.name, "dev.rollcall.hold.superseded.v1"): held_feed.superseded,
    (HELD.name, "dev.rollcall.hold.released.v1"): held_feed.released,
    (HELD.name, "dev.rollcall.hold.rejected.v1"): held_feed.rejected,
    (HELD.name, "dev.rollcall.decision.refused.v1"): held_feed.refused,
}


class FeedLane:
    """One line through the feed. Each message is one transaction; the pool's connections are shared by all lanes."""

    def __init__(self, pool: ConnectionPool[Connection], dead_letters: DeadLetters) -> None:
        self._pool = pool
        self._dead_letters = dead_letters

    def take(self, batch: list[Message]) -> int | None:
        """See `services.worker.Lane`."""
        wanted = [(handler, message) for message in batch if (handler := _handler(message)) is not None]
        if wanted:
            with self._pool.connection() as connection:
                bystanders = activation_feed.bystanders(connection, batch)
                for handler, message in wanted:
                    if message.offset not in bystanders:
                        self._handle(connection, handler, message)
        return batch[-1].offset

    def _handle(self, connection: Connection, handler: Handler, message: Message) -> None:
        try:
            with connection.transaction():
                handler(connection, message)
        except UnreadableMessageError as error:
            self._dead_letters.put(message, str(error))
        except psycopg.DataError as error:  # its text quotes values: only the class is told
            self._dead_letters.put(message, f"PostgreSQL refuses the event: {type(error).__name__}")

    def close(self) -> None:
        """See `services.worker.Lane`: nothing is held between batches."""


def _handler(message: Message) -> Handler | None:
    return HANDLERS.get((message.topic.name, header(message.headers, "ce_type") or ""))


def _lane_of(message: Message) -> str:
    """A district is a lane; what is keyed by the entity is one lane a partition."""
    return "" if message.topic in (UPDATES, ACTIVATIONS) else key_text(message)


def sweep(connection: Connection, nights_kept: timedelta) -> tuple[int, int]:
    """Delete the changes of every set that was decided or superseded longer ago than KEPT, and old nights.

    Gives how many sets, and how many nights.
    """
    sets, nights, at = 0, 0, now()
    while held_feed.delete_outlived(connection, at - KEPT, at):
        sets += 1
    while deleted := night_feed.forget(connection, at - nights_kept):
        nights += deleted
    if sets or nights:
        log.info("swept", sets=sets, nights=nights)
    return sets, nights


def run(settings: Settings, stop: threading.Event) -> None:
    """Work until `stop` is set. Raises what cannot be waited out."""
    installation = find_installation(settings)
    publisher = Publisher(installation.kafka, settings.topic_prefix, "rollcall-desk-feed")
    dead_letters = DeadLetters(publisher, "desk-feed")
    pool: ConnectionPool[Connection] = ConnectionPool(
        with_role(installation.database, "rollcall_desk"),
        kwargs={"autocommit": True},
        min_size=1,
        max_size=5,
        check=ConnectionPool.check_connection,
        open=False,
    )

    def sweep_now_and_then(progress: threading.Event) -> None:
        while not stop.is_set():
            with pool.connection() as connection:
                sweep(connection, timedelta(days=settings.journal_days))
            progress.set()
            stop.wait(SWEEP_SECONDS)

    worker = Worker(
        name="desk-feed",
        topic=HELD,
        further_topics=(SYNC_REQUESTS, SNAPSHOTS, CHANGES, UPDATES, NOTICES, DECISIONS, ACTIVATIONS),
        bootstrap=installation.kafka,
        prefix=settings.topic_prefix,
        open_lane=lambda _district: FeedLane(pool, dead_letters),
        lane_of=_lane_of,
        stop=stop,
        instance=settings.instance,
    )
    with pool, working_beside("desk-sweep", lambda: keep_running(sweep_now_and_then, stop), stop):
        try:
            worker.run()
        finally:
            publisher.close()
