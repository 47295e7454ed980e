"""The relay: publishes the outbox in order, and removes what is durable in Kafka (at least once, each key in order).

Rows become visible when their transaction commits. Two transactions that write events of the same key never overlap
(apply locks the district, activation takes one turn at a time), so that the order of positions is the order of a key's
events.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
import structlog

from schemas.cloudevents import CONTENT_TYPE, schema_urn
from schemas.topics import TOPICS
from services.activation.newcomers import NEWCOMERS
from services.apply.bulk_publisher import BulkPublisher, TextHeaders
from services.apply.chunks import PACKED
from services.apply.packed_rows import UNPACK
from services.database.connect import connect, listen
from services.database.queries import Queries
from services.installation import find_installation
from services.metrics import StageWork
from services.sessions import keep_running
from services.settings import Settings

log = structlog.get_logger()

QUERIES = Queries("services.apply", "relay.sql")
BATCH = 10_000
OLDEST = {"batch": BATCH, "packed": PACKED, "newcomers": NEWCOMERS}
_ONE_RELAY = 0x72656C61  # the advisory lock that the relay at work holds
_TOPICS = {topic.name: topic for topic in TOPICS}
_SCHEMAS = {(topic.name, type_): schema_urn(model.__name__) for topic in TOPICS for type_, model in topic.types.items()}


def run(settings: Settings, stop: threading.Event) -> None:
    """Publish until `stop` is set. A second relay waits until the first is gone. Raises what cannot be waited out."""
    installation = find_installation(settings)

    def session(progress: threading.Event) -> None:
        publisher = BulkPublisher(installation.kafka, settings.topic_prefix, "rollcall-relay")
        try:
            with connect(installation.database, "rollcall_relay") as connection:
                _relay(connection, publisher, stop, progress)
        finally:
            publisher.close()

    keep_running(session, stop)


def _relay(
    connection: psycopg.Connection[Any], publisher: BulkPublisher, stop: threading.Event, progress: threading.Event
) -> None:
    listen(connection, "outbox")
    while not stop.is_set() and not _alone(connection):
        stop.wait(1.0)
    while not stop.is_set():
        while _publish_next(connection, publisher) and not stop.is_set():
            progress.set()
        for _ in connection.notifies(timeout=1.0, stop_after=1):
            break


def _publish_next(connection: psycopg.Connection[Any], publisher: BulkPublisher) -> bool:
    work = StageWork("publish")
    with work.timed():
        published, size, syncs = publish_batch(connection, publisher)
    work.add(records=published, size=size)
    work.share_out(syncs)
    if published:
        log.debug("published", **work.told())
    return published > 0


def _alone(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_ONE_RELAY,)).fetchone()
    return bool(row and row[0])


class _Row(NamedTuple):
    """A row of the outbox, as `oldest` gives it."""

    position: int
    id: str
    topic: str
    key: str
    type: str
    payload: str
    source: str
    subject: str
    time: str
    correlation: str | None
    causation: str | None


def publish_batch(connection: psycopg.Connection[Any], publisher: BulkPublisher) -> tuple[int, int, Counter[str]]:
    """Publish the oldest rows, some BATCH messages, then delete them; give how many messages, their characters, and
    how many there were of each sync.

    Raises PublishError, and deletes nothing, where not all of them became durable.
    """
    rows = [_Row._make(row) for row in connection.execute(QUERIES["oldest"], OLDEST).fetchall()]
    messages, size, of_syncs = 0, 0, Counter[str]()
    for row in rows:
        published = 0
        for headers, key, payload in _messages(row):
            publisher.publish(_TOPICS[row.topic], headers, key, payload)
            published += 1
            size += len(payload)
        messages += published
        if row.correlation is not None:
            of_syncs[row.correlation] += published
    if rows:
        publisher.flush()
        connection.execute(QUERIES["published"], {"positions": [row.position for row in rows]})
    return messages, size, of_syncs


def _messages(row: _Row) -> Iterator[tuple[TextHeaders, str, str | bytes]]:
    """Give the headers, key and value of a row's message, or of the many that a packed one stands for."""
    shared: TextHeaders = [
        ("content-type", CONTENT_TYPE),
        ("ce_specversion", "1.0"),
        ("ce_source", row.source),
        ("ce_time", row.time),
    ]
    if row.correlation is not None:
        shared.append(("ce_correlationid", row.correlation))
    if row.causation is not None:
        shared.append(("ce_causationid", row.causation))

    def headers(id_: str, type_: str, subject: str) -> TextHeaders:
        schema = _SCHEMAS[row.topic, type_]
        return [*shared, ("ce_id", id_), ("ce_type", type_), ("ce_subject", subject), ("ce_dataschema", schema)]

    unpack = UNPACK.get(row.type)
    if unpack is None:
        yield headers(row.id, row.type, row.subject), row.key, row.payload
        return
    for each in unpack(row.payload):
        yield headers(each.id, each.type, each.entity), each.entity, each.payload
