"""Writing events to Kafka: what a worker publishes, and how a message's type follows from its event."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError

from schemas.cloudevents import CloudEvent, Headers, event_id
from schemas.events import Event
from schemas.topics import UPDATES, Topic
from services.clock import now
from services.producer import DELIVERY_SECONDS, PublishError, ReportingProducer

__all__ = ["Message", "PublishError", "Publisher", "key_text", "make_event"]

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


class _Sent:
    """What one thread has sent and not flushed; its reports come from the producer's own thread."""

    def __init__(self) -> None:
        self.size = 0
        self._under_way = 0
        self._error: KafkaError | None = None
        self._changed = threading.Condition()

    def add(self, size: int) -> None:
        """Count a message that is under way."""
        self.size += size
        with self._changed:
            self._under_way += 1

    def report(self, error: KafkaError | None, _: object) -> None:
        """Count one that is durable, or given up."""
        with self._changed:
            self._under_way -= 1
            self._error = self._error or error
            self._changed.notify()

    def await_all(self) -> None:
        """Wait until none is under way; raise PublishError where any was given up."""
        with self._changed:
            all_told = self._changed.wait_for(lambda: not self._under_way, DELIVERY_SECONDS + 10)
        if not all_told or self._error is not None:
            raise PublishError(f"Kafka did not make messages durable: {self._error or 'it does not answer'}")


class Publisher:
    """A producer that says, at every flush, whether all it was given is durable (acks from all replicas).

    Lanes share it, each in a thread of its own, and each answers for its own messages. Raises PublishError where no
    broker answers.
    """

    def __init__(self, bootstrap: str, prefix: str, client_id: str) -> None:
        self._producer = ReportingProducer(bootstrap, prefix, client_id)
        self._threads = threading.local()

    def publish(self, topic: Topic, event: CloudEvent, key: str | None = None) -> None:
        """Send an event, keyed by its district unless said otherwise. Durable only after `flush`."""
        self.publish_raw(topic, event.headers(), (key or event.data.district).encode(), event.value())

    def publish_raw(self, topic: Topic, headers: Headers, key: bytes | None, value: bytes | None) -> None:
        """Send bytes as they are. Durable only after `flush`. Raises PublishError where Kafka refuses.

        Whoever sends more than Kafka takes waits here, so that memory stays bounded.
        """
        if self._sent().size > MOST_PENDING_BYTES:
            self.flush()
        sent = self._sent()
        self._producer.send(topic, headers, key, value, sent.report)
        sent.add(len(value or b""))

    def flush(self) -> None:
        """Wait until everything this thread sent is durable. Raises PublishError where any of it is not."""
        sent = self._sent()
        self._threads.sent = None
        sent.await_all()

    def close(self) -> None:
        """Give up the connections; what was not flushed may be lost."""
        self._producer.close()

    def _sent(self) -> _Sent:
        sent: _Sent | None = getattr(self._threads, "sent", None)
        if sent is None:
            sent = self._threads.sent = _Sent()
        return sent
