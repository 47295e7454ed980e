"""The outbox: what is to be published is written in the transaction that makes it true, and published by the relay.

Column names are those of Debezium's outbox event router. A row is one event, but for two that stand for many, which our
relay alone can read: the updates of a whole chunk (`services.apply.chunks`), and what is told of newcomers who end
alike (`services.activation.newcomers`).
"""

from dataclasses import dataclass

from schemas.cloudevents import event_id
from schemas.events import Event
from schemas.topics import Topic

INSERT = b"""
INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, source, subject, correlationid, causationid)
VALUES (%(id)s, %(aggregatetype)s, %(aggregateid)s, %(type)s, %(payload)s, %(source)s, %(subject)s,
        %(correlationid)s, %(causationid)s)
"""


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """One event of a row that stands for many: its id, whom it is about (its key), its type, and its data as JSON."""

    id: str
    entity: str
    type: str
    payload: bytes


def outbox_row(
    topic: Topic,
    type_: str,
    data: Event,
    *,
    key: str,
    source: str,
    identity: tuple[object, ...],
    subject: str | None = None,
    correlation_id: str | None = None,
    causation_id: str | None = None,
) -> dict[str, str | None]:
    """Give the bound parameters of INSERT for one event; `identity` is what the event's id is made from."""
    return {
        "id": event_id(type_, *identity),
        "aggregatetype": topic.name,
        "aggregateid": key,
        "type": type_,
        "payload": data.model_dump_json(),
        "source": source,
        "subject": subject or data.district,
        "correlationid": correlation_id,
        "causationid": causation_id,
    }
