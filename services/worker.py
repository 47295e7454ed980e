"""The loop of every kafka-python worker: poll, hand to lanes, commit what is durable. Nobody else polls or commits.

A lane is one district's line through a worker (or one partition's, where order matters across keys). Lanes work side
by side, each in order, so that a district that is enormous or broken delays no other (promise 9). Slow is not dead:
while lanes work the loop goes on polling, with the partitions that are far ahead paused.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol

import psycopg
import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import CommitFailedError, KafkaError
from kafka.structs import OffsetAndMetadata
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from schemas.topics import Topic
from services.messages import Message, PublishError
from services.offsets import PartitionOffsets

log = structlog.get_logger()

TRANSIENT = (psycopg.OperationalError, psycopg.InterfaceError, KafkaError, PublishError)
"""What may pass by itself. The worker lets go of everything, waits, and starts again from what was committed."""

BACKLOG_BYTES = 32 * 1024 * 1024
"""How much may wait in one partition's lanes before the partition is paused."""


class Lane(Protocol):
    """One line through a worker. It lives as long as this worker has the partition."""

    def take(self, batch: list[Message]) -> int | None:
        """Work through messages in order; give the last offset up to which all effects are durable, or None."""

    def close(self) -> None:
        """Let go of what the lane holds; it may be called from another thread, and more than once."""


class _Line:
    """A lane with what waits for it."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.waiting: deque[Message] = deque()
        self.running: Future[int | None] | None = None


class Worker:
    """Runs lanes over a topic until told to stop.

    `open_lane` makes a lane when a key's first message comes; `lane_of` names the lane a message belongs to.
    """

    def __init__(
        self,
        *,
        name: str,
        topic: Topic,
        bootstrap: str,
        prefix: str,
        open_lane: Callable[[str], Lane],
        lane_of: Callable[[Message], str],
        stop: threading.Event,
        instance: str | None = None,
        lanes_at_once: int = 4,
    ) -> None:
        self.name = name
        self._topic = topic
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._open_lane = open_lane
        self._lane_of = lane_of
        self._instance = instance
        self._lanes_at_once = lanes_at_once
        self.stop = stop

    def run(self) -> None:
        """Work until `stop` is set. Trouble that may pass is waited out; after ten tries in a row it is raised."""

        def wait(seconds: float) -> None:
            self.stop.wait(seconds)

        def told(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            log.warning("session-lost", error=type(error).__name__, attempt=state.attempt_number)

        while not self.stop.is_set():
            for attempt in Retrying(
                retry=retry_if_exception_type(TRANSIENT),
                wait=wait_exponential_jitter(initial=0.5, max=30),
                stop=stop_after_attempt(10),
                sleep=wait,
                before_sleep=told,
                reraise=True,
            ):
                with attempt:
                    _Session(self).run()

    def _consumer(self) -> KafkaConsumer:
        return KafkaConsumer(
            bootstrap_servers=self._bootstrap,
            client_id=f"rollcall-{self.name}",
            group_id=f"{self._prefix}rollcall.{self.name}",
            group_instance_id=f"rollcall.{self.name}.{self._instance}" if self._instance else None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            metadata_max_age_ms=30_000,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
            max_partition_fetch_bytes=8 * 1024 * 1024,
            fetch_max_wait_ms=100,
            max_poll_records=500,
        )


class _Session(ConsumerRebalanceListener):  # type: ignore[misc]
    """One membership in the consumer group, from joining to leaving."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._lines: dict[tuple[int, str], _Line] = {}
        self._offsets: dict[int, PartitionOffsets] = {}
        self._committed: dict[int, int] = {}

    def run(self) -> None:
        worker = self._worker
        self._consumer = worker._consumer()
        self._pool = ThreadPoolExecutor(worker._lanes_at_once, thread_name_prefix=worker.name)
        try:
            self._consumer.subscribe([worker._prefix + worker._topic.name], listener=self)
            while not worker.stop.is_set():
                self._receive(self._consumer.poll(timeout_ms=50 if self._busy() else 500))
                self._turn()
            self._finish()
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
            for line in self._lines.values():
                line.lane.close()
            self._consumer.close(autocommit=False)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Drop the state of partitions that are no longer ours; their next owner starts from what is committed."""
        self._commit()
        for partition in {tp.partition for tp in revoked}:
            self._offsets.pop(partition, None)
            self._committed.pop(partition, None)
            for key in [key for key in self._lines if key[0] == partition]:
                self._lines.pop(key).lane.close()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Begin where the group has committed; lanes open as their messages come."""
        log.info("assigned", partitions=sorted(tp.partition for tp in assigned))

    def _receive(self, polled: dict[TopicPartition, list[Any]]) -> None:
        for tp, records in polled.items():
            offsets = self._offsets.setdefault(tp.partition, PartitionOffsets())
            for record in records:
                message = Message(
                    self._worker._topic, tp.partition, record.offset, record.key, record.value, record.headers
                )
                name = self._worker._lane_of(message)
                line = self._lines.get((tp.partition, name))
                if line is None:
                    line = self._lines[tp.partition, name] = _Line(self._worker._open_lane(name))
                line.waiting.append(message)
                offsets.received(name, record.offset)

    def _turn(self) -> None:
        """Collect what lanes have finished, give them what waits, commit, and hold back partitions far ahead."""
        for (partition, name), line in list(self._lines.items()):
            if line.running is not None and line.running.done():
                upto = line.running.result()
                line.running = None
                if upto is not None:
                    self._offsets[partition].durable(name, upto)
            if line.running is None and line.waiting:
                batch = list(line.waiting)
                line.waiting.clear()
                line.running = self._pool.submit(line.lane.take, batch)
        self._commit()
        self._hold_back()

    def _commit(self) -> None:
        due = {
            partition: offset
            for partition, offsets in self._offsets.items()
            if (offset := offsets.committable()) is not None and self._committed.get(partition) != offset
        }
        if not due:
            return
        topic = self._worker._prefix + self._worker._topic.name
        with suppress(
            CommitFailedError
        ):  # the group has moved on: the next owner redelivers, and effects are idempotent
            self._consumer.commit({TopicPartition(topic, p): OffsetAndMetadata(o, "", -1) for p, o in due.items()})
            self._committed.update(due)

    def _hold_back(self) -> None:
        backlog: dict[int, int] = {}
        for (partition, _), line in self._lines.items():
            size = sum(len(message.value or b"") for message in line.waiting)
            backlog[partition] = backlog.get(partition, 0) + size
        paused = {tp.partition: tp for tp in self._consumer.paused()}
        for tp in self._consumer.assignment():
            full = backlog.get(tp.partition, 0) > BACKLOG_BYTES
            if full and tp.partition not in paused:
                self._consumer.pause(tp)
            elif not full and tp.partition in paused:
                self._consumer.resume(tp)

    def _busy(self) -> bool:
        return any(line.running is not None or line.waiting for line in self._lines.values())

    def _finish(self) -> None:
        """Take no more, let what runs come to its end, commit."""
        for (partition, name), line in self._lines.items():
            with suppress(TimeoutError):  # given up: what it was doing is delivered again
                if line.running is not None and (upto := line.running.result(timeout=25)) is not None:
                    self._offsets[partition].durable(name, upto)
        self._commit()
