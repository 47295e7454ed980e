"""When a pause is over: lets go what only it has held, judged again, and what was approved in it.

What waits is on record, so that a restart loses nothing. Each guard sees to the partitions that it has; what becomes of
a set is one conditional update, so that a second one that believes the same changes nothing.
"""

import asyncio
from typing import Any

import structlog
from faust.types import TP

from schemas.cloudevents import UnreadableMessageError
from schemas.events import ReviewDecision
from schemas.topics import CHANGES, HELD, NOTICES
from services.async_publisher import AsyncPublisher
from services.clock import now
from services.faust_worker import ends_the_process, transient_retries
from services.guard import holds
from services.guard.judging import judge_now
from services.guard.outgoing import expired, held_header, held_notice, refused
from services.guard.release import ExpiredError, HeldTopic, Releases
from services.guard.routing import DistrictLocks

log = structlog.get_logger()

SECONDS_BETWEEN_TURNS = 2.0
SETS_AT_ONCE = 4


class Reopening:
    """Sees to what has waited for a pause that is over."""

    def __init__(
        self,
        *,
        transact: holds.Transactions,
        publisher: AsyncPublisher,
        held_topic: HeldTopic,
        releases: Releases,
        locks: DistrictLocks,
        limit_percent: int,
    ) -> None:
        self._transact = transact
        self._publisher = publisher
        self._held_topic = held_topic
        self._releases = releases
        self._locks = locks
        self._limit_percent = limit_percent
        self._at_once = asyncio.Semaphore(SETS_AT_ONCE)
        self._partitions: set[int] = set()

    async def assigned(self, _app: object, assigned: set[TP], **_: Any) -> None:
        """Take over partitions: those of `roster.changes`, as a district has the same one on `roster.held`."""
        self._partitions |= {tp.partition for tp in assigned if tp.topic.endswith(CHANGES.name)}

    async def revoked(self, _app: object, revoked: set[TP], **_: Any) -> None:
        """Leave partitions to another guard."""
        self._partitions -= {tp.partition for tp in revoked if tp.topic.endswith(CHANGES.name)}

    async def turn(self) -> None:
        """See to everything that is due in our partitions. What may pass is tried again, anything else ends us."""
        with ends_the_process(task="reopening"):
            due: list[holds.HeldSet] = []
            async for attempt in transient_retries():
                with attempt:
                    due = await self._transact(holds.after_their_pause, sorted(self._partitions))
            await asyncio.gather(*(self._reopen(held) for held in due))

    async def _reopen(self, held: holds.HeldSet) -> None:
        with ends_the_process(task="reopening", district=held.district, change_set=held.change_set):
            async with self._at_once:
                async for attempt in transient_retries():
                    with attempt:
                        await self._go_on(held)

    async def _go_on(self, held: holds.HeldSet) -> None:
        try:
            if held.state == "held":
                if not await self._is_let_through(held):
                    return
                current = await self._transact(holds.read, held.change_set)
            else:
                current = held
            if current is not None and current.state == "approved":
                await self._transact(holds.goes_on, current)
                await self._releases.release(current, current.decision_id)
        except (ExpiredError, UnreadableMessageError):
            await self._tell_expired(held)
            await self._transact(holds.expire, held, "pause over")
            await self._transact(holds.replace_after_pause, held)
            log.info("expired", district=held.district, sync_id=held.sync_id, change_set=held.change_set)

    async def _tell_expired(self, held: holds.HeldSet) -> None:
        """Tell whoever approved the set in the pause that it is not released, and why."""
        if held.state != "approved" or held.decided_by is None or held.decided_at is None:
            return
        decision = ReviewDecision(
            district=held.district,
            change_set=held.change_set,
            decision="approve",
            reviewer=held.decided_by,
            reason=held.decision_reason or "",
            decided_at=held.decided_at,
        )
        await self._publisher.publish(HELD, refused(decision, expired(held), now(), held.decision_id))

    async def _is_let_through(self, held: holds.HeldSet) -> bool:
        """Judge the set again; give False where it stays, or a fresh sync is to take its place.

        Whoever must be told is told before it is written down: a kill in between tells them the same once more.
        """
        started = await self._held_topic.header(held)
        async with self._locks.of(held.district):
            if not await self._transact(holds.is_current, held):
                await self._transact(holds.replace_after_pause, held)
                log.info("no-longer-current", district=held.district, change_set=held.change_set)
                return False
            fresh = await self._transact(judge_now, started, self._limit_percent)
            if fresh is None:
                return False
            if not fresh.reasons:
                return await self._transact(holds.approve_after_pause, held)
            if fresh.held_by != "pause":
                await self._publisher.publish(HELD, held_header(started, fresh, None))
                if not fresh.quiet:
                    await self._publisher.publish(NOTICES, held_notice(started, fresh.reasons, now(), None))
            await self._transact(holds.hold_after_pause, held, fresh)
            log.info("held-on", by=fresh.held_by, district=held.district, change_set=held.change_set)
            return False
