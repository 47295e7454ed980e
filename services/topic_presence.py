"""Whether the broker has a topic, and waiting until it does, so that no group is made without it."""

import threading
from collections.abc import Callable

import structlog
from confluent_kafka import Consumer, Producer

log = structlog.get_logger()

_AGAIN_SECONDS = 0.5
"""How long until a topic that was missing is asked for again."""


def has_topic(client: Consumer | Producer, topic: str, seconds: float) -> bool:
    """Say whether the broker has the topic. Raises KafkaException where none answers within so many seconds."""
    return bool(client.list_topics(topic, timeout=seconds).topics[topic].partitions)


def await_topic(topic: str, is_there: Callable[[], bool], stop: threading.Event) -> None:
    """Return once the topic is there, or `stop` is set; say once that it is missing. Raises what `is_there` raises."""
    told = False
    while not stop.is_set() and not is_there():
        if not told:
            log.warning("topic-missing", topic=topic)
            told = True
        stop.wait(_AGAIN_SECONDS)
