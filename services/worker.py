"""The loop of the workers that have lanes: read, hand to lanes, commit what is durable. Nobody else reads or commits.

A lane is one district's line through a worker (or one partition's, where order matters across keys). Lanes work side
by side, each in order, so that a district that is enormous or broken delays no other (promise 9). Slow is not dead:
while lanes work the loop goes on reading, with the partitions that are far ahead paused.
"""

import gc
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol, TypeAlias

import structlog
from confluent_kafka import Consumer, KafkaError, TopicPartition

from schemas.topics import Topic
from services.consumer import ANSWER_SECONDS, make_consumer, read
from services.messages import Message
from services.offsets import PartitionOffsets
from services.sessions import keep_running
from services.topic_presence import await_topic, has_topic

log = structlog.get_logger()

Partition: TypeAlias = tuple[str, int]
"""A topic, with the prefix, and the number of a partition."""

BACKLOG_BYTES = 32 * 1024 * 1024
"""How much memory may wait in one partition's lanes before the partition is paused."""

MESSAGE_BYTES = 2048
"""What a message takes in memory besides its value: a dozen headers and the objects around them."""

BATCH_MESSAGES = 2000
"""How many messages a lane is given at once, so that what it makes of them stays small, and others get their turn."""

FETCH_WAIT_SECONDS = 0.5
"""How long Kafka may wait with its answer while nothing comes: what idle workers ask for again and again costs both."""

OBJECTS_BETWEEN_COLLECTIONS = 20_000
"""How many objects are made before Python looks for cycles: thousands of messages wait, and none is part of one."""

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
        self._fetch_at_least = fetch_at_least
        self._fetch_wait_seconds = fetch_wait_seconds
        self.stop = stop

    def run(self) -> None:
        """Work until `stop` is set. Trouble that may pass is waited out as `keep_running` promises."""
        gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
        keep_running(lambda progress: _Session(self, progress).run(), self.stop)

    def _consumer(self, committed: Callable[[KafkaError | None, list[TopicPartition]], None]) -> Consumer:
        return make_consumer(
            bootstrap=self._bootstrap,
            client=f"rollcall-{self.name}",
            group=f"{self._prefix}rollcall.{self.name}",
            instance=f"rollcall.{self.name}.{self._instance}" if self._instance else None,
            fetch_at_least=self._fetch_at_least,
            fetch_wait_seconds=self._fetch_wait_seconds,
            committed=committed,
        )


class _Session:
    """One membership in the consumer group, from joining to leaving."""

    def __init__(self, worker: Worker, progress: threading.Event) -> None:
        self._worker = worker
        self._progress = progress
        self._lines: dict[tuple[Partition, str], _Line] = {}
        self._busy: dict[tuple[Partition, str], _Line] = {}  # those that run or have something waiting
        self._ours: set[Partition] = set()
        self._paused: set[Partition] = set()
        self._rebalanced = False
        self._offsets: dict[Partition, PartitionOffsets] = {}
        self._committed: dict[Partition, int] = {}
        self._committing = False
        self._committed_at = float("-inf")
        self._joins_again = worker._instance is not None

    def run(self) -> None:
        worker = self._worker
        self._consumer = worker._consumer(self._on_commit)
        self._pool = ThreadPoolExecutor(worker._lanes_at_once, thread_name_prefix=worker.name)
        try:
            for topic in worker._topics:
                self._await_topic(topic)
            self._join()
            while not worker.stop.is_set():
                self._receive(read(self._consumer, 0.05 if self._busy else 0.5))
                self._turn()
            self._finish()
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
            for line in self._lines.values():
                line.close()
            self._lines.clear()
            self._busy.clear()
            self._consumer.close()

    def _await_topic(self, topic: str) -> None:
        """Join only once the topic is there, so that the group is not made without it and anew soon after."""
        await_topic(topic, lambda: has_topic(self._consumer, topic, ANSWER_SECONDS), self._worker.stop)

    def _join(self) -> None:
        self._consumer.subscribe(
            list(self._worker._topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def _on_revoke(self, _consumer: Consumer, _revoked: list[TopicPartition]) -> None:
        """Commit once more, and drop nothing before it is known what is assigned instead."""
        self._commit()

    def _on_lost(self, _consumer: Consumer, lost: list[TopicPartition]) -> None:
        """Drop the state of partitions that others may have had since; they are read from what is committed."""
        self._drop({(tp.topic, tp.partition) for tp in lost})

    def _on_assign(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        """Drop the state of partitions that are no longer ours; their next owner starts from what is committed.

        A partition that stays ours is read on from where it was, so its lanes must stay as they are: what they hold
        would not come again.

        A static member that comes back gets the assignment it had, be it made before the topic existed. If it led the
        group it leads it still, but the broker hides that from clients of librdkafka's age (JoinGroup before v9,
        KIP-814), so that nobody would ever assign anew. Joining once more tells a leader, and disturbs nobody else.
        """
        self._ours = {(tp.topic, tp.partition) for tp in assigned}
        log.info("assigned", partitions=sorted(f"{topic}/{number}" for topic, number in self._ours))
        self._drop(self._offsets.keys() - self._ours)
        for tp in assigned:
            offsets = self._offsets.get((tp.topic, tp.partition))
            if offsets is not None and offsets.next is not None:
                tp.offset = offsets.next
        consumer.assign(assigned)
        consumer.resume(assigned)
        self._paused.clear()
        self._rebalanced = True
        if self._joins_again:
            self._joins_again = False
            self._join()

    def _drop(self, partitions: Collection[Partition]) -> None:
        self._ours -= set(partitions)
        for partition in partitions:
            self._offsets.pop(partition, None)
            self._committed.pop(partition, None)
        for key in [key for key in self._lines if key[0] in partitions]:
            self._busy.pop(key, None)
            self._lines.pop(key).close()

    def _receive(self, records: list[Any]) -> None:
        rebalanced, self._rebalanced = self._rebalanced, False
        for record in records:
            partition, offset = (record.topic(), record.partition()), record.offset()
            if partition not in self._ours:
                continue
            offsets = self._offsets.get(partition)
            if offsets is None:
                offsets = self._offsets[partition] = PartitionOffsets()
            if rebalanced and offsets.next is not None and offset < offsets.next:
                continue  # read before the rebalance, and once more after it
            topic = self._worker._topics[record.topic()]
            message = Message(topic, record.partition(), offset, record.key(), record.value(), record.headers() or ())
            name = self._worker._lane_of(message)
            line = self._lines.get((partition, name))
            if line is None:
                line = self._lines[partition, name] = _Line(self._worker._open_lane(name), self._worker._batch_messages)
            line.receive(message)
            self._busy[partition, name] = line
            offsets.received(name, offset)

    def _turn(self) -> None:
        """Collect what lanes have finished, give them what waits, commit, and hold back partitions far ahead."""
        for (partition, name), line in list(self._busy.items()):
            if line.running is not None and line.running.done():
                upto = line.running.result()
                line.running = None
                if upto is not None:
                    self._offsets[partition].durable(name, upto)
            if line.running is None and line.waiting:
                line.running = self._pool.submit(line.lane.take, line.batch())
            if line.running is None:
                del self._busy[partition, name]
        if not self._committing and time.monotonic() - self._committed_at >= COMMIT_SECONDS:
            self._commit()
        self._hold_back()

    def _commit(self) -> None:
        """Have Kafka told what is durable; `_on_commit` hears how that went."""
        due = [
            TopicPartition(*partition, offset)
            for partition, offsets in self._offsets.items()
            if (offset := offsets.committable()) is not None and self._committed.get(partition) != offset
        ]
        if due:
            self._consumer.commit(offsets=due, asynchronous=True)
            self._committing = True

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """Remember what is committed. What is not, as in a rebalance, is so later, or comes again to its next owner."""
        self._committing = False
        self._committed_at = time.monotonic()
        for tp in partitions:
            if error is None and tp.error is None:
                self._progress.set()
                if (tp.topic, tp.partition) in self._offsets:
                    self._committed[tp.topic, tp.partition] = tp.offset

    def _hold_back(self) -> None:
        backlog: dict[Partition, int] = {}
        for (partition, _), line in self._busy.items():
            backlog[partition] = backlog.get(partition, 0) + line.waiting_bytes
        most = self._worker._backlog_bytes
        full = {partition for partition in self._ours - self._paused if backlog.get(partition, 0) > most}
        room = {partition for partition in self._paused if backlog.get(partition, 0) <= most // 2}
        if full:
            self._consumer.pause([TopicPartition(*partition) for partition in full])
        if room:
            self._consumer.resume([TopicPartition(*partition) for partition in room])
        self._paused = (self._paused | full) - room

    def _finish(self) -> None:
        """Take no more, let what runs come to its end, commit."""
        for (partition, name), line in self._busy.items():
            with suppress(TimeoutError):  # given up: what it was doing is delivered again
                if line.running is not None and (upto := line.running.result(timeout=25)) is not None:
                    self._offsets[partition].durable(name, upto)
        self._commit()
