"""Sessions with Kafka and PostgreSQL that are begun again when they are lost, by trouble that passes by itself."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import structlog
from confluent_kafka import KafkaException
from kafka.errors import KafkaError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from services.messages import PublishError

log = structlog.get_logger()

TRANSIENT = (psycopg.OperationalError, psycopg.InterfaceError, KafkaError, KafkaException, PublishError)
"""What may pass by itself. The worker lets go of everything, waits, and starts again from what was committed."""

PAUSE_SECONDS = 1.0


def keep_running(session: Callable[[threading.Event], None], stop: threading.Event) -> None:
    """Run one session after another until `stop` is set.

    A session sets the event that it is given once something it did is durable. After ten sessions in a row that were
    lost before that, the last one's trouble is raised; how often sessions are lost over the weeks does not matter.
    """

    def wait(seconds: float) -> None:
        stop.wait(seconds)

    while not stop.is_set():
        for attempt in Retrying(
            retry=retry_if_exception_type(TRANSIENT),
            wait=wait_exponential_jitter(multiplier=0.5, max=30),
            stop=stop_after_attempt(10),
            sleep=wait,
            reraise=True,
        ):
            with attempt:
                if stop.is_set():
                    return
                progress = threading.Event()
                try:
                    session(progress)
                except TRANSIENT as error:
                    log.warning("session-lost", error=type(error).__name__, progress=progress.is_set())
                    if not progress.is_set():
                        raise
                    wait(PAUSE_SECONDS)


@contextmanager
def working_beside(name: str, work: Callable[[], None], stop: threading.Event) -> Iterator[None]:
    """Do `work` in a thread of its own while the block runs. Whichever ends first, `stop` asks the other to end.

    Raises what the work raised, once the block has ended by itself.
    """
    with ThreadPoolExecutor(1, thread_name_prefix=name) as thread:
        working = thread.submit(work)
        working.add_done_callback(lambda _: stop.set())
        try:
            yield
        finally:
            stop.set()
        working.result()
