"""When a set is whole, what ends a hold, and what an approval of it waits for."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from schemas.events import (
    Approval,
    BeforeAndAfter,
    Event,
    HoldAwaits,
    HoldReleased,
    HoldSuperseded,
    ReviewDecision,
    RosterSynced,
    SyncRequested,
)
from schemas.topics import DECISIONS, HELD, SYNC_REQUESTS, UPDATES
from services.guard.desk import read_model
from services.guard.desk.answers import Awaiting, NowAndThen
from tests.change_sets import created
from tests.desk_feed import NOW, Desk, all_pages, header_of, held, leaving, open_desk, student


@pytest.fixture
def desk(database: str) -> Iterator[Desk]:
    with open_desk(database) as made:
        yield made


def test_a_set_whose_chunk_is_missing_is_not_shown_as_whole_until_the_chunk_comes(desk: Desk) -> None:
    events = held("springfield", leaving(0, 120))
    change_set = header_of(events).change_set
    desk.deliver(HELD, events[0], events[1], events[3], events[4])
    arriving = read_model.held_set(desk.connection, change_set)
    assert arriving is not None
    assert (arriving.state, arriving.loaded) == ("arriving", 70)
    assert read_model.changes(desk.connection, change_set).total == 0
    assert read_model.board(desk.connection).states["held"] == 0
    desk.deliver(HELD, *events)
    whole = read_model.held_set(desk.connection, change_set)
    assert whole is not None
    assert (whole.state, whole.loaded) == ("held", 120)
    assert len(set(all_pages(desk, change_set))) == 120


def test_a_newer_night_supersedes_the_held_set_and_the_desk_says_what_differs(desk: Desk) -> None:
    first = held("springfield", leaving(0, 60))
    second = held("springfield", [*leaving(0, 58), created(student(900)), created(student(901))])
    desk.deliver(HELD, *first)
    old, new = header_of(first).change_set, header_of(second).change_set
    superseded = HoldSuperseded(district="springfield", change_set=old, by_change_set=new, superseded_at=NOW)
    desk.deliver(HELD, superseded, sync_id=header_of(second).sync_id)
    desk.deliver(HELD, *second)
    before, after = (read_model.held_set(desk.connection, each) for each in (old, new))
    assert before is not None
    assert (before.state, before.superseded_by) == ("superseded", new)
    assert after is not None
    assert after.state == "held"
    assert after.previous is not None
    assert after.previous.change_set == old
    assert {(each.op, each.only_here, each.only_before) for each in after.previous.differences} == {
        ("removed", 0, 2),
        ("created", 2, 0),
    }


def test_the_same_set_held_anew_stays_held_though_the_superseding_of_the_earlier_one_comes_again(desk: Desk) -> None:
    first = held("springfield", leaving(0, 10))
    change_set = header_of(first).change_set
    again: list[Event] = []
    for event in first:
        fields = {"snapshot_id": "later"} | ({"sync_id": "later"} if hasattr(event, "sync_id") else {})
        again.append(event.model_copy(update=fields))
    superseded = HoldSuperseded(
        district="springfield", change_set=change_set, by_change_set=change_set, superseded_at=NOW
    )
    desk.deliver(HELD, *first)
    desk.deliver(HELD, superseded, sync_id="later")
    desk.deliver(HELD, again[0])
    desk.deliver(HELD, superseded, sync_id="later")
    desk.deliver(HELD, *again)
    shown = read_model.held_set(desk.connection, change_set)
    assert shown is not None
    assert (shown.snapshot_id, shown.state) == ("later", "held")
    assert [each.state for each in read_model.held_sets(desk.connection, "springfield")] == ["held", "superseded"]


def test_a_set_held_by_a_pause_is_paused_on_the_board_until_guard_holds_it_on_for_a_reason_of_its_own(
    desk: Desk,
) -> None:
    events = held("springfield", leaving(0, 10))
    paused = header_of(events).model_copy(update={"held_by": "pause", "reasons": ()})
    desk.deliver(HELD, paused, *events[1:])
    [row] = read_model.board(desk.connection).rows
    assert (row.state, row.change_set) == ("paused", paused.change_set)
    desk.deliver(HELD, events[0])
    [row] = read_model.board(desk.connection).rows
    assert (row.state, row.text) == ("held", "90% of students would change")
    approval = Approval(by="pause over", approved_at=NOW)
    released = HoldReleased(district="springfield", change_set=paused.change_set, approval=approval)
    desk.deliver(HELD, released, sync_id=paused.sync_id)
    shown = read_model.held_set(desk.connection, paused.change_set)
    assert shown is not None
    assert (shown.state, shown.ended_by, shown.ended_at) == ("released", "pause over", NOW)
    assert read_model.board(desk.connection).states["held"] == 0


def test_a_set_that_the_roster_has_moved_past_is_superseded_unless_its_release_is_only_read_later(desk: Desk) -> None:
    events = held("springfield", leaving(0, 10))
    started = header_of(events)
    desk.deliver(HELD, *events)
    synced = RosterSynced(
        district="springfield", sync_id="another", change_set="0" * 32, roster_version=started.base_version, updates=0,
        totals={}, digest="0" * 32, synced_at=NOW,
    )  # fmt: skip

    def state() -> str:
        shown = read_model.held_set(desk.connection, started.change_set)
        assert shown is not None
        return shown.state

    desk.deliver(UPDATES, synced)
    assert state() == "held"
    desk.deliver(UPDATES, synced.model_copy(update={"roster_version": started.base_version + 1}))
    assert state() == "superseded"
    approval = Approval(by="reviewer", reviewer="ana", reason="asked", approved_at=NOW)
    released = HoldReleased(district="springfield", change_set=started.change_set, approval=approval)
    desk.deliver(HELD, released, sync_id=started.sync_id)
    assert state() == "released"


def awaits(events: Sequence[Event], waits_for: Any, **further: Any) -> HoldAwaits:
    about = {"change_set": header_of(events).change_set, "reviewer": "ana", "text": "it waits", "awaits_since": NOW}
    return HoldAwaits(district="springfield", waits_for=waits_for, **{**about, **further})


def test_a_first_approval_is_told_and_the_set_stays_held_until_the_second_one_releases_it(desk: Desk) -> None:
    events = held("springfield", leaving(0, 10))
    change_set = header_of(events).change_set
    first = ReviewDecision(
        district="springfield", change_set=change_set, decision="approve", reviewer="ana", reason="x", decided_at=NOW
    )
    desk.deliver(HELD, *events)
    desk.deliver(DECISIONS, first)
    [sent] = read_model.decisions(desk.connection, change_set)
    assert sent.answer == "waiting"
    desk.deliver(HELD, awaits(events, "second reviewer"), cause=sent.event_id)
    shown = read_model.held_set(desk.connection, change_set)
    assert shown is not None
    assert (shown.state, shown.awaits) == ("held", Awaiting("ana", "second reviewer", None, NOW))
    [told] = read_model.decisions(desk.connection, change_set)
    assert (told.answer, told.answer_text) == ("awaits", "it waits")

    approval = Approval(by="reviewer", reviewer="bob", reason="x", approved_at=NOW)
    desk.deliver(HELD, HoldReleased(district="springfield", change_set=change_set, approval=approval))
    released = read_model.held_set(desk.connection, change_set)
    assert released is not None
    assert (released.state, released.awaits) == ("released", None)
    assert [one.answer for one in read_model.decisions(desk.connection, change_set)] == ["followed"]


def test_an_approval_waits_with_the_set_that_it_was_told_of_and_not_with_the_same_one_of_a_later_night(
    desk: Desk,
) -> None:
    events = held("springfield", leaving(0, 10))
    change_set = header_of(events).change_set
    until_then = (NOW + timedelta(days=9)).date()
    pause_over = awaits(events, "end of pause", until=until_then)
    again = [
        event.model_copy(update={"snapshot_id": "later"} | ({"sync_id": "later"} if hasattr(event, "sync_id") else {}))
        for event in events
    ]
    superseded = HoldSuperseded(
        district="springfield", change_set=change_set, by_change_set=change_set, superseded_at=NOW
    )

    def waits() -> Awaiting | None:
        shown = read_model.held_set(desk.connection, change_set)
        assert shown is not None
        assert shown.state == "held"
        return shown.awaits

    desk.deliver(HELD, *events, pause_over, cause="the decision")
    assert waits() == Awaiting("ana", "end of pause", until_then, NOW)
    desk.deliver(HELD, superseded, sync_id="later")
    desk.deliver(HELD, *again)
    assert waits() is None
    desk.deliver(HELD, pause_over, cause="the decision")  # guard tells it anew where it goes on
    assert waits() == Awaiting("ana", "end of pause", until_then, NOW)


def test_a_set_tells_its_limits_and_what_would_be_seen_once_it_is_applied(desk: Desk) -> None:
    events = held(
        "springfield", leaving(0, 10), limits={"students": 30, "classes": 90},
        classes_without_teacher=BeforeAndAfter(before=2, after=5),
        students_without_class=BeforeAndAfter(before=7, after=0),
    )  # fmt: skip
    desk.deliver(HELD, *events)
    shown = read_model.held_set(desk.connection, header_of(events).change_set)
    assert shown is not None
    assert shown.limits == {"students": 30, "classes": 90}
    assert (shown.classes_without_teacher, shown.students_without_class) == (NowAndThen(2, 5), NowAndThen(7, 0))
    desk.deliver(HELD, header_of(events).model_copy(update={"limits": {"students": 10}}))
    [night] = [one.limits for one in read_model.held_sets(desk.connection, "springfield")]
    assert night == {"students": 10}


def test_a_released_set_that_the_roster_had_moved_past_says_that_a_fresh_sync_was_asked_for(desk: Desk) -> None:
    events = held("springfield", leaving(0, 10))
    change_set, sync_id = header_of(events).change_set, header_of(events).sync_id
    approval = Approval(by="reviewer", reviewer="ana", reason="x", approved_at=NOW)
    desk.deliver(HELD, *events, HoldReleased(district="springfield", change_set=change_set, approval=approval))
    moment = NOW + timedelta(seconds=2)
    afresh = SyncRequested(district="springfield", sync_id="afresh", reason="stale", requested_at=moment)
    desk.deliver(SYNC_REQUESTS, afresh)
    shown = read_model.held_set(desk.connection, change_set)
    assert shown is not None
    assert (shown.state, shown.afresh_at, shown.sync_id) == ("released", moment, sync_id)
