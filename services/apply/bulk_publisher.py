"""Writing very many messages to Kafka at the speed of librdkafka: what `services.messages.Publisher` is for a few.

A first load has a million updates, and a client in Python spends more time on each than all else does together.
"""

import logging
import time
from typing import TypeAlias

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.topics import UPDATES, Topic
from services.messages import PublishError

TextHeaders: TypeAlias = list[tuple[str, str | bytes | None]]

_DELIVERY_SECONDS = 120


class BulkPublisher:
    """An idempotent producer that says, at every flush, whether all it was given is durable (acks from all replicas).

    Keys go to the partitions that Kafka's own client and kafka-python choose for them (murmur2).
    """

    def __init__(self, bootstrap: str, prefix: str, client_id: str) -> None:
        self._prefix = prefix
        self._failed: KafkaError | None = None
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "client.id": client_id,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "compression.type": "zstd",
                "linger.ms": 5,
                "message.max.bytes": UPDATES.max_message_bytes,
                "message.timeout.ms": _DELIVERY_SECONDS * 1000,
                "allow.auto.create.topics": False,
                "delivery.report.only.error": True,
                "on_delivery": self._report,
            },
            logger=logging.getLogger("librdkafka"),
        )

    def publish(self, topic: Topic, headers: TextHeaders, key: str, value: str | bytes) -> None:
        """Send a message. Durable only after `flush`. Raises PublishError where it is too long, or too many wait."""
        try:
            self._producer.produce(self._prefix + topic.name, value=value, key=key, headers=headers)
        except (KafkaException, BufferError) as error:
            raise PublishError(f"{topic.name} did not take a message: {error}") from error

    def flush(self) -> None:
        """Wait until everything that was sent is durable. Raises PublishError where any of it is not."""
        ends = time.monotonic() + _DELIVERY_SECONDS
        while self._producer.flush(1.0) and self._failed is None:
            if time.monotonic() > ends:
                raise PublishError(f"Kafka did not make messages durable within {_DELIVERY_SECONDS} seconds")
        if self._failed is not None:
            raise PublishError(f"Kafka did not make a message durable: {self._failed.str()}")

    def close(self) -> None:
        """Give up the connections; what was not flushed is dropped, so that it cannot come after what is sent anew."""
        self._producer.purge()
        self._producer.flush(5.0)

    def _report(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failed = error
