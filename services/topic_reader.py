"""Looks at a topic without being part of a consumer group: nothing is committed, nobody else notices."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError, UnknownTopicOrPartitionError
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from schemas.topics import Topic
from services.messages import Message

SILENCE_SECONDS = 30.0
"""How long a broker may give nothing of what it says it has."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message and when Kafka took it."""

    message: Message
    stored_at: datetime


class TopicReader:
    """A look at one topic. Its methods raise kafka.errors.KafkaError where the broker does not give it."""

    def __init__(self, bootstrap: str, prefix: str, topic: Topic) -> None:
        self._bootstrap = bootstrap
        self._name = prefix + topic.name
        self._topic = topic

    def everything(self) -> Iterator[StoredMessage]:
        """Give all that is on the topic now, each partition in its order."""
        with closing(self._consumer()) as consumer:
            partitions = self._partitions(consumer)
            first, after = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
            yield from self._stretches(consumer, {tp: (first[tp], after[tp]) for tp in partitions})

    def between(self, partition: int, first: int, last: int) -> Iterator[StoredMessage]:
        """Give what is left of one partition from offset `first` to `last`, both included."""
        with closing(self._consumer()) as consumer:
            tp = TopicPartition(self._name, partition)
            oldest, after = consumer.beginning_offsets([tp])[tp], consumer.end_offsets([tp])[tp]
            yield from self._stretches(consumer, {tp: (max(first, oldest), min(last + 1, after))})

    def ends(self) -> dict[int, int]:
        """Give the offset after the last message of each partition."""
        with closing(self._consumer()) as consumer:
            return {tp.partition: after for tp, after in consumer.end_offsets(self._partitions(consumer)).items()}

    def follow(self, offsets: dict[int, int] | None = None) -> Iterator[list[StoredMessage]]:
        """Give what comes from these offsets on (from the beginning where there are none), without an end.

        A list is what came together; it is empty where a second has passed without a message.
        """
        with closing(self._consumer()) as consumer:
            partitions = self._partitions(consumer)
            consumer.assign(partitions)
            starts = offsets or {tp.partition: first for tp, first in consumer.beginning_offsets(partitions).items()}
            for tp in partitions:
                consumer.seek(tp, starts[tp.partition])
            while True:
                polled = consumer.poll(timeout_ms=1000)
                yield [self._stored(record) for records in polled.values() for record in records]

    def _consumer(self) -> KafkaConsumer:
        return KafkaConsumer(
            bootstrap_servers=self._bootstrap,
            client_id="rollcall",
            bootstrap_timeout_ms=10_000,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            max_partition_fetch_bytes=8 * 1024 * 1024,
            fetch_max_wait_ms=100,
        )

    def _partitions(self, consumer: KafkaConsumer) -> list[TopicPartition]:
        # A broker that is busy may leave the topic out of its first answer.
        asked = Retrying(
            retry=retry_if_result(lambda found: not found),
            wait=wait_fixed(0.1),
            stop=stop_after_delay(2),
            retry_error_callback=lambda _: None,
        )
        numbers: set[int] | None = asked(consumer.partitions_for_topic, self._name)
        if not numbers:
            raise UnknownTopicOrPartitionError(f"there is no topic {self._name}")
        return [TopicPartition(self._name, number) for number in sorted(numbers)]

    def _stretches(
        self, consumer: KafkaConsumer, stretches: dict[TopicPartition, tuple[int, int]]
    ) -> Iterator[StoredMessage]:
        """Give each partition from its first offset up to, not including, its second."""
        open_until = {tp: after for tp, (first, after) in stretches.items() if first < after}
        consumer.assign(list(open_until))
        for tp in open_until:
            consumer.seek(tp, stretches[tp][0])
        heard = time.monotonic()
        while open_until:
            polled = consumer.poll(timeout_ms=500)
            if polled:
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENCE_SECONDS:
                raise KafkaTimeoutError(f"{self._name} gave nothing for {SILENCE_SECONDS:.0f} s")
            for tp, records in polled.items():
                yield from (self._stored(record) for record in records if record.offset < open_until.get(tp, 0))
            for tp in [tp for tp, after in open_until.items() if consumer.position(tp) >= after]:
                del open_until[tp]

    def _stored(self, record: Any) -> StoredMessage:
        return StoredMessage(
            Message(self._topic, record.partition, record.offset, record.key, record.value, record.headers),
            datetime.fromtimestamp(record.timestamp / 1000, UTC),
        )
