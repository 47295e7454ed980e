"""Writing events to Kafka: what a worker publishes, and how a message's type follows from its event."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas.cloudevents import CloudEvent, Headers, event_id
from schemas.events import Event
from schemas.topics import PAGE_BYTES, UPDATES, Topic
from services.clock import now

MOST_PENDING_BYTES = 32 * 1024 * 1024

RECORD_BYTES = UPDATES.max_message_bytes // 2
"""The longest record, as canonical JSON: with what its update says beside it, it must go through `roster.updates`."""

ID_BYTES = 1000
"""The longest id, in UTF-8: PostgreSQL's index pages take a place's key, with two of them, up to 2,704 bytes."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as Kafka has it, with the topic's declared name (without the prefix)."""

    topic: Topic
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def key_text(message: Message) -> str:
    """Give a message's key as text; a key that is none is everybody's and nobody's: the empty text."""
    return (message.key or b"").decode(errors="replace")


class PublishError(Exception):
    """A message could not be made durable in Kafka; nothing that depends on it may be committed."""


def make_event(
    topic: Topic,
    data: Event,
    *,
    source: str,
    identity: tuple[object, ...],
    subject: str | None = None,
    correlation_id: str | None = None,
    causation_id: str | None = None,
) -> CloudEvent:
    """Wrap an event for its topic. `identity` is what makes it the event it is; the id is derived from it.

    Raises ValueError where the topic carries no such event, or several types of it.
    """
    types = [name for name, model in topic.types.items() if model is type(data)]
    if len(types) != 1:
        raise ValueError(f"{topic.name} has {len(types)} types for {type(data).__name__}")
    return CloudEvent(
        type=types[0],
        source=f"/rollcall/{source}",
        subject=subject or data.district,
        id=event_id(types[0], *identity),
        time=now(),
        data=data,
        correlation_id=correlation_id,
        causation_id=causation_id,
    )


class _SentByThread(threading.local):
    """What a thread has sent and not flushed: lanes share a producer and answer each for its own messages."""

    def __init__(self) -> None:
        self.futures: list[Any] = []
        self.size = 0


class Publisher:
    """A producer that says, at every flush, whether all it was given is durable (acks from all replicas)."""

    def __init__(self, bootstrap: str, prefix: str, client_id: str) -> None:
        self._prefix = prefix
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap,
            client_id=client_id,
            acks="all",
            enable_idempotence=True,
            compression_type="zstd",
            linger_ms=5,
            batch_size=128 * 1024,
            max_request_size=2 * PAGE_BYTES,
            allow_auto_create_topics=False,
        )
        self._sent = _SentByThread()

    def publish(self, topic: Topic, event: CloudEvent, key: str | None = None) -> None:
        """Send an event, keyed by its district unless said otherwise. Durable only after `flush`."""
        self.publish_raw(topic, event.headers(), (key or event.data.district).encode(), event.value())

    def publish_raw(self, topic: Topic, headers: Headers, key: bytes | None, value: bytes | None) -> None:
        """Send bytes as they are. Durable only after `flush`. Raises PublishError where Kafka refuses.

        Whoever sends more than Kafka takes waits here, so that memory stays bounded.
        """
        if self._sent.size > MOST_PENDING_BYTES:
            self.flush()
        try:
            self._sent.futures.append(
                self._producer.send(self._prefix + topic.name, value=value, key=key, headers=list(headers))
            )
        except KafkaError as error:
            raise PublishError(f"{topic.name} did not take a message: {error}") from error
        self._sent.size += len(value or b"")

    def flush(self) -> None:
        """Wait until everything this thread sent is durable. Raises PublishError where any of it is not."""
        pending, self._sent.futures, self._sent.size = self._sent.futures, [], 0
        try:
            self._producer.flush()
            for future in pending:
                future.get(timeout=0)
        except KafkaError as error:
            raise PublishError(f"Kafka did not make {len(pending)} messages durable: {error}") from error

    def close(self) -> None:
        """Give up the connections; what was not flushed may be lost."""
        self._producer.close(timeout=5)
