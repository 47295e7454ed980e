"""Pauses, in fast time: what waits, what goes through by itself when the offices reopen, and what guard survives."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, TopicPartition

from schemas.cloudevents import header
from schemas.events import ChangeSetCompleted, ChangeSetStarted, HoldAwaits, HoldReleased, Notice, ReviewDecision
from schemas.topics import APPROVED, CHANGES, DECISIONS, HELD, NOTICES, SYNC_REQUESTS
from tests.cli import Cli
from tests.guarding import (
    DISTRICTS,
    NEIGHBOUR,
    change_set,
    decide,
    distinct,
    header_of,
    night_state,
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

IN_THE_BREAK = "2026-12-21T20:00:00-06:00"
LAST_MOMENT = "2027-01-03T23:59:59-06:00"
REOPENED = "2027-01-04T00:00:00-06:00"
"""The winter break in Chicago, where these districts are."""


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    file = tmp_path / "clock"
    set_clock(file, IN_THE_BREAK)
    return file


@pytest.fixture
def guard(kafka: str, database: str, topic_prefix: str, clock: Path) -> Iterator[Pipeline]:
    settings = {"ROLLCALL_CLOCK_FILE": str(clock)}
    with pipeline(kafka, database, topic_prefix, "guard", settings=settings) as running:
        running.observe_holidays()
        for district in (DISTRICTS[0], NEIGHBOUR):
            running.add_district(district, setting_up=False)
        running.query("UPDATE rosters SET roster_version = 3 RETURNING 1")
        yield running


def set_clock(file: Path, instant: str) -> None:
    new = file.with_suffix(".new")
    new.write_text(instant, encoding="utf-8")
    new.replace(file)


def held_in_the_break(running: Pipeline, changed: int = 1) -> ChangeSetStarted:
    started = send(running, change_set(changed))
    until_state(running, started, "held")
    return started


def told(running: Pipeline) -> list[tuple[str, str]]:
    return [(event.code, event.subject_id) for event in running.events(NOTICES) if isinstance(event, Notice)]


def awaits(running: Pipeline, started: ChangeSetStarted) -> list[HoldAwaits]:
    return list(distinct(running, HELD, HoldAwaits, started.change_set).values())


def requested(running: Pipeline) -> list[tuple[str, ...]]:
    return running.query("SELECT aggregatetype, payload::json->>'reason' FROM outbox")


def released_once(running: Pipeline, started: ChangeSetStarted) -> ChangeSetStarted:
    until_state(running, started, "released")
    released = until_approved(running, started)
    assert {e.change_set for e in running.events(APPROVED) if isinstance(e, ChangeSetCompleted)} == {started.change_set}
    assert night_state(running, started) == "approved"
    return released


def test_what_only_a_pause_holds_goes_through_by_itself_at_its_end_and_not_a_second_earlier(
    guard: Pipeline, clock: Path
) -> None:
    started = held_in_the_break(guard)
    held = whole_on(guard, HELD, started)
    assert held is not None
    assert (held.held_by, [reason.code for reason in held.reasons]) == ("pause", ["paused"])
    assert night_state(guard, started) == "held"
    guard.start("guard")  # a second one: each set is released by one of them
    set_clock(clock, LAST_MOMENT)
    newer = held_in_the_break(guard, changed=2)
    until_state(guard, started, "superseded")
    assert guard.events(APPROVED) == []
    set_clock(clock, REOPENED)
    approval = released_once(guard, newer).approval
    assert approval is not None
    assert (approval.by, approval.reviewer) == ("pause over", None)
    assert approval.approved_at == datetime(2027, 1, 4, 6, tzinfo=UTC)
    assert until_event(guard, HELD, HoldReleased).approval == approval
    assert sum(isinstance(event, HoldReleased) for event in guard.events(HELD)) == 1
    assert told(guard) == []


def test_a_kill_in_the_release_at_the_end_of_a_pause_ends_with_the_whole_set_and_delays_no_other_district(
    guard: Pipeline, clock: Path
) -> None:
    started = held_in_the_break(guard)
    with stalled_at(guard, "released"):
        set_clock(clock, REOPENED)
        until_stalled(guard)
        until_approved(guard, send(guard, change_set(1, district=NEIGHBOUR)))
        guard.kill("guard")
    assert guard.query("SELECT state FROM holds") == [("approved",)]
    guard.start("guard")
    until_state(guard, started, "released")
    until_approved(guard, started)
    assert guard.query("SELECT count(*) FROM holds") == [(1,)]


def test_an_approval_in_a_pause_waits_with_the_same_set_of_the_next_night_and_counts_when_it_is_over(
    guard: Pipeline, clock: Path, tmp_path: Path
) -> None:
    events = change_set(6)
    started = send(guard, events)
    until_state(guard, started, "held")
    rollcall = Cli.of(tmp_path, guard.kafka, guard.database, guard.prefix)
    typed = ("held", "approve", started.change_set, "--reviewer", "edna", "--reason", "fine", "--wait", "--json")
    answered = rollcall(*typed)
    assert (answered.status, answered.object["outcome"]) == (3, "held")
    assert answered.object["waits_for"] == "the end of the pause after 2027-01-03"
    until_state(guard, started, "approved")
    assert night_state(guard, started) == "held"
    guard.publish(DECISIONS, next(event for event in guard.events(DECISIONS) if isinstance(event, ReviewDecision)))
    again = send(guard, of_another_snapshot(events))
    until_state(guard, again, "approved")
    assert guard.events(APPROVED) == []
    until("it is told of both nights", lambda: True if len(awaits(guard, started)) == 2 else None)
    for told_of in awaits(guard, started):
        assert (told_of.reviewer, told_of.waits_for, told_of.until) == ("edna", "end of pause", date(2027, 1, 3))
        assert "goes on when its pause is over, after 3 January 2027" in told_of.text
    set_clock(clock, REOPENED)
    approval = released_once(guard, again).approval
    assert approval is not None
    assert (approval.by, approval.reviewer, approval.reason) == ("reviewer", "edna", "fine")


def test_what_is_too_large_by_the_end_of_its_pause_stays_held_and_is_told_then_whatever_is_killed(
    guard: Pipeline, clock: Path
) -> None:
    started = held_in_the_break(guard, changed=2)
    guard.query(
        "INSERT INTO limits (district, kind, percent, set_by) VALUES (%s, 'students', 10, 'ana') RETURNING 1",
        started.district,
    )
    with stalled_at(guard, "held"):
        set_clock(clock, REOPENED)
        until_stalled(guard)
        guard.kill("guard")
    assert guard.query("SELECT held_by FROM holds") == [("pause",)]
    guard.start("guard")
    until("it is held on", lambda: guard.query("SELECT 1 FROM holds WHERE held_by = 'policy'") or None)
    assert set(told(guard)) == {("held", started.change_set)}
    assert len({header(message.headers, "ce_id") for message in guard.messages(NOTICES)}) == 1
    assert guard.query("SELECT state, paused_until, reasons->0->>'code' FROM holds") == [("held", None, "too-large")]
    assert guard.query("SELECT state, reasons->0->>'code' FROM nights") == [("held", "too-large")]
    last = [event for event in guard.events(HELD) if isinstance(event, ChangeSetStarted)][-1]
    assert (last.held_by, [reason.code for reason in last.reasons]) == ("policy", ["too-large"])
    decide(guard, started, "approve")
    approval = released_once(guard, started).approval
    assert approval is not None
    assert approval.reviewer == "edna"


@pytest.mark.parametrize("trouble", ["moved on", "expired"])
def test_what_cannot_go_through_after_its_pause_is_synced_afresh_once(
    guard: Pipeline, clock: Path, trouble: str
) -> None:
    started = held_in_the_break(guard)
    if trouble == "moved on":
        guard.query("UPDATE rosters SET roster_version = 4 RETURNING 1")
    else:
        [(partition, last)] = guard.query("SELECT held_partition, last_offset FROM holds")
        with closing(KafkaAdminClient(bootstrap_servers=guard.kafka)) as admin:
            admin.delete_records({TopicPartition(guard.prefix + HELD.name, partition): last + 1})
    set_clock(clock, REOPENED)
    until("a sync is asked for", lambda: requested(guard) or None)
    until_state(guard, started, "held")
    fresh = send(guard, change_set(1))
    until_approved(guard, fresh)
    until_state(guard, started, "superseded")
    assert requested(guard) == [(SYNC_REQUESTS.name, "pause over")]
    assert whole_on(guard, APPROVED, started) is None


def test_a_set_judged_before_a_pause_goes_the_way_it_was_judged(guard: Pipeline, clock: Path) -> None:
    set_clock(clock, "2026-12-17T23:59:59-06:00")
    events = change_set(1)
    send(guard, events[:1])
    until("its header is judged", lambda: guard.query("SELECT 1 FROM judgements") or None)
    set_clock(clock, "2026-12-18T00:00:00-06:00")
    for event in events[1:]:
        guard.publish(CHANGES, event)
    until_approved(guard, header_of(events))
