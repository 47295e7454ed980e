"""Faust as Rollcall runs it: nothing is lost, whatever a handler or a power cut does."""

import asyncio
import os
import signal
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
import structlog
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from schemas.cloudevents import header
from schemas.topics import DEAD_LETTERS, DECISIONS
from services.async_publisher import AsyncPublisher
from services.faust_worker import EXIT_STATUS, Delivery, FaustWorker
from services.messages import Publisher
from services.settings import Settings
from services.topics import create_topics
from tests.pipeline import until
from tests.processes import PROCESSES

HandlerFactory = Callable[[Callable[[str], None]], Callable[[Delivery], Any]]


def _number(delivery: Delivery) -> int:
    return int(delivery.message.key or b"")


def acking_late_and_out_of_order(effect: Callable[[str], None]) -> Callable[[Delivery], Any]:
    """Several messages are in hand at a time, and the later ones are often done before the earlier ones."""
    tasks: set[asyncio.Task[None]] = set()

    async def work(delivery: Delivery) -> None:
        await asyncio.sleep((_number(delivery) * 7919 % 100) / 1000)
        effect(str(_number(delivery)))
        delivery.ack()

    async def handle(delivery: Delivery) -> None:
        tasks.add(task := asyncio.create_task(work(delivery)))
        task.add_done_callback(tasks.discard)
        while len(tasks) > 8:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)

    return handle


def acking_by_tens(effect: Callable[[str], None]) -> Callable[[Delivery], Any]:
    """Ten messages of a partition take effect and are acked together, as a change set is."""
    held: dict[int, list[Delivery]] = {}

    async def handle(delivery: Delivery) -> None:
        mine = held.setdefault(delivery.message.partition, [])
        if mine and delivery.message.offset <= mine[-1].message.offset:
            mine.clear()
        mine.append(delivery)
        if len(mine) == 10:
            for each in mine:
                effect(str(_number(each)))
                each.ack()
            mine.clear()

    return handle


def raising_at_first(effect: Callable[[str], None]) -> Callable[[Delivery], Any]:
    """Every message fails once in a way that passes."""
    seen: set[int] = set()

    async def handle(delivery: Delivery) -> None:
        if _number(delivery) not in seen:
            seen.add(_number(delivery))
            raise psycopg.OperationalError("the database is away")
        effect(str(_number(delivery)))
        delivery.ack()

    return handle


def raising_what_nobody_expects(effect: Callable[[str], None]) -> Callable[[Delivery], Any]:
    """The twentieth message is one that the handler has a mistake about."""
    count = 0

    async def handle(delivery: Delivery) -> None:
        nonlocal count
        count += 1
        if count == 20:
            raise RuntimeError("secret of a child")
        effect(str(_number(delivery)))
        delivery.ack()

    return handle


def reading(effect: Callable[[str], None]) -> Callable[[Delivery], Any]:
    """Every message is read as an event."""

    async def handle(delivery: Delivery) -> None:
        effect(delivery.event().district)
        delivery.ack()

    return handle


def _work(factory: HandlerFactory, kafka: str, prefix: str, folder: Path) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = Settings(home=folder, topic_prefix=prefix)

    async def run() -> None:
        async with AsyncPublisher(kafka, prefix, "test") as publisher:
            worker = FaustWorker("test", settings, kafka, publisher)
            worker.read(DECISIONS, factory(lambda text: _note(folder, text)))
            await worker.run(stop)

    asyncio.run(run())


@contextmanager
def in_a_thread(
    handle: Callable[[Delivery], Any],
    kafka: str,
    prefix: str,
    folder: Path,
    on_rebalance_complete: Callable[..., Awaitable[None]] | None = None,
) -> Iterator[None]:
    """Run a worker in this process while the block runs, and see to it that it stops then."""
    stop = threading.Event()

    async def work() -> None:
        async with AsyncPublisher(kafka, prefix, "test") as publisher:
            worker = FaustWorker("test", Settings(home=folder, topic_prefix=prefix), kafka, publisher)
            worker.read(DECISIONS, handle)
            if on_rebalance_complete is not None:
                worker.app.on_rebalance_complete.connect(cast(Any, on_rebalance_complete))
            await worker.run(stop)

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def _note(folder: Path, text: str) -> None:
    with (folder / "effects").open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")


class Bench:
    """Messages on a topic, and processes that work on them."""

    def __init__(self, kafka: str, prefix: str, folder: Path) -> None:
        self.kafka, self.prefix, self.folder = kafka, prefix, folder
        self.running: list[Any] = []
        create_topics(kafka, prefix)
        self.publisher = Publisher(kafka, prefix, "test")

    def publish(self, count: int) -> None:
        for number in range(count):
            self.publisher.publish_raw(DECISIONS, [], str(number).encode(), b"{}")
        self.publisher.flush()

    def start(self, factory: HandlerFactory) -> Any:
        process = PROCESSES.Process(target=_work, args=(factory, self.kafka, self.prefix, self.folder), daemon=True)
        process.start()
        self.running.append(process)
        return process

    def kill(self, process: Any) -> None:
        os.kill(process.pid, signal.SIGKILL)
        process.join(10)

    def effects(self) -> Counter[str]:
        path = self.folder / "effects"
        return Counter(path.read_text(encoding="utf-8").split() if path.exists() else [])

    def committed(self) -> int:
        with closing(KafkaAdminClient(bootstrap_servers=self.kafka)) as admin:
            group = f"{self.prefix}rollcall.test"
            return sum(found.offset for found in admin.list_group_offsets(group)[group].values())

    def until_committed(self, count: int, seconds: float = 60) -> None:
        until(f"{count} messages are committed", lambda: self.committed() == count or None, seconds)

    def dead_letters(self) -> list[Any]:
        with closing(KafkaConsumer(bootstrap_servers=self.kafka, auto_offset_reset="earliest")) as consumer:
            name = self.prefix + DEAD_LETTERS.name
            consumer.assign([TopicPartition(name, number) for number in range(DEAD_LETTERS.partitions)])
            return [record for records in consumer.poll(timeout_ms=3000).values() for record in records]


@pytest.fixture
def bench(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(kafka, topic_prefix, tmp_path)
    yield made
    for process in made.running:
        process.kill()
        process.join(10)
    made.publisher.close()


def test_a_worker_that_was_there_before_its_topic_reads_it_once_it_is_made(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    taken = threading.Event()
    with structlog.testing.capture_logs() as logs:
        handle = acking_late_and_out_of_order(lambda _: taken.set())
        with in_a_thread(handle, kafka, topic_prefix, tmp_path):
            until("the worker waits", lambda: any(line["event"] == "topic-missing" for line in logs) or None)
            create_topics(kafka, topic_prefix)
            with closing(Publisher(kafka, topic_prefix, "tests")) as publisher:
                publisher.publish_raw(DECISIONS, [], b"1", b"{}")
                publisher.flush()
            until("the message is taken", lambda: taken.is_set() or None)


@pytest.mark.parametrize("factory", [acking_late_and_out_of_order, acking_by_tens])
def test_kills_and_rebalances_lose_nothing(bench: Bench, factory: HandlerFactory) -> None:
    bench.publish(800)
    survivor = bench.start(factory)
    for round_ in range(3):
        victim = bench.start(factory)
        until("there is some progress", lambda r=round_: bench.committed() > 80 * (r + 1) or None)  # type: ignore[misc]
        bench.kill(victim)
    bench.kill(survivor)
    bench.start(factory)
    expected = {str(number) for number in range(800)}
    if factory is acking_by_tens:
        until("all but the last tens took effect", lambda: len(bench.effects()) > 800 - 6 * 10 or None, 60)
        assert bench.committed() <= len(bench.effects())
    else:
        bench.until_committed(800)
        assert set(bench.effects()) == expected


def test_what_comes_while_a_rebalance_is_not_over_is_taken_where_nothing_was_committed_before(
    bench: Bench, kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    """As on a slow machine, where it takes its time: Faust still waits for what it asked for before, and gets this."""
    alone = threading.Event()
    rebalances = 0

    async def almost_over(*_: object, **__: object) -> None:
        nonlocal rebalances
        rebalances += 1
        if rebalances == 2:
            await asyncio.to_thread(bench.publish, 40)
        await asyncio.sleep(0.5)
        alone.set()

    handle = acking_late_and_out_of_order(lambda text: _note(tmp_path, text))
    with in_a_thread(handle, kafka, topic_prefix, tmp_path, almost_over):
        until("the worker is alone in its group", lambda: alone.is_set() or None)
        bench.start(acking_late_and_out_of_order)
        bench.until_committed(40)
        assert set(bench.effects()) == {str(number) for number in range(40)}


def test_an_error_that_passes_is_tried_again_and_nothing_is_lost(bench: Bench) -> None:
    bench.publish(3)
    bench.start(raising_at_first)
    bench.until_committed(3)
    assert bench.effects() == Counter(map(str, range(3)))
    assert bench.dead_letters() == []


def test_an_error_that_nobody_expects_ends_the_process_unacked_and_the_next_one_goes_on(bench: Bench) -> None:
    bench.publish(50)
    process = bench.start(raising_what_nobody_expects)
    process.join(30)
    assert process.exitcode == EXIT_STATUS
    assert bench.effects().total() == 19
    assert bench.committed() <= 19
    bench.start(acking_late_and_out_of_order)
    bench.until_committed(50)
    assert set(bench.effects()) == set(map(str, range(50)))


def test_what_cannot_be_read_is_a_dead_letter_byte_for_byte_and_the_rest_goes_on(bench: Bench) -> None:
    good = b'{"district":"springfield","change_set":"c","decision":"approve","reviewer":"r","reason":"","decided_at":0}'
    kind = ("ce_type", b"dev.rollcall.review.decision.v1")
    for value, headers in [(b"\xff\x00", [kind]), (good, []), (None, [kind]), (good, [kind])]:
        bench.publisher.publish_raw(DECISIONS, headers, b"springfield", value)
    bench.publisher.flush()
    bench.start(reading)
    bench.until_committed(4)
    assert bench.effects() == Counter(["springfield"])
    letters = bench.dead_letters()
    assert [(letter.key, letter.value) for letter in letters] == [
        (b"springfield", b"\xff\x00"),
        (b"springfield", good),
        (b"springfield", None),
    ]
    assert [header(letter.headers, "rollcall_original_offset") for letter in letters] == ["0", "1", "2"]


def test_a_stop_finishes_what_is_in_hand_and_commits_it(bench: Bench) -> None:
    bench.publish(300)
    process = bench.start(raising_at_first)
    until("there is some progress", lambda: len(bench.effects()) or None)
    process.terminate()
    process.join(30)
    assert process.exitcode == 0
    assert bench.committed() == bench.effects().total()
