"""librdkafka's producer as every publisher uses it: its settings, and who hears what has become of each message.

A client in Python spends a millisecond on a message that goes alone, and a small district's night is a dozen of them.
"""

import threading
from collections.abc import Callable
from typing import TypeAlias

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.cloudevents import Headers
from schemas.topics import DEAD_LETTERS, PAGE_BYTES, Topic
from services.topic_presence import has_topic

log = structlog.get_logger()

Report: TypeAlias = Callable[[KafkaError | None, Message], None]

DELIVERY_SECONDS = 120
"""How long a message is tried before it is given up."""

_ANSWER_SECONDS = 10.0
_POLL_SECONDS = 0.5


class PublishError(Exception):
    """A message could not be made durable in Kafka; nothing that depends on it may be committed."""


class _Lines:
    """Where librdkafka's log lines go, with the interface that it asks of a logger. They name brokers and topics."""

    def log(self, level: int, _form: str, facility: str, client: str, text: str) -> None:
        log.log(level, "librdkafka", facility=facility, client=client, text=text)


class ReportingProducer:
    """An idempotent producer that reports of each message, from a thread of its own, once it is durable or given up.

    Durable is what all replicas have. Messages of one partition stay in the order in which they were sent, and go in
    one request where they come close together. Keys go to the partitions that Kafka's own client chooses (murmur2).
    Raises PublishError where no broker answers.
    """

    def __init__(self, bootstrap: str, prefix: str, client_id: str) -> None:
        self._prefix = prefix
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "client.id": client_id,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "compression.type": "zstd",
                "linger.ms": 2,
                "message.max.bytes": 2 * PAGE_BYTES,
                "message.timeout.ms": DELIVERY_SECONDS * 1000,
                "allow.auto.create.topics": False,
            },
            logger=_Lines(),
        )
        try:
            self._producer.list_topics(prefix + DEAD_LETTERS.name, timeout=_ANSWER_SECONDS)
        except KafkaException as error:
            raise PublishError(f"no Kafka broker answers at {bootstrap}: {error}") from error
        self._closed = False
        self._reports = threading.Thread(target=self._report_on, name=f"{client_id}-reports", daemon=True)
        self._reports.start()

    def send(self, topic: Topic, headers: Headers, key: bytes | None, value: bytes | None, report: Report) -> None:
        """Send bytes as they are. Raises PublishError where the message is too long, or too many wait."""
        try:
            self._producer.produce(
                self._prefix + topic.name, value=value, key=key, headers=list(headers), on_delivery=report
            )
        except (KafkaException, BufferError) as error:
            raise PublishError(f"{topic.name} did not take a message: {error}") from error

    def has_topic(self, topic: Topic) -> bool:
        """Say whether the broker has the topic. Raises PublishError where no broker answers."""
        name = self._prefix + topic.name
        try:
            return has_topic(self._producer, name, _ANSWER_SECONDS)
        except KafkaException as error:
            raise PublishError(f"no Kafka broker tells about {name}: {error}") from error

    def close(self) -> None:
        """Give up the connections; of what was not reported some may be lost."""
        self._producer.flush(5.0)
        self._producer.purge()
        self._producer.flush(5.0)
        self._closed = True
        self._reports.join()

    def _report_on(self) -> None:
        while not self._closed:
            self._producer.poll(_POLL_SECONDS)
