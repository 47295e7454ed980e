"""Releases what was approved, by a reviewer or by the end of a pause, from `roster.held` to `roster.approved`."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaTimeoutError, OffsetOutOfRangeError

from schemas.cloudevents import decode, type_of
from schemas.events import Approval, ChangeSetCompleted, ChangeSetStarted, HoldReleased
from schemas.topics import APPROVED, HELD
from services.async_publisher import AsyncPublisher
from services.clock import now
from services.guard import holds
from services.guard.assembly import Assembly, decode_chunk
from services.guard.outgoing import approved_header
from services.guard.routing import CHUNK, DistrictLocks
from services.messages import make_event

log = structlog.get_logger()

SILENT_MS = 30_000
"""How long `roster.held` may give nothing of what it must have."""


class ExpiredError(Exception):
    """A held set is no longer on `roster.held` in full."""


class SupersededError(Exception):
    """A newer set has taken the place of an approved one before it was released."""


class HeldTopic:
    """Reads `roster.held` between two offsets, outside of any consumer group."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self._bootstrap = bootstrap
        self._topic = prefix + HELD.name

    async def between(
        self, partition: int, first: int, last: int
    ) -> AsyncGenerator[ConsumerRecord[bytes, bytes], None]:
        """Give the records from the first offset to the last.

        Raises ExpiredError where the topic no longer has all of them, KafkaTimeoutError where it gives none for long.
        """
        tp = TopicPartition(self._topic, partition)
        async with self._consumer() as consumer:
            consumer.assign([tp])
            begin, end = (await consumer.beginning_offsets([tp]))[tp], (await consumer.end_offsets([tp]))[tp]
            if first < begin or last >= end:
                raise ExpiredError
            consumer.seek(tp, first)
            position = first
            while position <= last:
                try:
                    records = (await consumer.getmany(tp, timeout_ms=SILENT_MS)).get(tp, [])
                except OffsetOutOfRangeError:
                    raise ExpiredError from None
                if not records:
                    raise KafkaTimeoutError(f"{self._topic} gave nothing from offset {position} on")
                for record in records:
                    if record.offset <= last:
                        yield record
                position = records[-1].offset + 1

    async def header(self, held: holds.HeldSet) -> ChangeSetStarted:
        """Give the header of a held set. Raises ExpiredError where the topic no longer has it."""
        async with aclosing(self.between(held.held_partition, held.first_offset, held.first_offset)) as records:
            async for record in records:
                event = decode(HELD, record.headers, record.value)
                if isinstance(event, ChangeSetStarted) and _is_of(held, event):
                    return event
        raise ExpiredError

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            client_id="rollcall-guard-release",
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=8 * 1024 * 1024,
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()


class Releases:
    """Copies what was approved from `roster.held` to `roster.approved`."""

    def __init__(
        self, transact: holds.Transactions, publisher: AsyncPublisher, held_topic: HeldTopic, locks: DistrictLocks
    ) -> None:
        self._transact = transact
        self._publisher = publisher
        self._held_topic = held_topic
        self._locks = locks

    async def release(self, held: holds.HeldSet, cause: str | None = None) -> None:
        """Release an approved set; one that a newer set has replaced meanwhile is left alone.

        Raises ExpiredError where it is no longer on `roster.held` in full. Cut off, it begins anew.
        """
        approval = Approval(
            by="reviewer" if held.decided_by is not None else "pause over",
            reviewer=held.decided_by,
            reason=held.decision_reason,
            approved_at=held.decided_at or now(),
        )
        try:
            completed = await self._copy(held, approval, cause)
            async with self._while_approved(held):
                await self._publisher.publish_raw(
                    APPROVED, list(completed.headers), held.district.encode(), completed.value
                )
                await self._tell_released(held, approval, cause)
                await self._transact(holds.released, held.change_set)
        except SupersededError:
            log.info("superseded", district=held.district, sync_id=held.sync_id, change_set=held.change_set)
        else:
            log.info(
                "released",
                by=approval.by,
                district=held.district,
                sync_id=held.sync_id,
                change_set=held.change_set,
            )

    @asynccontextmanager
    async def _while_approved(self, held: holds.HeldSet) -> AsyncIterator[None]:
        """Keep newer sets of the district waiting. Raises SupersededError where one has come already.

        Apply has one open set a district, so a header or completion of this one must not follow a newer one's header.
        """
        async with self._locks.of(held.district):
            current = await self._transact(holds.read, held.change_set)
            if current is None or (current.state, current.snapshot_id) != ("approved", held.snapshot_id):
                raise SupersededError
            yield

    async def _copy(self, held: holds.HeldSet, approval: Approval, cause: str | None) -> ConsumerRecord[bytes, bytes]:
        """Copy header and chunks, and give the completion, which is to follow once nothing speaks against it.

        Raises ExpiredError where the set is not whole, SupersededError where it is no longer approved.
        """
        assembly: Assembly | None = None
        key = held.district.encode()
        async with aclosing(
            self._held_topic.between(held.held_partition, held.first_offset, held.last_offset)
        ) as records:
            async for record in records:
                if type_of(HELD, record.headers) == CHUNK:
                    chunk = decode_chunk(record.value)
                    if assembly is not None and assembly.has(chunk) and assembly.lacks(chunk):
                        await self._publisher.publish_raw(APPROVED, list(record.headers), key, record.value)
                        assembly.take(chunk)
                    continue
                event = decode(HELD, record.headers, record.value)
                if isinstance(event, ChangeSetStarted) and assembly is None and _is_of(held, event):
                    assembly = Assembly(event)
                    await self._publish_header(held, event, approval, cause)
                elif isinstance(event, ChangeSetCompleted) and assembly is not None and assembly.has(event):
                    if assembly.shortfall(event) is not None:
                        break
                    return record
        raise ExpiredError

    async def _publish_header(
        self, held: holds.HeldSet, started: ChangeSetStarted, approval: Approval, cause: str | None
    ) -> None:
        async with self._while_approved(held):
            await self._publisher.publish(APPROVED, approved_header(started, approval, cause))

    async def _tell_released(self, held: holds.HeldSet, approval: Approval, cause: str | None) -> None:
        event = make_event(
            HELD,
            HoldReleased(district=held.district, change_set=held.change_set, approval=approval),
            source="guard",
            identity=(held.change_set, held.snapshot_id),
            correlation_id=held.sync_id,
            causation_id=cause,
        )
        await self._publisher.publish(HELD, event)


def _is_of(held: holds.HeldSet, event: ChangeSetStarted) -> bool:
    return (event.change_set, event.snapshot_id) == (held.change_set, held.snapshot_id)
