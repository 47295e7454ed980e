"""Guard remembers what reviewers said: rejections, first approvals, and what each of them saw."""

import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from schemas.events import ChangeSetCompleted, DecisionRefused, Event, HoldAwaits, HoldReleased, Notice
from schemas.topics import APPROVED, HELD, NOTICES
from tests.cli import Cli
from tests.guarding import (
    DISTRICTS,
    change_set,
    decide,
    header_of,
    of_another_snapshot,
    send,
    stalled_at,
    until_approved,
    until_event,
    until_stalled,
    until_state,
    whole_on,
)
from tests.pipeline import Pipeline, pipeline, until


@pytest.fixture
def guard(kafka: str, database: str, topic_prefix: str) -> Iterator[Pipeline]:
    with pipeline(kafka, database, topic_prefix, "guard", settings={"ROLLCALL_TWO_REVIEWERS_ABOVE": "6"}) as running:
        running.add_district(DISTRICTS[0], setting_up=False)
        yield running


def of_content(content: str, events: Sequence[Event]) -> list[Event]:
    """The same messages as another night writes them when the content is this one."""
    again = of_another_snapshot(events)
    change_set_id = uuid.uuid4().hex
    renamed = [event.model_copy(update={"change_set": change_set_id}) for event in again]
    return [header_of(renamed).model_copy(update={"content": content}), *renamed[1:]]


def told(running: Pipeline) -> list[str]:
    return [event.subject_id for event in running.events(NOTICES) if isinstance(event, Notice)]


def test_above_the_size_only_a_second_reviewer_releases_even_where_guard_is_killed_at_that_moment(
    guard: Pipeline, tmp_path: Path
) -> None:
    started = send(guard, change_set(7))
    until_state(guard, started, "held")
    rollcall = Cli.of(tmp_path, guard.kafka, guard.database, guard.prefix)
    answered = rollcall("held", "approve", started.change_set, "--reviewer", "edna", "--reason", "fine", "--wait")
    assert (answered.status, "waits for the approval of another reviewer" in answered.out) == (3, True)
    waits = until_event(guard, HELD, HoldAwaits)
    assert (waits.change_set, waits.reviewer, waits.waits_for) == (started.change_set, "edna", "second reviewer")
    assert "needs the approval of two reviewers: edna has approved it" in waits.text
    decide(guard, started, "approve", reviewer=" Edna")
    refused = until_event(guard, HELD, DecisionRefused)
    assert "needs the approval of two reviewers" in refused.text
    until_state(guard, started, "held")
    assert guard.events(APPROVED) == []
    with stalled_at(guard, "approved"):
        decide(guard, started, "approve", reviewer="seymour")
        until_stalled(guard)
        guard.kill("guard")
    guard.start("guard")
    until_state(guard, started, "released")
    released = until_approved(guard, started)
    assert released.approval is not None
    assert released.approval.reviewer == "seymour"
    assert sum(isinstance(event, HoldReleased) for event in guard.events(HELD)) == 1
    assert sum(isinstance(event, ChangeSetCompleted) for event in guard.events(APPROVED)) == 1
    kept = guard.query(
        "SELECT reviewer, decision, decisive, saw->'reasons'->0->>'code', saw->'counts'->'students'->>'updated',"
        " saw->>'held_at' IS NOT NULL FROM reviews ORDER BY id"
    )
    assert kept == [
        ("edna", "approve", False, "too-large", "7", True),
        ("seymour", "approve", True, "too-large", "7", True),
    ]


def test_a_rejected_content_is_held_again_quietly_until_it_changes_or_is_approved(guard: Pipeline) -> None:
    events = change_set(6)
    first = send(guard, of_content("a" * 32, events))
    until_state(guard, first, "held")
    decide(guard, first, "reject")
    until_state(guard, first, "rejected")
    again = send(guard, of_content("a" * 32, events))
    until_state(guard, again, "held")
    held = whole_on(guard, HELD, again)
    assert held is not None
    assert [reason.code for reason in held.reasons] == ["too-large", "rejected-before"]
    assert guard.query("SELECT quiet FROM holds WHERE change_set = %s", again.change_set) == [(True,)]
    other = send(guard, of_content("b" * 32, events))
    until_state(guard, other, "held")
    until("the changed content is told", lambda: True if other.change_set in told(guard) else None)
    assert told(guard) == [first.change_set, other.change_set]
    lifted = send(guard, of_content("a" * 32, events))
    until_state(guard, lifted, "held")
    decide(guard, lifted, "approve")
    until_state(guard, lifted, "released")
    loud = send(guard, of_content("a" * 32, events))
    until_state(guard, loud, "held")
    until("a lifted content is told again", lambda: True if loud.change_set in told(guard) else None)


def test_an_operator_who_wants_to_look_first_sees_one_set_and_its_rejection_outlasts_the_wish(guard: Pipeline) -> None:
    guard.query(
        "INSERT INTO look_first (district, asked_by, reason) VALUES (%s, 'ana', 'a new provider') RETURNING 1",
        DISTRICTS[0],
    )
    small = change_set(1)
    first = send(guard, of_content("a" * 32, small))
    until_state(guard, first, "held")
    held = whole_on(guard, HELD, first)
    assert held is not None
    assert (held.held_by, [reason.code for reason in held.reasons]) == ("operator", ["look-first"])
    assert guard.query("SELECT * FROM look_first") == []
    decide(guard, first, "reject")
    until_state(guard, first, "rejected")
    again = send(guard, of_content("a" * 32, small))
    until_state(guard, again, "held")
    until_approved(guard, send(guard, of_content("b" * 32, small)))
    assert told(guard) == [first.change_set]
