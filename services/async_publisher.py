"""Writing events to Kafka from an event loop: what `services.messages.Publisher` is for threads."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Self, TypeAlias

from confluent_kafka import KafkaError, Message

from schemas.cloudevents import CloudEvent, Headers
from schemas.topics import Topic
from services.messages import MOST_PENDING_BYTES
from services.producer import PublishError, ReportingProducer

BATCH_BYTES = 128 * 1024
"""From so much on it is worth a request of its own."""


@dataclass(frozen=True, slots=True)
class Written:
    """Where a durable message is."""

    partition: int
    offset: int


Writing: TypeAlias = asyncio.Future[Written]
"""A message under way: done once it is durable; it raises PublishError where it was given up."""


class AsyncPublisher:
    """An idempotent producer; whatever it returned from is durable (acks from all replicas).

    Several tasks may publish side by side. One task's messages of one partition stay in the order in which it sent
    them, whether or not it awaited each.
    """

    def __init__(self, bootstrap: str, prefix: str, client_id: str) -> None:
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._client_id = client_id
        self._reports: deque[tuple[Writing, str, KafkaError | None, Written]] = deque()
        self._told = False

    async def __aenter__(self) -> Self:
        """Connect. Raises PublishError where no broker answers."""
        self._loop = asyncio.get_running_loop()
        self._producer = await asyncio.to_thread(ReportingProducer, self._bootstrap, self._prefix, self._client_id)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Give up the connections."""
        await asyncio.to_thread(self._producer.close)

    def has_topic(self, topic: Topic) -> bool:
        """Say whether the broker has the topic, and wait for its answer: for a thread, not for the event loop.

        Raises PublishError where no broker answers.
        """
        return self._producer.has_topic(topic)

    async def publish(self, topic: Topic, event: CloudEvent, key: str | None = None) -> Written:
        """Make an event durable, keyed by its district unless said otherwise, and give its partition and offset.

        Raises PublishError where it is not durable.
        """
        return await self.send(topic, event, key)

    async def publish_raw(self, topic: Topic, headers: Headers, key: bytes | None, value: bytes | None) -> Written:
        """Make bytes durable as they are; give partition and offset. Raises PublishError where they are not."""
        return await self.send_raw(topic, headers, key, value)

    async def publish_together(self, topic: Topic, key: bytes, messages: Iterable[tuple[Headers, bytes]]) -> None:
        """Make messages of one key durable, in their order and in as few requests as they fit in.

        Raises PublishError where any of them is not.
        """
        writings = [self.send_raw(topic, headers, key, value) for headers, value in messages]
        for writing in writings:
            await writing

    def send(self, topic: Topic, event: CloudEvent, key: str | None = None) -> Writing:
        """Send an event as `publish` does, and go on. Raises PublishError where Kafka's client refuses it."""
        return self.send_raw(topic, event.headers(), (key or event.data.district).encode(), event.value())

    def send_raw(self, topic: Topic, headers: Headers, key: bytes | None, value: bytes | None) -> Writing:
        """Send bytes as `publish_raw` does, and go on. Raises PublishError where Kafka's client refuses them."""
        writing: Writing = self._loop.create_future()
        self._producer.send(topic, headers, key, value, partial(self._report, writing, topic.name))
        return writing

    def _report(self, writing: Writing, topic: str, error: KafkaError | None, message: Message) -> None:
        """Tell the loop, once for all that is reported at a time: each call wakes it up."""
        self._reports.append((writing, topic, error, Written(message.partition() or 0, message.offset() or 0)))
        if not self._told:
            self._told = True
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        self._told = False
        while self._reports:
            writing, topic, error, written = self._reports.popleft()
            if writing.done():  # whoever waited for it was cancelled
                continue
            if error is None:
                writing.set_result(written)
            else:
                writing.set_exception(PublishError(f"Kafka did not make a message on {topic} durable: {error}"))


class Sequence:
    """Messages sent one after the other without waiting for each; all are durable once `durable` has returned.

    Memory stays bounded: whoever sends more than Kafka takes waits.
    """

    def __init__(self, publisher: AsyncPublisher) -> None:
        self._publisher = publisher
        self._under_way: list[Writing] = []
        self._bytes = 0

    async def send_raw(self, topic: Topic, headers: Headers, key: bytes | None, value: bytes | None) -> Writing:
        """Send bytes as they are. Raises PublishError where these are refused, or some before them not durable."""
        if self._bytes > MOST_PENDING_BYTES:
            await self.durable()
        writing = self._publisher.send_raw(topic, headers, key, value)
        self._under_way.append(writing)
        self._bytes += len(value or b"")
        return writing

    async def send(self, topic: Topic, event: CloudEvent) -> Writing:
        """Send an event, keyed by its district, as `send_raw` does."""
        return await self.send_raw(topic, event.headers(), event.data.district.encode(), event.value())

    async def durable(self) -> None:
        """Wait for all that was sent. Raises PublishError where any of it is not durable, now and from then on."""
        for writing in self._under_way:
            await writing
        self._under_way.clear()
        self._bytes = 0
