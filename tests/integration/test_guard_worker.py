"""Guard: lets through or holds whole change sets, follows exactly the decisions that may be followed, loses nothing."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from kafka import KafkaAdminClient, TopicPartition

from schemas.cloudevents import header
from schemas.events import (
    ChangeSetCompleted,
    ChangeSetStarted,
    DecisionRefused,
    HoldRejected,
    HoldReleased,
    HoldSuperseded,
    Notice,
)
from schemas.records import KINDS
from schemas.topics import APPROVED, CHANGES, DEAD_LETTERS, DECISIONS, HELD, NOTICES, SYNC_REQUESTS
from tests.guarding import (
    DISTRICTS,
    NEIGHBOUR,
    change_set,
    dead_letters,
    decide,
    header_of,
    night_state,
    of_another_snapshot,
    send,
    stalled_at,
    until_approved,
    until_event,
    until_night,
    until_stalled,
    until_state,
    until_whole,
    whole_on,
)
from tests.pipeline import Pipeline, pipeline, until


@pytest.fixture
def guard(kafka: str, database: str, topic_prefix: str) -> Iterator[Pipeline]:
    with pipeline(kafka, database, topic_prefix, "guard") as running:
        for district in (*DISTRICTS, NEIGHBOUR):
            running.add_district(district, setting_up=False)
        yield running


def test_exactly_the_limit_passes_unchanged_with_the_approval_of_the_policy(guard: Pipeline) -> None:
    events = change_set(5)
    started = send(guard, events)
    passed = until_approved(guard, started)
    assert passed.approval is not None
    assert passed.approval.by == "policy"
    assert passed.model_copy(update={"approval": None}) == started
    assert guard.events(APPROVED)[1:] == events[1:]
    assert guard.events(HELD) == guard.events(NOTICES) == []
    assert guard.query("SELECT state, change_set FROM nights") == [("comparing", started.change_set)]


def test_the_messages_of_a_set_keep_their_headers_and_the_new_header_names_its_cause(guard: Pipeline) -> None:
    started = send(guard, change_set(5))
    until_approved(guard, started)
    came, went = guard.messages(CHANGES), guard.messages(APPROVED)
    assert [list(m.headers) for m in went[1:]] == [list(m.headers) for m in came[1:]]
    assert header(went[0].headers, "ce_source") == "/rollcall/guard"
    assert header(went[0].headers, "ce_correlationid") == started.sync_id
    assert header(went[0].headers, "ce_causationid") == header(came[0].headers, "ce_id")


def test_a_set_without_changes_passes(guard: Pipeline) -> None:
    until_approved(guard, send(guard, change_set(0)))


def test_a_set_without_changes_of_a_district_that_is_gone_is_a_dead_letter(guard: Pipeline) -> None:
    events = [event.model_copy(update={"district": "nowhere"}) for event in change_set(0)]
    for event in events:
        guard.publish(CHANGES, event)
    [started, *_] = until("it is a dead letter", lambda: guard.messages(DEAD_LETTERS) or None)
    assert header(started.headers, "rollcall_reason") == "district nowhere is not registered"
    assert guard.messages(APPROVED) == []


def test_a_pull_that_changes_nothing_is_compared_as_its_night_says_though_diff_did_not_say_so(guard: Pipeline) -> None:
    events = change_set(0)
    started = header_of(events)
    guard.query(
        "INSERT INTO nights (sync_id, district, reason, state, requested_at)"
        " VALUES (%s, %s, 'night', 'pulling', now()) RETURNING sync_id",
        started.sync_id,
        started.district,
    )
    until_approved(guard, send(guard, events))
    assert night_state(guard, started) == "comparing"


def test_one_change_above_the_limit_is_held_in_full_with_its_reasons_and_limits_and_told_once(guard: Pipeline) -> None:
    guard.query(
        "INSERT INTO limits (district, kind, percent, set_by) VALUES (%s, 'teachers', 30, 'ana') RETURNING 1",
        DISTRICTS[0],
    )
    guard.query(
        "INSERT INTO expected_changes (district, kind, percent, first_day, last_day, reason, added_by)"
        " VALUES (%s, 'classes', 90, current_date - 2, current_date + 2, 'new term', 'ana') RETURNING 1",
        DISTRICTS[0],
    )
    started = send(guard, change_set(6))
    until_state(guard, started, "held")
    notice = until_event(guard, NOTICES, Notice)
    held = whole_on(guard, HELD, started)
    assert held is not None
    assert [reason.text for reason in held.reasons] == ["60% of students would change: 6 of 10 (limit 50%)"]
    assert held.limits == dict.fromkeys(KINDS, 50) | {"teachers": 30, "classes": 90}
    assert (notice.code, notice.subject_id) == ("held", started.change_set)
    assert night_state(guard, started) == "held"
    assert guard.query("SELECT reasons->0->>'code' FROM nights") == [("too-large",)]
    assert guard.events(APPROVED) == []
    assert len(guard.messages(NOTICES)) == 1


def test_what_a_reviewer_approves_goes_on_in_full_under_their_name(guard: Pipeline) -> None:
    started = send(guard, change_set(6))
    until_state(guard, started, "held")
    decision = decide(guard, started, "approve")
    until_state(guard, started, "released")
    released = until_approved(guard, started)
    assert released.approval is not None
    assert (released.approval.by, released.approval.reviewer) == ("reviewer", "edna")
    assert released.approval.approved_at == decision.decided_at
    assert released.reasons == ()
    assert until_event(guard, HELD, HoldReleased).approval == released.approval
    assert night_state(guard, started) == "approved"


def test_what_a_reviewer_rejects_ends_there(guard: Pipeline) -> None:
    started = send(guard, change_set(6))
    until_state(guard, started, "held")
    decide(guard, started, "reject")
    rejected = until_event(guard, HELD, HoldRejected)
    assert (rejected.change_set, rejected.reviewer, rejected.reason) == (started.change_set, "edna", "looked at it")
    assert night_state(guard, started) == "rejected"
    assert guard.events(APPROVED) == []


def test_the_same_decision_delivered_again_is_neither_refused_nor_followed_twice(guard: Pipeline) -> None:
    started = send(guard, change_set(6))
    until_state(guard, started, "held")
    decision = decide(guard, started, "approve")
    until_state(guard, started, "released")
    guard.publish(DECISIONS, decision)
    decide(guard, started, "reject", reviewer="seymour")
    refused = until_event(guard, HELD, DecisionRefused)
    assert (refused.reviewer, "approved already by edna" in refused.text) == ("seymour", True)
    assert sum(isinstance(e, DecisionRefused) for e in guard.events(HELD)) == 1
    assert sum(isinstance(e, ChangeSetCompleted) for e in guard.events(APPROVED)) == 1


def test_a_decision_about_an_unknown_set_or_another_district_is_refused_with_the_reason(guard: Pipeline) -> None:
    started = send(guard, change_set(6))
    until_state(guard, started, "held")
    decide(guard, started.model_copy(update={"change_set": "f" * 32}), "approve")
    decide(guard, started, "approve", district=DISTRICTS[1])

    def refusals() -> list[DecisionRefused] | None:
        found = [e for e in guard.events(HELD) if isinstance(e, DecisionRefused)]
        return found if len(found) == 2 else None

    for refused in until("two refusals", refusals):
        assert "was never held" in refused.text
    until_state(guard, started, "held")
    assert guard.events(APPROVED) == []


@pytest.mark.parametrize("newer", [0, 5, 7])
def test_a_newer_set_of_the_district_supersedes_the_held_one_which_can_no_longer_be_approved(
    guard: Pipeline, newer: int
) -> None:
    old = send(guard, change_set(6))
    until_state(guard, old, "held")
    new = send(guard, change_set(newer))
    superseded = until_event(guard, HELD, HoldSuperseded)
    assert (superseded.change_set, superseded.by_change_set) == (old.change_set, new.change_set)
    assert night_state(guard, old) == "superseded"
    decide(guard, old, "approve")
    assert "superseded" in until_event(guard, HELD, DecisionRefused).text
    until_whole(guard, HELD if newer == 7 else APPROVED, new)
    assert whole_on(guard, APPROVED, old) is None


def test_an_older_set_delivered_again_leaves_the_newer_hold_alone(guard: Pipeline) -> None:
    events, newer = change_set(6), change_set(7)
    old = send(guard, events)
    new = send(guard, newer)
    until_state(guard, new, "held")
    send(guard, events)
    passing = send(guard, change_set(1, district=DISTRICTS[1]))
    until_approved(guard, passing)
    until("the older set is routed again", lambda: len(guard.events(HELD)) >= 2 * len(events) + len(newer) + 1 or None)
    until_state(guard, new, "held")
    until_state(guard, old, "superseded")


def test_the_same_set_is_held_anew_after_its_rejection_and_the_old_decision_does_not_count(guard: Pipeline) -> None:
    events = change_set(6)
    started = send(guard, events)
    until_state(guard, started, "held")
    rejection = decide(guard, started, "reject")
    until_state(guard, started, "rejected")
    again = send(guard, of_another_snapshot(events))
    until_state(guard, again, "held")
    guard.publish(DECISIONS, rejection)
    decide(guard, again, "approve")
    until_state(guard, again, "released")
    until_approved(guard, again)


def test_a_set_that_lacks_a_chunk_is_neither_held_nor_let_through_and_is_reported(guard: Pipeline) -> None:
    passing, holding = change_set(5), change_set(6, district=DISTRICTS[1])
    for events in (passing, holding):
        started = send(guard, [event for event in events if getattr(event, "chunk", 0) != 2])
        until_night(guard, started, "failed")
    letters = dead_letters(guard, 2)
    for letter in letters:
        assert "1 of 3 chunks are missing, the first is 2" in str(header(letter.headers, "rollcall_reason"))
    assert guard.query("SELECT DISTINCT failure_code FROM nights") == [("incomplete-change-set",)]
    assert not [e for topic in (APPROVED, HELD) for e in guard.events(topic) if isinstance(e, ChangeSetCompleted)]
    assert guard.query("SELECT * FROM holds") == []
    until_approved(guard, send(guard, of_another_snapshot(passing)))


def test_sets_of_many_districts_interleaved_and_doubled_are_each_routed_whole(guard: Pipeline) -> None:
    sets = [change_set(5 + place % 2, district=district) for place, district in enumerate(DISTRICTS)]
    for events in sets:
        send(guard, events[:1])
    for turn in zip(*(events[1:] for events in sets), strict=True):
        for event in turn:
            guard.publish(CHANGES, event)
            guard.publish(CHANGES, event)
    for place, events in enumerate(sets):
        until_whole(guard, HELD if place % 2 else APPROVED, header_of(events))
    assert guard.messages(DEAD_LETTERS) == []


def test_a_set_of_a_district_that_is_not_registered_is_set_aside_and_delays_nobody(guard: Pipeline) -> None:
    guard.query("DELETE FROM districts WHERE district = %s RETURNING 1", DISTRICTS[2])
    for event in change_set(5, district=DISTRICTS[2]):
        guard.publish(CHANGES, event)
    until_approved(guard, send(guard, change_set(5)))
    reasons = dead_letters(guard, 2)
    assert f"district {DISTRICTS[2]} is not registered" in str(header(reasons[0].headers, "rollcall_reason"))


def test_a_first_load_passes_where_the_district_is_being_set_up_and_is_held_where_not(guard: Pipeline) -> None:
    guard.query("UPDATE districts SET setting_up = true WHERE district = %s RETURNING 1", DISTRICTS[3])
    loads = []
    for district in (DISTRICTS[3], DISTRICTS[4]):
        events = change_set(6, existing=0, district=district)
        loads.append(send(guard, [header_of(events).model_copy(update={"base_version": 0}), *events[1:]]))
    until_approved(guard, loads[0])
    until_state(guard, loads[1], "held")
    assert guard.query("SELECT reasons->0->>'code' FROM holds") == [("first-load",)]


def test_a_set_delivered_again_goes_the_way_it_was_judged_first_whatever_has_changed_since(guard: Pipeline) -> None:
    guard.query("UPDATE districts SET setting_up = true WHERE district = %s RETURNING 1", DISTRICTS[0])
    events = change_set(6, existing=0)
    events[0] = header_of(events).model_copy(update={"base_version": 0})
    until_approved(guard, send(guard, events))
    guard.query("UPDATE districts SET setting_up = false WHERE district = %s RETURNING 1", DISTRICTS[0])
    send(guard, events)
    until("the set passes again", lambda: len(guard.events(APPROVED)) == 2 * len(events) or None)
    assert guard.events(HELD) == []
    assert guard.query("SELECT verdict FROM judgements") == [("pass",)]


def test_an_approval_of_what_has_expired_is_refused_and_a_fresh_sync_takes_its_place(guard: Pipeline) -> None:
    started = send(guard, change_set(6))
    until_state(guard, started, "held")
    [(partition, last)] = guard.query("SELECT held_partition, last_offset FROM holds")
    with closing(KafkaAdminClient(bootstrap_servers=guard.kafka)) as admin:
        admin.delete_records({TopicPartition(guard.prefix + HELD.name, partition): last})
    decide(guard, started, "approve")
    assert "has expired" in until_event(guard, HELD, DecisionRefused).text
    until_state(guard, started, "superseded")
    assert guard.query("SELECT aggregatetype, aggregateid FROM outbox") == [(SYNC_REQUESTS.name, started.district)]
    assert night_state(guard, started) == "superseded"
    assert guard.events(APPROVED) == []


def test_a_kill_in_the_middle_of_a_set_brings_all_of_it_again(guard: Pipeline) -> None:
    overlapping = change_set(5, district=NEIGHBOUR)
    holding = change_set(6)
    send(guard, overlapping[:1])
    send(guard, holding[:2])
    for event in overlapping[1:]:
        guard.publish(CHANGES, event)
    until("a chunk is on roster.held", lambda: len(guard.events(HELD)) == 2 or None)
    until_approved(guard, header_of(overlapping))
    guard.kill("guard")
    for event in holding[2:]:
        guard.publish(CHANGES, event)
    guard.start("guard")
    until_state(guard, header_of(holding), "held")
    decide(guard, header_of(holding), "approve")
    until_state(guard, header_of(holding), "released")
    until_approved(guard, header_of(holding))
    until_approved(guard, header_of(overlapping))
    assert guard.messages(DEAD_LETTERS) == []


@pytest.mark.parametrize("state", ["held", "approved", "released"])
def test_a_kill_at_any_step_of_holding_and_releasing_ends_as_if_nothing_had_happened(
    guard: Pipeline, state: str
) -> None:
    events = change_set(6)
    started = header_of(events)
    with stalled_at(guard, state):
        send(guard, events)
        if state != "held":
            until_state(guard, started, "held")
            decide(guard, started, "approve")
        until_stalled(guard)
        if state != "released":
            assert guard.events(APPROVED) == []
        guard.kill("guard")
    guard.start("guard")
    if state == "held":
        until_state(guard, started, "held")
        assert guard.events(APPROVED) == []
        decide(guard, started, "approve")
    until_state(guard, started, "released")
    until_approved(guard, started)
    assert night_state(guard, started) == "approved"
    assert len({header(m.headers, "ce_id") for m in guard.messages(NOTICES)}) == 1
    assert {header(m.headers, "ce_id") for m in guard.messages(DEAD_LETTERS)} == set()


@pytest.mark.parametrize("state", ["approved", "released"])
def test_a_newer_set_that_comes_during_a_release_is_never_broken_into(guard: Pipeline, state: str) -> None:
    old = send(guard, change_set(6))
    until_state(guard, old, "held")
    with stalled_at(guard, state):
        decide(guard, old, "approve")
        until_stalled(guard)
        new = send(guard, change_set(5))
    until_approved(guard, new)
    decide(guard, new, "approve")  # when it has been refused, the release before it has come to its end
    until_event(guard, HELD, DecisionRefused)
    order = [e.change_set for e in guard.events(APPROVED) if isinstance(e, ChangeSetStarted | ChangeSetCompleted)]
    assert order[-2:] == [new.change_set, new.change_set]
    assert order[:-2] in ([], [old.change_set], [old.change_set] * 2)
    [(ended,)] = guard.query("SELECT state FROM holds")
    assert ended == ("released" if order[:-2] == [old.change_set] * 2 else "superseded")


def test_a_kill_in_the_middle_of_a_release_ends_with_the_whole_set(guard: Pipeline) -> None:
    events = change_set(600, 1000, chunk=1)
    started = send(guard, events)
    until_state(guard, started, "held")
    decide(guard, started, "approve")
    until("the release is under way", lambda: True if guard.messages(APPROVED) else None)
    guard.kill("guard")
    assert whole_on(guard, APPROVED, started) is None, "the kill came too late to show anything"
    guard.start("guard")
    until_state(guard, started, "released")
    until_approved(guard, started)
