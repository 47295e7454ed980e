"""The loop of every kafka-python worker: poll, hand to lanes, commit what is durable. Nobody else polls or commits.

A lane is one district's line through a worker (or one partition's, where order matters across keys). Lanes work side
by side, each in order, so that a district that is enormous or broken delays no other (promise 9). Slow is not dead:
while lanes work the loop goes on polling, with the partitions that are far ahead paused.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol

import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import CommitFailedError, RebalanceInProgressError
from kafka.structs import OffsetAndMetadata

from schemas.topics import Topic
from services.messages import Message
from services.offsets import PartitionOffsets
from services.sessions import keep_running

log = structlog.get_logger()

BACKLOG_BYTES = 32 * 1024 * 1024
"""How much memory may wait in one partition's lanes before the partition is paused."""

MESSAGE_BYTES = 2048
"""What a message takes in memory besides its value: a dozen headers and the objects around them."""

FETCH_BYTES = 8 * 1024 * 1024
"""How much is fetched of one partition at once, as Kafka has it: compressed, a tenth perhaps of what it becomes."""

BATCH_MESSAGES = 2000
"""How many messages a lane is given at once, so that what it makes of them stays small, and others get their turn."""

FETCH_WAIT_SECONDS = 0.5
"""How long Kafka may wait with its answer while nothing comes: what idle workers ask for again and again costs both."""

LANES_AT_ONCE = 4
"""How many lanes work side by side, unless said otherwise."""

COMMIT_SECONDS = 0.2
"""How long the next commit waits at least after one: each is a round trip in which nothing is polled or handed out."""


class Lane(Protocol):
    """One line through a worker. It lives as long as this worker has the partition."""

    def take(self, batch: list[Message]) -> int | None:
        """Work through messages in order; give the last offset up to which all effects are durable, or None."""

    def close(self) -> None:
        """Let go of what the lane holds; never while `take` runs, but perhaps from another thread."""


class _Line:
    """A lane with what waits for it."""

    def __init__(self, lane: Lane, batch_messages: int) -> None:
        self.lane = lane
        self.batch_messages = batch_messages
        self.waiting: deque[Message] = deque()
        self.waiting_bytes = 0
        self.running: Future[int | None] | None = None

    def receive(self, message: Message) -> None:
        self.waiting.append(message)
        self.waiting_bytes += _size(message)

    def batch(self) -> list[Message]:
        """Give the first of what waits, which then waits no more."""
        batch = [self.waiting.popleft() for _ in range(min(len(self.waiting), self.batch_messages))]
        self.waiting_bytes -= sum(map(_size, batch))
        return batch

    def close(self) -> None:
        """Close the lane: now, or once what it is doing has ended, whose result nobody wants any more."""
        self.waiting.clear()
        if self.running is None:
            self.lane.close()
        else:
            self.running.add_done_callback(lambda _: self.lane.close())


def _size(message: Message) -> int:
    return MESSAGE_BYTES + len(message.value or b"")


class Worker:
    """Runs lanes over a topic, and others beside it where there are some, until told to stop.

    `open_lane` makes a lane when a key's first message comes; `lane_of` names the lane a message belongs to. A lane is
    of one partition of one topic: between topics there is no order.
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
        further_topics: Sequence[Topic] = (),
        instance: str | None = None,
        lanes_at_once: int = LANES_AT_ONCE,
        batch_messages: int = BATCH_MESSAGES,
        backlog_bytes: int = BACKLOG_BYTES,
        fetch_bytes: int = FETCH_BYTES,
        fetch_at_least: int = 1,
        fetch_wait_seconds: float = FETCH_WAIT_SECONDS,
    ) -> None:
        self.name = name
        self._topics = {prefix + each.name: each for each in (topic, *further_topics)}
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._open_lane = open_lane
        self._lane_of = lane_of
        self._instance = instance
        self._lanes_at_once = lanes_at_once
        self._batch_messages = batch_messages
        self._backlog_bytes = backlog_bytes
        self._fetch_bytes = fetch_bytes
        self._fetch_at_least = fetch_at_least
        self._fetch_wait_seconds = fetch_wait_seconds
        self.stop = stop

    def run(self) -> None:
        """Work until `stop` is set. Trouble that may pass is waited out as `keep_running` promises."""
        keep_running(lambda progress: _Session(self, progress).run(), self.stop)

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
            max_partition_fetch_bytes=self._fetch_bytes,
            fetch_min_bytes=self._fetch_at_least,
            fetch_max_wait_ms=round(self._fetch_wait_seconds * 1000),
            max_poll_records=500,
        )


class _Session(ConsumerRebalanceListener):  # type: ignore[misc]
    """One membership in the consumer group, from joining to leaving."""

    def __init__(self, worker: Worker, progress: threading.Event) -> None:
        self._worker = worker
        self._progress = progress
        self._may_lead_unknowingly = worker._instance is not None
        self._lines: dict[tuple[TopicPartition, str], _Line] = {}
        self._busy: dict[tuple[TopicPartition, str], _Line] = {}  # those that run or have something waiting
        self._offsets: dict[TopicPartition, PartitionOffsets] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._committed_at = float("-inf")

    def run(self) -> None:
        worker = self._worker
        self._consumer = worker._consumer()
        self._pool = ThreadPoolExecutor(worker._lanes_at_once, thread_name_prefix=worker.name)
        try:
            for topic in worker._topics:
                self._await_topic(topic)
            self._consumer.subscribe(list(worker._topics), listener=self)
            while not worker.stop.is_set():
                self._take_back_what_was_put_aside()
                self._receive(self._consumer.poll(timeout_ms=50 if self._busy else 500))
                self._turn()
            self._finish()
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
            for line in self._lines.values():
                line.close()
            self._lines.clear()
            self._busy.clear()
            self._consumer.close(autocommit=False)

    def _await_topic(self, topic: str) -> None:
        """Join only once the topic is there: who leads a group without knowing its partitions assigns nothing."""
        told = False
        while not self._worker.stop.is_set() and not self._consumer.partitions_for_topic(topic):
            if not told:
                log.warning("topic-missing", topic=topic)
                told = True
            self._worker.stop.wait(0.5)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """See the join that now begins to its end; nothing is dropped before it is known what is assigned instead.

        kafka-python 3.0.12 that joins anew because a topic's partitions have changed forgets why once it has made the
        assignment: a `poll` that ends before the broker answers is the last to look, and the worker would sit outside
        its group for ever, alive and reading nothing (Java's client did so too, KAFKA-9815). A join asked for is
        remembered until it is complete. No commit can be awaited here, on the client's own thread.
        """
        self._consumer._coordinator.request_rejoin()

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        """Drop the state of partitions that others may have had since; the client reads them from what is committed."""
        self._drop(set(lost))

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Drop the state of partitions that are no longer ours; their next owner starts from what is committed.

        A partition that stays ours is read on from where it was (kafka-python keeps its position through every
        rebalance), so its lanes must stay as they are: what they hold would not come again.

        A static member that comes back gets the assignment it had, be it made before the topic existed. If it led the
        group it leads it still, but the broker hides that from clients of kafka-python's age (JoinGroup before v9,
        KIP-814), so that nobody would ever assign anew. Joining once more tells a leader, and disturbs nobody else.
        """
        ours = set(assigned)
        log.info("assigned", partitions=sorted(f"{tp.topic}/{tp.partition}" for tp in ours))
        self._drop(self._offsets.keys() - ours)
        if self._may_lead_unknowingly:
            self._may_lead_unknowingly = False
            self._consumer._coordinator.request_rejoin()

    def _drop(self, partitions: Collection[TopicPartition]) -> None:
        for tp in partitions:
            self._offsets.pop(tp, None)
            self._committed.pop(tp, None)
        for key in [key for key in self._lines if key[0] in partitions]:
            self._busy.pop(key, None)
            self._lines.pop(key).close()

    def _receive(self, polled: dict[TopicPartition, list[Any]]) -> None:
        for tp, records in polled.items():
            topic = self._worker._topics[tp.topic]
            offsets = self._offsets.setdefault(tp, PartitionOffsets())
            for record in records:
                message = Message(topic, tp.partition, record.offset, record.key, record.value, record.headers)
                name = self._worker._lane_of(message)
                line = self._lines.get((tp, name))
                if line is None:
                    line = self._lines[tp, name] = _Line(self._worker._open_lane(name), self._worker._batch_messages)
                line.receive(message)
                self._busy[tp, name] = line
                offsets.received(name, record.offset)

    def _take_back_what_was_put_aside(self) -> None:
        """Let the client give out what it held of partitions that were paused and no longer are.

        kafka-python 3.0.12 does so only while it holds nothing else, and takes what it has given out to the end for
        something that it holds (`Fetcher.fetched_records`): the partition would then wait for ever.
        """
        fetcher = self._consumer._fetcher
        if not fetcher._next_partition_records:
            fetcher._next_partition_records = None

    def _turn(self) -> None:
        """Collect what lanes have finished, give them what waits, commit, and hold back partitions far ahead."""
        for (tp, name), line in list(self._busy.items()):
            if line.running is not None and line.running.done():
                upto = line.running.result()
                line.running = None
                if upto is not None:
                    self._offsets[tp].durable(name, upto)
            if line.running is None and line.waiting:
                line.running = self._pool.submit(line.lane.take, line.batch())
            if line.running is None:
                del self._busy[tp, name]
        if time.monotonic() - self._committed_at >= COMMIT_SECONDS:
            self._commit()
        self._hold_back()

    def _commit(self) -> None:
        due = {
            tp: offset
            for tp, offsets in self._offsets.items()
            if (offset := offsets.committable()) is not None and self._committed.get(tp) != offset
        }
        if not due:
            return
        offsets = {tp: OffsetAndMetadata(offset, "", -1) for tp, offset in due.items()}
        # The group is moving on: what stays ours is committed later, the rest comes again to its next owner.
        with suppress(CommitFailedError, RebalanceInProgressError):
            self._consumer.commit(offsets)
            self._committed.update(due)
            self._committed_at = time.monotonic()
            self._progress.set()

    def _hold_back(self) -> None:
        backlog: dict[TopicPartition, int] = {}
        for (tp, _), line in self._busy.items():
            backlog[tp] = backlog.get(tp, 0) + line.waiting_bytes
        paused = self._consumer.paused()
        for tp in self._consumer.assignment():
            full = backlog.get(tp, 0) > self._worker._backlog_bytes
            if full and tp not in paused:
                self._consumer.pause(tp)
            elif not full and tp in paused:
                self._consumer.resume(tp)

    def _finish(self) -> None:
        """Take no more, let what runs come to its end, commit."""
        for (tp, name), line in self._busy.items():
            with suppress(TimeoutError):  # given up: what it was doing is delivered again
                if line.running is not None and (upto := line.running.result(timeout=25)) is not None:
                    self._offsets[tp].durable(name, upto)
        self._commit()
