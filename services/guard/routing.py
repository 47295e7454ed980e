"""Routes change sets from `roster.changes` to `roster.approved` or `roster.held` in one pass, storing none of them."""

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog
from faust.types import TP

from schemas.cloudevents import CloudEvent, UnreadableMessageError, header, type_of
from schemas.events import Approval, ChangeSetCompleted, ChangeSetStarted
from schemas.topics import APPROVED, CHANGES, HELD, NOTICES, Topic
from services.async_publisher import AsyncPublisher, Sequence, Writing
from services.clock import now
from services.faust_worker import Delivery
from services.guard import holds
from services.guard.assembly import Assemblies, Assembly, decode_chunk
from services.guard.boundaries import Boundaries, Extent
from services.guard.decisions import awaited_pause
from services.guard.judging import Judged, judge_once
from services.guard.outgoing import approved_header, awaits, held_header, held_notice, superseded
from services.guard.verdict import approvals_needed
from services.messages import Message
from services.metrics import StageWork

log = structlog.get_logger()

CHUNK = "dev.rollcall.change-set.chunk.v1"


class DistrictLocks:
    """One lock a district, for the moments in which its sets on `roster.approved` must not get in between."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}

    def of(self, district: str) -> asyncio.Lock:
        """Give the district's lock."""
        return self._locks.setdefault(district, asyncio.Lock())


@dataclass(frozen=True, slots=True)
class Route:
    """Where an open set goes, and why.

    What of it is under way is awaited with its completion: until then its header is not acknowledged.
    """

    target: Topic
    judged: Judged
    outgoing: Sequence
    header: Writing
    extent: Extent
    work: StageWork


class Line:
    """What is in hand of one partition."""

    def __init__(self) -> None:
        self.assemblies = Assemblies()
        self.boundaries = Boundaries[Delivery]()
        self.routes: dict[Assembly, Route] = {}
        self._last: Delivery | None = None

    def continues_with(self, delivery: Delivery) -> bool:
        """Say whether this is the next message, or the same delivery tried again."""
        last, self._last = self._last, delivery
        return last is None or last is delivery or last.message.offset + 1 == delivery.message.offset

    def settle(self, extent: Extent) -> None:
        """The set's effects are durable, or it will have none: acknowledge the headers that this frees."""
        extent.durable = True
        for delivery in self.boundaries.settled():
            delivery.ack()


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that hold for every district: the limit where it has none of its own, and the changes above which
    two reviewers must approve, if ever.
    """

    limit_percent: int
    two_reviewers_above: int | None = None


class Routing:
    """The handler for `roster.changes`. A set's header is acknowledged once the effects of its completion are durable.

    Called again for a message it has seen, it does the same again; nothing in it changes before the last thing that
    can fail.
    """

    def __init__(
        self, transact: holds.Transactions, publisher: AsyncPublisher, rules: Rules, locks: DistrictLocks
    ) -> None:
        self._transact = transact
        self._publisher = publisher
        self._rules = rules
        self._locks = locks
        self._lines: dict[int, Line] = {}

    async def revoked(self, _app: object, revoked: set[TP], **_: Any) -> None:
        """Forget what is in hand of partitions that are no longer ours: it comes again from what is committed."""
        for tp in revoked:
            if tp.topic.endswith(CHANGES.name):
                self._lines.pop(tp.partition, None)

    async def take(self, delivery: Delivery) -> None:
        """Handle one message. Raises UnreadableMessageError for what must become a dead letter."""
        message = delivery.message
        line = self._lines.setdefault(message.partition, Line())
        if not line.continues_with(delivery):
            line = self._lines[message.partition] = Line()
        if type_of(CHANGES, message.headers) == CHUNK:
            await self._chunk(line, delivery)
            return
        event = delivery.event()
        if isinstance(event, ChangeSetStarted):
            await self._started(line, delivery, event)
        elif isinstance(event, ChangeSetCompleted):
            await self._completed(line, delivery, event)

    async def _started(self, line: Line, delivery: Delivery, started: ChangeSetStarted) -> None:
        opened = line.assemblies.opened(started.district)
        if opened is not None and opened.begun_by(started):
            delivery.ack()
            return
        work = StageWork("route", started.sync_id)
        async with self._locks.of(started.district):
            with work.timed():
                judged = await self._transact(judge_once, started, self._rules.limit_percent)
            if judged is None:
                raise UnreadableMessageError(f"district {started.district} is not registered")
            outgoing = Sequence(self._publisher)
            for change_set in judged.superseded:
                cause = header(delivery.message.headers, "ce_id")
                await outgoing.send(HELD, superseded(started, change_set, now(), cause))
            target = HELD if judged.verdict.reasons else APPROVED
            written = await outgoing.send(target, _header(target, started, judged, delivery.message))
        if opened is not None:
            await self._give_up(line, opened)
        extent = Extent(delivery.message.offset)
        line.boundaries.hold(delivery, extent)
        line.routes[line.assemblies.open(started)] = Route(target, judged, outgoing, written, extent, work)
        log.info(
            "routed",
            to=target.name,
            district=started.district,
            sync_id=started.sync_id,
            change_set=started.change_set,
            changes=started.changes,
            reasons=[f"{reason.code}:{reason.kind}" for reason in judged.verdict.reasons],
        )

    async def _give_up(self, line: Line, assembly: Assembly) -> None:
        """The set will have no effect; what its header brought about is durable before that is acknowledged."""
        await line.routes[assembly].outgoing.durable()
        line.settle(line.routes.pop(assembly).extent)

    async def _chunk(self, line: Line, delivery: Delivery) -> None:
        message = delivery.message
        chunk = decode_chunk(message.value)
        assembly = line.assemblies.of(chunk)
        if assembly is not None and assembly.lacks(chunk):
            route = line.routes[assembly]
            with route.work.timed(size=len(message.value or b"")):
                await self._forward(route, assembly, message)
            route.work.add(records=len(chunk.changes))
            assembly.take(chunk)
        if assembly is not None:
            line.routes[assembly].extent.last = message.offset
        delivery.ack()

    async def _completed(self, line: Line, delivery: Delivery, completed: ChangeSetCompleted) -> None:
        assembly = line.assemblies.of(completed)
        if assembly is None and line.assemblies.is_closed(completed):
            delivery.ack()
            return
        shortfall = assembly.shortfall(completed) if assembly is not None else "its header did not come"
        if assembly is None or shortfall is not None:
            text = f"change set {completed.change_set} of district {completed.district} is not whole: {shortfall}"
            await self._transact(holds.fail, completed.sync_id, text)
            if assembly is not None:
                await line.routes[assembly].outgoing.durable()
                line.settle(line.routes[assembly].extent)
            raise UnreadableMessageError(text)
        route = line.routes[assembly]
        with route.work.timed():
            written = await self._forward(route, assembly, delivery.message)
            await route.outgoing.durable()
        if route.judged.verdict.reasons:
            await self._hold(assembly.header, route, written.result().offset, delivery.message)
        line.assemblies.close(assembly)
        del line.routes[assembly]
        route.extent.last = delivery.message.offset
        delivery.ack()
        line.settle(route.extent)
        log.info(
            "forwarded",
            to=route.target.name,
            district=completed.district,
            sync_id=completed.sync_id,
            change_set=completed.change_set,
            **route.work.told(),
        )

    async def _forward(self, route: Route, assembly: Assembly, message: Message) -> Writing:
        key = assembly.header.district.encode()
        return await route.outgoing.send_raw(route.target, list(message.headers), key, message.value)

    async def _hold(self, started: ChangeSetStarted, route: Route, last_offset: int, cause: Message) -> None:
        """Write down that the set is held, and tell that somebody must review it where that is news.

        Nothing is said of what a pause alone holds: it goes on by itself, and of the pause everybody has been told.
        Where an approval from a night before goes on waiting with the set, `roster.held` says so anew.
        """
        verdict = route.judged.verdict
        begins = route.header.result()
        place = holds.Place(begins.partition, begins.offset, last_offset)
        needed = approvals_needed(started.changes, self._rules.two_reviewers_above)
        held = await self._transact(holds.hold, started, verdict, place, needed)
        if verdict.held_by != "pause" and not verdict.quiet:
            notice = held_notice(started, verdict.reasons, now(), header(cause.headers, "ce_id"))
            await self._publisher.publish(NOTICES, notice)
        awaited = awaited_pause(held) if held is not None else None
        if held is not None and awaited is not None:
            await self._publisher.publish(HELD, awaits(held, awaited, held.decision_id))


def _header(target: Topic, started: ChangeSetStarted, judged: Judged, message: Message) -> CloudEvent:
    """Give the header as it goes on: to `roster.held` with the reasons, to `roster.approved` with the approval."""
    cause = header(message.headers, "ce_id")
    if target is HELD:
        return held_header(started, judged.verdict, cause)
    return approved_header(started, Approval(by="policy", approved_at=judged.judged_at), cause)
