"""librdkafka's consumer as a worker's loop uses it: its settings, its log lines, and which of its errors pass."""

from collections.abc import Callable
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

log = structlog.get_logger()

QUEUE_BYTES = 8 * 1024 * 1024
"""How much may wait in librdkafka until the loop takes it; one answer of Kafka's, unpacked, may come on top."""

FETCH_BYTES = 1024 * 1024
"""How much Kafka may answer at once, where no message is longer: compressed, a tenth perhaps of what it becomes."""

QUEUE_MESSAGES = 2_000
"""How many messages of a partition may wait in librdkafka: once it is paused they are dropped, and fetched anew."""

METADATA_SECONDS = 30
"""How old may be what is known of the topics: so long a topic may have more partitions before they are read."""

ANSWER_SECONDS = 5
"""How long a broker may take to tell about a topic."""

BATCH = 500
"""How many messages are given at once: between two times the lanes are looked after."""

_PASSING = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,  # deleted: it is read once it is there again
    KafkaError._MAX_POLL_EXCEEDED,  # the machine slept: the next call joins again
}


class _Lines:
    """Where librdkafka's log lines go, with the interface that it asks of a logger. They name brokers and topics."""

    def log(self, level: int, _form: str, facility: str, client: str, text: str) -> None:
        log.log(level, "librdkafka", facility=facility, client=client, text=text)


def make_consumer(
    *,
    bootstrap: str,
    client: str,
    group: str,
    instance: str | None,
    fetch_at_least: int,
    fetch_wait_seconds: float,
    committed: Callable[[KafkaError | None, list[TopicPartition]], None],
) -> Consumer:
    """Make a member of a group, which joins once it is subscribed. Offsets are committed by whoever knows what is done.

    The group deals out partitions by `range`, all of them at each change, as kafka-python does where it is told
    nothing: members of both kinds can be in one group.
    """
    settings: dict[str, Any] = {
        "bootstrap.servers": bootstrap,
        "client.id": client,
        "group.id": group,
        "partition.assignment.strategy": "range",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "allow.auto.create.topics": False,
        "metadata.recovery.strategy": "none",  # else each try to reach a broker that is away is logged, twenty a second
        "check.crcs": True,
        "topic.metadata.refresh.interval.ms": METADATA_SECONDS * 1000,
        "session.timeout.ms": 10_000,
        "heartbeat.interval.ms": 2_000,
        "fetch.min.bytes": fetch_at_least,
        "fetch.wait.max.ms": round(fetch_wait_seconds * 1000),
        "fetch.max.bytes": FETCH_BYTES,
        "queued.max.messages.kbytes": QUEUE_BYTES // 1024,
        "queued.min.messages": QUEUE_MESSAGES,
        "fetch.queue.backoff.ms": 20,
        "on_commit": committed,
    }
    if instance is not None:
        settings["group.instance.id"] = instance
    return Consumer(settings, logger=_Lines())


def read(consumer: Consumer, seconds: float) -> list[Any]:
    """Give what has come: as soon as there is something, or after so many seconds nothing.

    A broker that is away gives nothing until it is back. Raises KafkaException for what keeps this member from reading
    and does not pass by itself, as when another has taken its place.
    """
    records = consumer.consume(1, seconds)
    if records:
        records += consumer.consume(BATCH - 1, 0)
    found = []
    for record in records:
        error = record.error()
        if error is None:
            found.append(record)
        elif error.fatal() or error.code() not in _PASSING:
            raise KafkaException(error)
        else:
            log.warning("not-read", error=error.name(), topic=record.topic())
    return found
