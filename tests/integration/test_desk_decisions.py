"""A decision made at the desk, and guard's answer to it."""

from collections.abc import Iterator
from typing import Any

import pytest

from schemas.cloudevents import decode
from schemas.events import (
    DecisionRefused,
    ReviewDecision,
)
from schemas.topics import DECISIONS, HELD
from services.guard.desk import read_model
from services.guard.desk.decide import decide
from services.messages import Publisher
from tests.desk_feed import NOW, Desk, header_of, held, leaving, open_desk, publisher_on
from tests.pipeline import pipeline


@pytest.fixture
def desk(database: str) -> Iterator[Desk]:
    with open_desk(database) as made:
        yield made


@pytest.fixture
def publisher(kafka: str, topic_prefix: str) -> Iterator[Publisher]:
    """A producer on the test's own topics."""
    yield from publisher_on(kafka, topic_prefix)


def test_a_decision_is_on_record_and_on_its_topic_and_guards_refusal_is_its_answer(
    desk: Desk, kafka: str, database: str, topic_prefix: str, publisher: Publisher
) -> None:
    events = held("springfield", leaving(0, 10))
    desk.deliver(HELD, *events)
    change_set = header_of(events).change_set
    about: dict[str, Any] = {"district": "springfield", "change_set": change_set, "reviewer": "ana", "reason": "asked"}
    first = decide(desk.connection, publisher, **about, decision="reject", decided_at=NOW)
    assert decide(desk.connection, publisher, **about, decision="reject", decided_at=NOW) == first
    [waiting] = read_model.decisions(desk.connection, change_set)
    assert (waiting.answer, waiting.reviewer) == ("waiting", "ana")

    with pipeline(kafka, database, topic_prefix) as running:
        sent = running.messages(DECISIONS)
    decoded = [decode(DECISIONS, message.headers, message.value) for message in sent]
    assert decoded == [ReviewDecision(**about, decision="reject", decided_at=NOW)] * 2

    refused = DecisionRefused(
        district="springfield",
        change_set=change_set,
        decision="reject",
        reviewer="ana",
        text="too late",
        refused_at=NOW,
    )
    desk.deliver(HELD, refused, cause=first)
    [answered] = read_model.decisions(desk.connection, change_set)
    assert (answered.answer, answered.answer_text) == ("refused", "too late")


def test_a_decision_without_a_reason_is_not_made(desk: Desk, publisher: Publisher) -> None:
    with pytest.raises(ValueError, match="reason"):
        decide(
            desk.connection, publisher, district="springfield", change_set="0" * 32, decision="approve",
            reviewer="ana", reason=" ", decided_at=NOW,
        )  # fmt: skip
    assert read_model.decisions(desk.connection, "0" * 32) == ()
