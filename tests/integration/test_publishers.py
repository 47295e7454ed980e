"""What publishers promise: order, and that nobody is told that a message is durable which is not."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from kafka import KafkaConsumer, TopicPartition

from schemas.topics import APPROVED, DECISIONS, Topic
from services.async_publisher import AsyncPublisher, Sequence
from services.messages import Publisher, PublishError
from services.topics import create_topics

KEY = b"springfield"

REFUSED = random.Random(1).randbytes(DECISIONS.max_message_bytes + 1)
"""Too long for the topic, and for no client: it cannot be compressed."""


def _values(kafka: str, prefix: str, topic: Topic) -> list[bytes]:
    """Give all values on a topic, partition by partition."""
    with closing(KafkaConsumer(bootstrap_servers=kafka)) as consumer:
        partitions = [TopicPartition(prefix + topic.name, number) for number in range(topic.partitions)]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        count, found = sum(consumer.end_offsets(partitions).values()), list[bytes]()
        while len(found) < count:
            found += [record.value for records in consumer.poll(1000).values() for record in records]
    return found


def _run(kafka: str, prefix: str, work: Callable[[AsyncPublisher], Awaitable[None]]) -> None:
    async def run() -> None:
        async with AsyncPublisher(kafka, prefix, "test") as publisher:
            await work(publisher)

    create_topics(kafka, prefix)
    asyncio.run(run())


def test_messages_sent_without_waiting_are_durable_in_the_order_in_which_they_were_sent(
    kafka: str, topic_prefix: str
) -> None:
    values = [str(number).encode() for number in range(500)]

    async def work(publisher: AsyncPublisher) -> None:
        sequence = Sequence(publisher)
        writings = [await sequence.send_raw(APPROVED, [], KEY, value) for value in values]
        await sequence.durable()
        assert [writing.result().offset for writing in writings] == list(range(500))

    _run(kafka, topic_prefix, work)
    assert _values(kafka, topic_prefix, APPROVED) == values


def test_messages_published_together_are_durable_in_their_order(kafka: str, topic_prefix: str) -> None:
    values = [str(number).encode() for number in range(50)]

    async def work(publisher: AsyncPublisher) -> None:
        await publisher.publish_together(APPROVED, KEY, [([], value) for value in values])
        assert (await publisher.publish_raw(APPROVED, [], KEY, b"last")).offset == 50

    _run(kafka, topic_prefix, work)
    assert _values(kafka, topic_prefix, APPROVED) == [*values, b"last"]


def test_a_sequence_with_a_message_that_kafka_refuses_is_never_durable(kafka: str, topic_prefix: str) -> None:
    async def work(publisher: AsyncPublisher) -> None:
        sequence = Sequence(publisher)
        await sequence.send_raw(DECISIONS, [], KEY, REFUSED)
        await sequence.send_raw(DECISIONS, [], KEY, b"small")
        for _ in range(2):
            with pytest.raises(PublishError):
                await sequence.durable()

    _run(kafka, topic_prefix, work)


def test_a_flush_fails_for_the_thread_whose_message_is_not_durable_and_for_no_other(
    kafka: str, topic_prefix: str
) -> None:
    create_topics(kafka, topic_prefix)
    publisher = Publisher(kafka, topic_prefix, "test")

    def send(value: bytes) -> None:
        publisher.publish_raw(DECISIONS, [], KEY, value)
        publisher.flush()

    with closing(publisher), ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        refused = one.submit(send, REFUSED)
        other.submit(send, b"small").result()
        with pytest.raises(PublishError):
            refused.result()
        one.submit(send, b"after it").result()  # what failed once is done with
    assert sorted(_values(kafka, topic_prefix, DECISIONS)) == [b"after it", b"small"]
