"""The loop of the workers that have lanes: what is assigned is read, whatever the group has been through."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest
import structlog
from kafka import KafkaAdminClient, KafkaConsumer

from schemas.topics import SNAPSHOTS
from services import consumer
from services.messages import Message, Publisher, key_text
from services.topics import create_topics
from services.worker import Lane, Worker
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
def working(kafka: str, prefix: str, open_lane: Callable[[str], Lane], instance: str | None = None) -> Iterator[None]:
    stop = threading.Event()
    worker = Worker(
        name="recorder",
        topic=SNAPSHOTS,
        bootstrap=kafka,
        prefix=prefix,
        open_lane=open_lane,
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
    with structlog.testing.capture_logs() as logs, working(kafka, topic_prefix, recorder.open_lane, instance="0"):
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
    until("the group has a leader", lambda: before.poll(2000) or before._coordinator.stable() or None)
    before.close()  # a static member does not leave: the group and its assignment stay
    create_topics(kafka, topic_prefix)
    _send(kafka, topic_prefix, 30)
    recorder = Recorder()
    with working(kafka, topic_prefix, recorder.open_lane, instance="0"):
        _all_taken(recorder, 30)


@pytest.mark.parametrize("named", [True, False])
def test_workers_that_come_and_go_lose_no_session_no_message_and_no_lane_at_work(
    kafka: str, topic_prefix: str, named: bool
) -> None:
    create_topics(kafka, topic_prefix)
    recorder = Recorder()
    with (
        structlog.testing.capture_logs() as logs,
        working(kafka, topic_prefix, recorder.open_lane, "0" if named else None),
    ):
        _send(kafka, topic_prefix, 30)
        _all_taken(recorder, 30)
        recorder.may_go_on.clear()
        _send(kafka, topic_prefix, 30)
        with ExitStack() as more:
            for instance in ("1", "2"):
                more.enter_context(working(kafka, topic_prefix, recorder.open_lane, instance if named else None))
            until("all have joined", lambda: _joined(logs) >= 3 or None)
            recorder.may_go_on.set()
            _all_taken(recorder, 60)
            _send(kafka, topic_prefix, 30)
            _all_taken(recorder, 90)
        _send(kafka, topic_prefix, 30)
        until("the one left takes all", lambda: len(recorder.messages()) >= 120 or None, seconds=30)
    assert [line for line in logs if line["event"] == "session-lost"] == []
    assert recorder.closed_at_work == 0


def test_partitions_that_a_topic_gets_later_are_read_and_those_it_had_read_on(
    kafka: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "METADATA_SECONDS", 1)
    create_topics(kafka, topic_prefix)
    recorder = Recorder()
    with working(kafka, topic_prefix, recorder.open_lane):
        _send(kafka, topic_prefix, 30)
        _all_taken(recorder, 30)
        with closing(KafkaAdminClient(bootstrap_servers=kafka)) as admin:
            admin.create_partitions({topic_prefix + SNAPSHOTS.name: 2 * SNAPSHOTS.partitions})
        sent = 30

        def of_later_partitions() -> bool | None:
            nonlocal sent
            _send(kafka, topic_prefix, 30)  # whoever writes learns of them in its own time
            sent += 30
            return any(partition >= SNAPSHOTS.partitions for partition, _ in recorder.messages()) or None

        until("a later partition is read", of_later_partitions)
        _all_taken(recorder, sent)
    assert len(recorder.taken) == sent


def test_a_worker_shares_its_topic_with_one_of_an_older_release_that_reads_by_kafka_python(
    kafka: str, topic_prefix: str
) -> None:
    create_topics(kafka, topic_prefix)
    recorder, theirs = Recorder(), set[tuple[int, int]]()
    older = KafkaConsumer(
        topic_prefix + SNAPSHOTS.name,
        bootstrap_servers=kafka,
        group_id=f"{topic_prefix}rollcall.recorder",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )

    def taken(number: int) -> bool | None:
        polled = older.poll(100)
        theirs.update((record.partition, record.offset) for records in polled.values() for record in records)
        return len(theirs | recorder.messages()) >= number or None

    with closing(older):
        _send(kafka, topic_prefix, 30)
        until("the older one takes all", lambda: taken(30))
        older.commit()
        first = set(theirs)
        with working(kafka, topic_prefix, recorder.open_lane):
            until("they share", lambda: (taken(30) and len(older.assignment()) == SNAPSHOTS.partitions / 2) or None)
            _send(kafka, topic_prefix, 30)
            until("both take what comes", lambda: taken(60))
            assert theirs - first
            assert recorder.messages()
            assert not recorder.messages() & first
            older.close()
            _send(kafka, topic_prefix, 30)
            until("the one left takes all", lambda: len(theirs | recorder.messages()) >= 90 or None)


def test_a_worker_whose_place_another_takes_loses_its_session_and_nothing_is_lost(
    kafka: str, topic_prefix: str
) -> None:
    create_topics(kafka, topic_prefix)
    recorder = Recorder()
    with structlog.testing.capture_logs() as logs, working(kafka, topic_prefix, recorder.open_lane, "0"):
        _send(kafka, topic_prefix, 30)
        _all_taken(recorder, 30)
        with working(kafka, topic_prefix, recorder.open_lane, "0"):
            until("the first is told", lambda: any(line["event"] == "session-lost" for line in logs) or None)
            _send(kafka, topic_prefix, 30)
            _all_taken(recorder, 60)


def test_messages_longer_than_what_is_fetched_at_once_are_read_in_their_order(kafka: str, topic_prefix: str) -> None:
    create_topics(kafka, topic_prefix)
    recorder = Recorder()
    with closing(Publisher(kafka, topic_prefix, "tests")) as publisher:
        for _ in range(6):
            publisher.publish_raw(SNAPSHOTS, [], b"springfield", os.urandom(3 * consumer.FETCH_BYTES))
        publisher.flush()
    with working(kafka, topic_prefix, recorder.open_lane):
        _all_taken(recorder, 6)
    assert [offset for _, offset in recorder.taken] == [0, 1, 2, 3, 4, 5]


def test_a_worker_that_finds_no_broker_waits_for_one_and_ends_when_it_is_told() -> None:
    recorder = Recorder()
    with structlog.testing.capture_logs() as logs, working("127.0.0.1:1", "", recorder.open_lane):
        until("no broker answers", lambda: any(line["event"] == "session-lost" for line in logs) or None)
    assert recorder.taken == []


class SetLane:
    """A lane whose messages belong together in threes: nothing is durable before the third has come."""

    def __init__(self, whole: set[str]) -> None:
        self._whole = whole
        self._open: list[Message] = []

    def take(self, batch: list[Message]) -> int | None:
        self._open += batch
        if [message.value for message in self._open] != [b"1", b"2", b"3"]:
            return None
        self._whole.add(key_text(self._open[0]))
        return batch[-1].offset

    def close(self) -> None:
        self._open.clear()


@pytest.mark.parametrize("named", [True, False])
def test_a_rebalance_in_the_middle_of_a_set_leaves_no_lane_with_a_part_of_it(
    kafka: str, topic_prefix: str, named: bool
) -> None:
    create_topics(kafka, topic_prefix)
    whole: set[str] = set()
    districts = [f"district-{number}" for number in range(30)]
    with ExitStack() as workers, closing(Publisher(kafka, topic_prefix, "tests")) as publisher:
        for instance, value in enumerate((b"1", b"2", b"3")):
            name = str(instance) if named else None
            with structlog.testing.capture_logs() as logs:
                workers.enter_context(working(kafka, topic_prefix, lambda _name: SetLane(whole), name))
                until("all have joined", lambda logs=logs: _joined(logs) >= 1 or None)  # type: ignore[misc]
            for district in districts:
                publisher.publish_raw(SNAPSHOTS, [], district.encode(), value)
            publisher.flush()
        until("every set is seen whole", lambda: whole == set(districts) or None)


def _joined(logs: list[structlog.typing.EventDict]) -> int:
    """How many of the latest assignments make up the topic; who joins again in its place may be told the same twice."""
    latest = [tuple(line["partitions"]) for line in logs if line["event"] == "assigned"]
    members: set[tuple[int, ...]] = set()
    for partitions in reversed(latest):
        if any(set(partitions) & set(other) for other in members - {partitions}):
            break
        members.add(partitions)
    return len(members)
