"""A reviewer's decision: written down, then published on `roster.decisions`; who follows it says so, or why not."""

from datetime import datetime
from typing import Any, Literal

import psycopg

from schemas.events import ConflictResolved, ReviewDecision
from schemas.topics import DECISIONS
from services.database.queries import Queries
from services.messages import Publisher, make_event

QUERIES = Queries("services.guard.desk", "feed.sql")


def decide(
    connection: psycopg.Connection[Any],
    publisher: Publisher,
    *,
    district: str,
    change_set: str,
    decision: Literal["approve", "reject"],
    reviewer: str,
    reason: str,
    decided_at: datetime,
) -> str:
    """Publish the decision durably and give its event id, by which `read_model.decisions` tells guard's answer.

    Whether the set can still be decided is for guard to say (promise 5). Given again with the same `decided_at`, it is
    the same decision. Raises ValueError without a reviewer or a reason, PublishError where Kafka does not take it: the
    decision is then on record as unpublished, and may be given again.
    """
    must_be_named(reviewer, reason)
    data = ReviewDecision(
        district=district,
        change_set=change_set,
        decision=decision,
        reviewer=reviewer,
        reason=reason,
        decided_at=decided_at,
    )
    identity = (change_set, decision, reviewer, decided_at.isoformat())
    return publish_decision(connection, publisher, QUERIES["decision"], data, identity)


def must_be_named(reviewer: str, reason: str) -> None:
    """Raise ValueError without a reviewer or a reason."""
    if not reviewer.strip() or not reason.strip():
        raise ValueError("a decision names its reviewer and its reason")


def publish_decision(
    connection: psycopg.Connection[Any],
    publisher: Publisher,
    record: bytes,
    decision: ReviewDecision | ConflictResolved,
    identity: tuple[str, ...],
) -> str:
    """Put a decision on record with the statement `record`, publish it durably, and give its event id.

    Raises PublishError where Kafka does not take it: it is then on record as unpublished, and may be given again.
    """
    event = make_event(DECISIONS, decision, source="desk", identity=identity)
    about = {**decision.model_dump(), "event_id": event.id}
    connection.execute(record, {**about, "published": False})
    publisher.publish(DECISIONS, event)
    publisher.flush()
    connection.execute(record, {**about, "published": True})
    return event.id
