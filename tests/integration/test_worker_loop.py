"""The loop of the kafka-python workers: what is assigned is read, whatever the group has been through."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest
import structlog
from kafka import KafkaConsumer

from schemas.topics import SNAPSHOTS
from services.messages import Message, Publisher, key_text
from services.topics import create_topics
from services.worker import Worker
from tests.pipeline import until


class Recorder:
    """Remembers what the lanes of its workers were given."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, int]] = []
        self.closed_at_work = 0
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def open_lane(self, _name: str) -> "RecordingLane":
        return RecordingLane(self)

    def messages(self) -> set[tuple[int, int]]:
        return set(self.taken)


class RecordingLane:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._at_work = False

    def take(self, batch: list[Message]) -> int | None:
        self._at_work = True
        self._recorder.may_go_on.wait(20)
        self._recorder.taken += [(message.partition, message.offset) for message in batch]
        self._at_work = False
        return batch[-1].offset

    def close(self) -> None:
        self._recorder.closed_at_work += self._at_work


@contextmanager
def working(kafka: str, prefix: str, recorder: Recorder, instance: str | None = None) -> Iterator[None]:
    stop = threading.Event()
    worker = Worker(
        name="recorder",
        topic=SNAPSHOTS,
        bootstrap=kafka,
        prefix=prefix,
        open_lane=recorder.open_lane,
        lane_of=key_text,
        stop=stop,
        instance=instance,
    )
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def _send(kafka: str, prefix: str, number: int) -> None:
    with closing(Publisher(kafka, prefix, "tests")) as publisher:
        for key in range(number):
            publisher.publish_raw(SNAPSHOTS, [], f"district-{key}".encode(), b"{}")
        publisher.flush()


def _all_taken(recorder: Recorder, number: int) -> None:
    until(f"{number} messages are taken", lambda: len(recorder.messages()) >= number or None, seconds=20)


def test_a_worker_that_was_there_before_its_topic_reads_it_once_it_is_made(kafka: str, topic_prefix: str) -> None:
    recorder = Recorder()
    with structlog.testing.capture_logs() as logs, working(kafka, topic_prefix, recorder, instance="0"):
        until("the worker waits", lambda: any(line["event"] == "topic-missing" for line in logs) or None)
        create_topics(kafka, topic_prefix)
        _send(kafka, topic_prefix, 30)
        _all_taken(recorder, 30)


def test_a_worker_back_in_its_place_is_not_left_with_the_empty_assignment_that_was_made_without_the_topic(
    kafka: str, topic_prefix: str
) -> None:
    before = KafkaConsumer(
        topic_prefix + SNAPSHOTS.name,
        bootstrap_servers=kafka,
        group_id=f"{topic_prefix}rollcall.recorder",
        group_instance_id="rollcall.recorder.0",
        allow_auto_create_topics=False,
    )
    until("the group has a leader", lambda: before.poll(100) or before._coordinator.stable() or None)
    before.close()  # a static member does not leave: the group and its assignment stay
    create_topics(kafka, topic_prefix)
    _send(kafka, topic_prefix, 30)
    recorder = Recorder()
    with working(kafka, topic_prefix, recorder, instance="0"):
        _all_taken(recorder, 30)


@pytest.mark.parametrize("named", [True, False])
def test_workers_that_come_and_go_lose_no_session_no_message_and_no_lane_at_work(
    kafka: str, topic_prefix: str, named: bool
) -> None:
    create_topics(kafka, topic_prefix)
    recorder = Recorder()
    with structlog.testing.capture_logs() as logs, working(kafka, topic_prefix, recorder, "0" if named else None):
        _send(kafka, topic_prefix, 30)
        _all_taken(recorder, 30)
        recorder.may_go_on.clear()
        _send(kafka, topic_prefix, 30)
        with ExitStack() as more:
            for instance in ("1", "2"):
                more.enter_context(working(kafka, topic_prefix, recorder, instance if named else None))
            until("all have joined", lambda: _joined(logs) >= 3 or None)
            recorder.may_go_on.set()
            _all_taken(recorder, 60)
            _send(kafka, topic_prefix, 30)
            _all_taken(recorder, 90)
        _send(kafka, topic_prefix, 30)
        until("the one left takes all", lambda: len(recorder.messages()) >= 120 or None, seconds=30)
    assert [line for line in logs if line["event"] == "session-lost"] == []
    assert recorder.closed_at_work == 0


def _joined(logs: list[structlog.typing.EventDict]) -> int:
    """How many of the latest assignments make up the topic."""
    latest = [tuple(line["partitions"]) for line in logs if line["event"] == "assigned"]
    members: set[tuple[int, ...]] = set()
    for partitions in reversed(latest):
        if any(set(partitions) & set(other) for other in members):
            break
        members.add(partitions)
    return len(members)
