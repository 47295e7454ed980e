"""A worker's partitions that are far ahead are paused, and go on to their end."""

import threading

from schemas.topics import UPDATES
from services.messages import Message, Publisher
from services.topics import create_topics
from services.worker import Worker
from tests.pipeline import until


class _Counting:
    """A lane that takes whatever comes."""

    def __init__(self, taken: list[int]) -> None:
        self._taken = taken

    def take(self, batch: list[Message]) -> int | None:
        self._taken.extend(message.offset for message in batch)
        return batch[-1].offset

    def close(self) -> None:
        pass


def test_every_message_is_taken_of_partitions_that_were_paused_over_and_over(kafka: str, topic_prefix: str) -> None:
    create_topics(kafka, topic_prefix)
    publisher = Publisher(kafka, topic_prefix, "tests")
    for number in range(12_000):
        publisher.publish_raw(UPDATES, [], str(number).encode(), b"x" * 100)
    publisher.flush()
    publisher.close()
    stop, taken = threading.Event(), list[int]()
    worker = Worker(
        name="paused",
        topic=UPDATES,
        bootstrap=kafka,
        prefix=topic_prefix,
        open_lane=lambda _: _Counting(taken),
        lane_of=lambda message: str(message.partition),
        stop=stop,
        batch_messages=100,
        backlog_bytes=1,
    )
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        until("every message is taken", lambda: len(taken) == 12_000 or None, 60)
    finally:
        stop.set()
        thread.join(30)
