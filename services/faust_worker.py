"""How Rollcall runs a Faust app so that nothing is lost (docs/decisions/0002-faust.md).

Faust forms the group, fetches, and hands over messages. It never commits: its own bookkeeping of acknowledgements
loses messages when an agent raises, when they come out of order, and around rebalances. A message is committed once
its handler has said that its effect is durable, and every message before it of its partition too. No exception leaves
an agent: what cannot be read is a dead letter, what may pass is tried again, anything else ends the process, so that
a supervisor starts it anew and the message is delivered again.
"""

import asyncio
import os
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NoReturn, cast

import faust
import psycopg
import structlog
from aiokafka.errors import KafkaError as AIOKafkaError
from faust.streams import Stream
from faust.transport.consumer import Consumer
from faust.types import TP, EventT
from kafka.errors import KafkaError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from schemas.cloudevents import Headers, UnreadableMessageError, decode, header
from schemas.events import Event
from schemas.topics import DEAD_LETTERS, Topic
from services.async_publisher import AsyncPublisher
from services.dead_letters import dead_letter_headers
from services.faust_transport import Transport
from services.messages import Message, PublishError
from services.offsets import PartitionOffsets
from services.settings import Settings
from services.topic_presence import await_topic

log = structlog.get_logger()

TRANSIENT = (psycopg.OperationalError, psycopg.InterfaceError, KafkaError, AIOKafkaError, PublishError)
"""What may pass by itself: the handler is called again for the same message."""

EXIT_STATUS = 70
"""EX_SOFTWARE: the process ended itself without acknowledging what it had in hand."""

_FINISH_SECONDS = 20.0

_COMMIT_SECONDS = 0.2
"""How long the next commit waits at least after one, so that the acks of many messages go into it."""


class Delivery:
    """A message in hand. Until `ack` is called it will be delivered again, to this process or to the next one."""

    def __init__(self, message: Message, partition: "_Partition") -> None:
        self.message = message
        self._partition = partition

    def event(self) -> Event:
        """Read the message. Raises UnreadableMessageError, which a handler lets through: it becomes a dead letter."""
        return decode(self.message.topic, self.message.headers, self.message.value)

    def ack(self) -> None:
        """Say that all this message asked for has taken effect for good. Deliveries may be acked in any order."""
        self._partition.durable(self.message.offset)


Handler = Callable[[Delivery], Awaitable[None]]


class FaustWorker:
    """A Faust app with the topics it reads. Make it inside the event loop that runs it.

    `publisher` is where dead letters go. The consumer group is named after the worker.
    """

    def __init__(self, name: str, settings: Settings, bootstrap: str, publisher: AsyncPublisher) -> None:
        self.name = name
        self.app = make_app(name, settings, bootstrap)
        self._prefix = settings.topic_prefix
        self._publisher = publisher
        self._topics: list[Topic] = []
        self._partitions: dict[TP, _Partition] = {}
        self._due = asyncio.Event()
        self._idle: list[asyncio.Event] = []
        self._stopping = False
        self.app.on_partitions_revoked.connect(cast(Any, self._revoked))
        self.app.task(self._commit_when_due)

    def read(self, topic: Topic, handle: Handler) -> None:
        """Have `handle` called for each message of the topic, one at a time, in each partition's order.

        A handler may return before it acks, and ack later, from another task or with a later message. It is called
        again with the same delivery after an error that may pass, and for what was not acked after a restart or a
        rebalance, so that its effects must bear repetition.
        """
        self._topics.append(topic)
        idle = asyncio.Event()
        idle.set()
        self._idle.append(idle)

        async def agent(stream: Stream[bytes]) -> None:
            with ends_the_process(topic=topic.name):
                async for event in stream.noack().events():
                    if self._stopping:
                        continue
                    idle.clear()
                    await self._take(topic, event, handle)
                    idle.set()

        # acks=False keeps Faust from ever committing this topic; an agent needs a name of its own.
        channel = self.app.topic(
            self._prefix + topic.name, key_serializer="raw", value_serializer="raw", acks=False, internal=True
        )
        self.app.agent(channel, name=f"{self.name}.{topic.name}")(cast(Any, agent))

    async def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set: then take no more, finish the message in hand, commit and leave the group.

        Raises what crashed the app otherwise.
        """
        for topic in self._topics:
            await self._await_topic(topic, stop)
        await serve(self.app, stop, self._finish)

    async def _await_topic(self, topic: Topic, stop: threading.Event) -> None:
        """Join only once the topic is there: a group that is made without it reads nothing of it for a minute."""
        is_there = partial(self._publisher.has_topic, topic)
        await asyncio.to_thread(await_topic, self._prefix + topic.name, is_there, stop)

    async def _finish(self) -> None:
        self._stopping = True
        with suppress(TimeoutError):  # what takes longer is not acked, and comes again
            async with asyncio.timeout(_FINISH_SECONDS):
                await asyncio.gather(*(idle.wait() for idle in self._idle))
        await self._commit()

    async def _take(self, topic: Topic, event: EventT[bytes], handle: Handler) -> None:
        raw = event.message
        partition = self._partitions.setdefault(raw.tp, _Partition(self._due))
        partition.received(raw.offset)
        message = Message(topic, raw.partition, raw.offset, raw.key, raw.value, cast(Headers, raw.headers or []))
        delivery = Delivery(message, partition)
        with ends_the_process(
            topic=topic.name, partition=raw.partition, offset=raw.offset, event_id=header(message.headers, "ce_id")
        ):
            try:
                await self._try(handle, delivery)
            except TRANSIENT:
                async for attempt in transient_retries():
                    with attempt:
                        await self._try(handle, delivery)

    async def _try(self, handle: Handler, delivery: Delivery) -> None:
        try:
            await handle(delivery)
        except UnreadableMessageError as error:
            await self._bury(delivery.message, str(error))
            delivery.ack()
        except (psycopg.DataError, psycopg.IntegrityError) as error:  # its text quotes values
            await self._bury(delivery.message, f"PostgreSQL refuses it: {type(error).__name__}")
            delivery.ack()

    async def _bury(self, message: Message, reason: str) -> None:
        headers = dead_letter_headers(message, self.name, reason)
        await self._publisher.publish_raw(DEAD_LETTERS, headers, message.key, message.value)
        log.warning("dead-letter", topic=message.topic.name, offset=message.offset, reason=reason)

    async def _revoked(self, _app: object, revoked: set[TP], **_: Any) -> None:
        """Forget what was in hand of these partitions: it comes again from what is committed, here or elsewhere."""
        for tp in revoked:
            self._partitions.pop(tp, None)

    async def _commit_when_due(self) -> None:
        with ends_the_process(task="commit"):
            while not self.app.should_stop:
                await self._due.wait()
                await self._commit()
                await asyncio.sleep(_COMMIT_SECONDS)

    async def _commit(self) -> None:
        self._due.clear()
        due = {tp: offset for tp, partition in self._partitions.items() if (offset := partition.due()) is not None}
        if due and await cast(Consumer, self.app.consumer)._commit(due):  # its commit() knows only Faust's own acks
            for tp, offset in due.items():
                if tp in self._partitions:
                    self._partitions[tp].committed = offset


class _Partition:
    """What is in hand of one partition since it was assigned to us."""

    def __init__(self, due: asyncio.Event) -> None:
        self._due = due
        self._offsets = PartitionOffsets()
        self._next: int | None = None
        self.committed: int | None = None

    def received(self, offset: int) -> None:
        """Raises LookupError where Faust has left out a message: none of our topics has holes."""
        if self._next is not None and offset != self._next:
            raise LookupError(f"offset {offset} came where {self._next} was next")
        self._next = offset + 1
        self._offsets.received(str(offset), offset)

    def durable(self, offset: int) -> None:
        self._offsets.durable(str(offset), offset)
        self._due.set()

    def due(self) -> int | None:
        """Give the offset to commit, or None where nothing is new."""
        offset = self._offsets.committable()
        return None if offset == self.committed else offset


@contextmanager
def ends_the_process(**ids: object) -> Iterator[None]:
    """End the process at once where an error leaves this block, without an ack of anything that is in hand.

    The log line has the ids, the error's type and where it was raised, never its text, which may quote a record.
    A cancellation passes: it is how a worker stops.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the one place where all of them end: none may reach Faust
        _end(error, ids)


def _end(error: Exception, ids: dict[str, object]) -> NoReturn:
    log.critical("worker-ends", error=type(error).__name__, trace=traceback.format_tb(error.__traceback__), **ids)
    sys.stderr.flush()
    os._exit(EXIT_STATUS)


def make_app(name: str, settings: Settings, bootstrap: str) -> faust.App:
    """Make a Faust app that leaves topics, logs, signals and ports alone. Make it inside the loop that runs it."""
    datadir = settings.home / "faust"
    datadir.mkdir(parents=True, exist_ok=True)
    app = faust.App(
        f"{settings.topic_prefix}rollcall.{name}",
        broker=[f"kafka://{address}" for address in bootstrap.split(",")],
        broker_client_id=f"rollcall-{name}",
        broker_session_timeout=10.0,
        broker_heartbeat_interval=2.0,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=8 * 1024 * 1024,
        key_serializer="raw",
        value_serializer="raw",
        stream_buffer_maxsize=16,
        stream_wait_empty=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        store="memory://",
        datadir=str(datadir / name),
        web_enabled=False,
        autodiscover=False,
    )
    app.transport = Transport(app.conf.broker_consumer, app)
    return app


async def serve(app: faust.App, stop: threading.Event, finish: Callable[[], Awaitable[None]] | None = None) -> None:
    """Run the app until `stop` is set, then `finish`, then stop the app. Raises what crashed the app otherwise."""
    asked = asyncio.Event()
    threading.Thread(target=_tell, args=(stop, asyncio.get_running_loop(), asked), daemon=True).start()
    try:
        await app.start()
        await app.wait(cast(Any, asked))  # also returns when the app has crashed
        if app.crash_reason is None and finish is not None:
            await finish()
    finally:
        await app.stop()
    if app.crash_reason is not None:
        raise app.crash_reason


def transient_retries() -> AsyncRetrying:
    """Give the tries for what may fail in a way that passes by itself: ten, over some two minutes."""
    return AsyncRetrying(
        retry=retry_if_exception_type(TRANSIENT),
        wait=wait_exponential_jitter(initial=0.5, max=30),
        stop=stop_after_attempt(10),
        reraise=True,
    )


def _tell(stop: threading.Event, loop: asyncio.AbstractEventLoop, asked: asyncio.Event) -> None:
    stop.wait()
    if not loop.is_closed():
        loop.call_soon_threadsafe(asked.set)
