"""Writing events to Kafka from an event loop: what `services.messages.Publisher` is for threads."""

from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata

from schemas.cloudevents import CloudEvent, Headers
from schemas.topics import PAGE_BYTES, Topic
from services.messages import PublishError


class AsyncPublisher:
    """An idempotent producer; whatever it returned from is durable (acks from all replicas).

    Several tasks may publish side by side. One task that awaits each message before the next keeps their order and
    never has more than one message under way, which bounds the memory.
    """

    def __init__(self, bootstrap: str, prefix: str, client_id: str) -> None:
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._client_id = client_id

    async def __aenter__(self) -> Self:
        """Connect. Raises aiokafka.errors.KafkaError where no broker answers."""
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            compression_type="zstd",
            max_batch_size=128 * 1024,
            max_request_size=2 * PAGE_BYTES,
        )
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Give up the connections."""
        await self._producer.stop()

    async def publish(self, topic: Topic, event: CloudEvent, key: str | None = None) -> RecordMetadata:
        """Make an event durable, keyed by its district unless said otherwise, and give its partition and offset.

        Raises PublishError where it is not durable.
        """
        return await self.publish_raw(topic, event.headers(), (key or event.data.district).encode(), event.value())

    async def publish_raw(
        self, topic: Topic, headers: Headers, key: bytes | None, value: bytes | None
    ) -> RecordMetadata:
        """Make bytes durable as they are; give partition and offset. Raises PublishError where they are not."""
        try:
            return await self._producer.send_and_wait(self._prefix + topic.name, value, key=key, headers=headers)
        except KafkaError as error:
            raise PublishError(f"Kafka did not make a message on {topic.name} durable: {error!r}") from error
