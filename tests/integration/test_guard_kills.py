"""Guard is killed at each step of holding, deciding and releasing, and joined by others in the middle of them.

Taking partitions over from a guard that was killed takes the broker ten seconds. So each test lets several districts be
at different steps when the kill comes: one on its way in, one being decided, one after its pause.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from kafka import KafkaAdminClient, TopicPartition

from schemas.cloudevents import header
from schemas.events import (
    ChangeSetChunk,
    ChangeSetCompleted,
    ChangeSetStarted,
    DecisionRefused,
    Event,
    HoldAwaits,
    HoldRejected,
    HoldReleased,
    HoldSuperseded,
    Notice,
)
from schemas.topics import APPROVED, CHANGES, DEAD_LETTERS, DECISIONS, HELD, NOTICES
from services.messages import make_event
from tests.guarding import (
    DISTRICTS,
    change_set,
    decide,
    distinct,
    header_of,
    night_state,
    send,
    stalled_when,
    until_approved,
    until_guards,
    until_stalled,
    until_state,
    whole_on,
)
from tests.pipeline import Pipeline, pipeline, until

pytestmark = pytest.mark.chaos

COMING, DECIDED, PAUSED, EXPIRED = DISTRICTS[:4]


@pytest.fixture
def guard(kafka: str, database: str, topic_prefix: str) -> Iterator[Pipeline]:
    with pipeline(kafka, database, topic_prefix, "guard", settings={"ROLLCALL_TWO_REVIEWERS_ABOVE": "6"}) as running:
        for district in DISTRICTS:
            running.add_district(district, setting_up=False)
        running.query("UPDATE rosters SET roster_version = 3 RETURNING 1")
        yield running


def pause(running: Pipeline, *districts: str) -> None:
    for district in districts:
        running.query(
            "INSERT INTO closures (district, name, first_day, last_day, added_by)"
            " VALUES (%s, 'Flood', current_date - 2, current_date + 2, 'ana') RETURNING 1",
            district,
        )


def reopen(running: Pipeline) -> None:
    running.query("DELETE FROM closures RETURNING 1")


def held(running: Pipeline, district: str, changed: int) -> ChangeSetStarted:
    started = send(running, change_set(changed, district=district))
    until_state(running, started, "held")
    return started


def released_once(running: Pipeline, started: ChangeSetStarted, by: str, reviewer: str | None = None) -> None:
    until_state(running, started, "released")
    whole = until_approved(running, started)
    assert whole.approval is not None
    assert (whole.approval.by, whole.approval.reviewer) == (by, reviewer)
    [released] = distinct(running, HELD, HoldReleased, started.change_set).values()
    assert released.approval == whole.approval
    assert len(distinct(running, APPROVED, ChangeSetCompleted, started.change_set)) == 1
    assert night_state(running, started) == "approved"


def test_a_kill_while_it_judges_keeps_a_first_approval_or_lets_go_after_a_pause_is_made_good(guard: Pipeline) -> None:
    pause(guard, PAUSED)
    old, large, paused = held(guard, COMING, 6), held(guard, DECIDED, 7), held(guard, PAUSED, 1)
    with stalled_when(
        guard,
        ("judgements", f"NEW.district = '{COMING}'"),
        ("reviews", f"NEW.district = '{DECIDED}'"),
        ("holds", f"NEW.district = '{PAUSED}' AND NEW.state = 'approved'"),
    ):
        new = send(guard, change_set(5, district=COMING))
        decide(guard, large, "approve", reviewer="edna")
        reopen(guard)
        until_stalled(guard, 3)
        guard.kill("guard")
    assert guard.events(APPROVED) == []
    guard.start("guard")
    until_approved(guard, new)
    until_state(guard, old, "superseded")
    assert len(distinct(guard, HELD, HoldSuperseded, old.change_set)) == 1
    until("the first approval counts", lambda: distinct(guard, HELD, HoldAwaits, large.change_set) or None)
    assert whole_on(guard, APPROVED, large) is None
    decide(guard, large, "approve", reviewer="seymour")
    released_once(guard, large, "reviewer", "seymour")
    released_once(guard, paused, "pause over")
    assert guard.messages(DEAD_LETTERS) == []


def test_a_kill_while_it_rejects_replaces_or_gives_up_what_has_expired_is_made_good(guard: Pipeline) -> None:
    pause(guard, PAUSED, EXPIRED)
    rejected, moved_on, expired = held(guard, DECIDED, 6), held(guard, PAUSED, 1), held(guard, EXPIRED, 1)
    decide(guard, expired, "approve")
    until_state(guard, expired, "approved")
    _expire(guard, expired)
    with stalled_when(
        guard,
        ("holds", f"NEW.district = '{DECIDED}' AND NEW.state = 'rejected'"),
        ("holds", f"NEW.district = '{PAUSED}' AND NEW.paused_until IS NULL"),
        ("holds", f"NEW.district = '{EXPIRED}' AND NEW.state = 'superseded'"),
    ):
        decide(guard, rejected, "reject")
        guard.query("UPDATE rosters SET roster_version = 4 WHERE district = %s RETURNING 1", PAUSED)
        reopen(guard)
        until_stalled(guard, 3)
        guard.kill("guard")
    assert guard.query("SELECT * FROM outbox") == []
    guard.start("guard")
    until_state(guard, rejected, "rejected")
    until("it is told", lambda: distinct(guard, HELD, HoldRejected, rejected.change_set) or None)
    until_state(guard, expired, "superseded")
    until("syncs take their place", lambda: True if len(_requested(guard)) == 2 else None)
    assert _requested(guard) == [(PAUSED, "pause over"), (EXPIRED, "pause over")]
    until_state(guard, moved_on, "held")
    [refused] = distinct(guard, HELD, DecisionRefused, expired.change_set).values()
    assert (refused.reviewer, "has expired" in refused.text) == ("edna", True)
    [decision] = [header(m.headers, "ce_id") for m in guard.messages(DECISIONS) if m.key == EXPIRED.encode()]
    causes = {header(m.headers, "ce_causationid") for m in guard.messages(HELD) if _is_refusal(m)}
    assert causes == {decision}, "a review tool finds the refused decision by it"
    assert guard.events(APPROVED) == []
    assert guard.messages(DEAD_LETTERS) == []


def test_a_kill_as_soon_as_a_step_is_written_leaves_nothing_unsaid_and_says_nothing_that_is_other(
    guard: Pipeline,
) -> None:
    pause(guard, PAUSED)
    large, paused, fine = held(guard, DECIDED, 7), held(guard, PAUSED, 6), held(guard, EXPIRED, 6)
    coming = send(guard, change_set(6, district=COMING))
    for started in (large, paused, fine):
        decide(guard, started, "approve")
    until_state(guard, coming, "held")
    until_state(guard, paused, "approved")
    until_state(guard, fine, "released")
    until("the first approval is written", lambda: _reviewed(guard, large) or None)
    guard.kill("guard")
    guard.start("guard")
    told = {large.change_set: "second reviewer", paused.change_set: "end of pause"}
    until("both wait", lambda: True if len(distinct(guard, HELD, HoldAwaits, *told)) == 2 else None)
    assert {e.change_set: e.waits_for for e in distinct(guard, HELD, HoldAwaits, *told).values()} == told
    released_once(guard, fine, "reviewer", "edna")
    assert whole_on(guard, APPROVED, large) is whole_on(guard, APPROVED, paused) is None

    until("the set that came is told", lambda: True if coming.change_set in _told(guard) else None)
    assert len({header(message.headers, "ce_id") for message in guard.messages(NOTICES)}) == 4
    decide(guard, coming, "approve", reviewer="seymour")
    released_once(guard, coming, "reviewer", "seymour")
    reopen(guard)
    released_once(guard, paused, "reviewer", "edna")
    until_state(guard, large, "held")
    assert guard.messages(DEAD_LETTERS) == []


def test_guards_that_join_in_the_middle_of_holds_and_of_releases_lose_nothing_and_release_nothing_twice(
    guard: Pipeline,
) -> None:
    sets = [change_set(6, district=district) for district in DISTRICTS]
    for events in sets:
        send(guard, events[:2])
    until("their first chunks are held", lambda: True if len(guard.events(HELD)) == 2 * len(sets) else None)
    guard.start("guard")
    until_guards(guard, 2)
    for turn in zip(*(events[2:] for events in sets), strict=True):
        for event in turn:
            guard.publish(CHANGES, event)
    for events in sets:
        until_state(guard, header_of(events), "held")
    assert guard.events(APPROVED) == []
    with stalled_when(guard, ("holds", "NEW.state = 'released'")):
        for events in sets:
            decide(guard, header_of(events), "approve")
        until_stalled(guard, 2)  # each guard is in the middle of a release
        guard.start("guard")
        until_guards(guard, 3)
    for events in sets:
        released_once(guard, header_of(events), "reviewer", "edna")
    assert guard.messages(DEAD_LETTERS) == []


def test_a_hundred_thousand_changes_are_held_and_released_whole(guard: Pipeline) -> None:
    first, chunk, last = change_set(500, 900, district=COMING, chunk=500)
    started = header_of([first]).model_copy(update={"changes": 100_000, "chunks": 200})
    guard.publish(CHANGES, started)
    for number in range(1, 201):
        _publish_chunk(guard, chunk, started, number)
    guard.publisher.flush()
    guard.publish(CHANGES, last.model_copy(update={"changes": 100_000, "chunks": 200}))
    until_state(guard, started, "held")
    decide(guard, started, "approve", reviewer="edna")
    until("the first approval counts", lambda: _reviewed(guard, started) or None)
    decide(guard, started, "approve", reviewer="seymour")
    until_state(guard, started, "released")
    assert len(distinct(guard, APPROVED, ChangeSetChunk, started.change_set)) == 200


def _publish_chunk(running: Pipeline, chunk: Event, started: ChangeSetStarted, number: int) -> None:
    about = {"district": COMING, "change_set": started.change_set, "snapshot_id": started.snapshot_id, "chunk": number}
    identity = (started.change_set, number)
    event = make_event(CHANGES, chunk.model_copy(update=about), source="tests", identity=identity)
    running.publisher.publish(CHANGES, event)


def _expire(running: Pipeline, started: ChangeSetStarted) -> None:
    [(partition, last)] = running.query(
        "SELECT held_partition, last_offset FROM holds WHERE change_set = %s", started.change_set
    )
    with closing(KafkaAdminClient(bootstrap_servers=running.kafka)) as admin:
        admin.delete_records({TopicPartition(running.prefix + HELD.name, partition): last + 1})


def _requested(running: Pipeline) -> list[tuple[str, ...]]:
    return running.query("SELECT aggregateid, payload::json->>'reason' FROM outbox ORDER BY aggregateid")


def _reviewed(running: Pipeline, started: ChangeSetStarted) -> list[tuple[int]]:
    return running.query("SELECT 1 FROM reviews WHERE change_set = %s", started.change_set)


def _is_refusal(message: Any) -> bool:
    return header(message.headers, "ce_type") == "dev.rollcall.decision.refused.v1"


def _told(running: Pipeline) -> set[str]:
    return {event.subject_id for event in running.events(NOTICES) if isinstance(event, Notice)}
