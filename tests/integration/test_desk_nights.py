"""A district's nights on the desk: asked for, under way, ended, broken, stale, or still to come."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.events import (
    SnapshotAborted,
    SnapshotStarted,
    SyncRequested,
)
from schemas.topics import SNAPSHOTS, SYNC_REQUESTS
from services.guard.desk import read_model
from services.ingest.schedule import Window
from tests.desk_feed import (
    NOW,
    Desk,
    open_desk,
    whole_night,
)


@pytest.fixture
def desk(database: str) -> Iterator[Desk]:
    with open_desk(database) as made:
        yield made


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.permutations(["started", "completed", "compared", "synced", "synced", "compared"]),
    number=st.integers(0, 10**12),
)
def test_a_night_is_the_same_in_whatever_order_its_topics_are_read(desk: Desk, order: list[str], number: Any) -> None:
    if order.index("completed") < order.index("started"):
        order[order.index("completed")], order[order.index("started")] = "started", "completed"
    district = f"d-{number:013}"  # none is in another one's id: the board is searched for it
    events = whole_night(district, "sync")
    for name in order:
        desk.deliver(events[name][0], events[name][1])
    [night] = read_model.history(desk.connection, district)
    assert (night.outcome, night.began_at, night.ended_at, night.roster_version, night.held) == (
        "applied",
        NOW - timedelta(minutes=3),
        NOW,
        4,
        False,
    )
    assert night.counts["students"].removed == 4
    [row] = read_model.board(desk.connection, district, at=NOW + timedelta(minutes=1)).rows
    assert (row.totals, row.text) == ({"students": 96}, "4 students left")


def test_a_broken_pull_shows_on_the_board_since_when_and_why(desk: Desk) -> None:
    for days in (3, 2, 1):
        at = NOW - timedelta(days=days)
        aborted = SnapshotAborted(
            district="mesa", sync_id=f"night-{days}", snapshot_id=f"s{days}", code="disconnected",
            text="ClassLink answers 401", aborted_at=at,
        )  # fmt: skip
        desk.deliver(SNAPSHOTS, aborted)
    [row] = read_model.board(desk.connection).rows
    assert (row.state, row.since, row.text) == ("broken", NOW - timedelta(days=3), "ClassLink answers 401")


def test_a_night_that_was_asked_for_is_on_the_board_before_it_begins(desk: Desk) -> None:
    asked = SyncRequested(district="mesa", sync_id="tonight", reason="by hand", requested_at=NOW)
    started = SnapshotStarted(
        district="mesa", sync_id="tonight", snapshot_id="s", provider="clever", started_at=NOW + timedelta(minutes=2)
    )
    desk.deliver(SYNC_REQUESTS, asked)
    [row] = read_model.board(desk.connection).rows
    assert (row.state, row.text, row.waiting) == ("to come", "asked for; it waits for its turn", 0)
    desk.deliver(SNAPSHOTS, started)
    desk.deliver(SYNC_REQUESTS, asked)
    [night] = read_model.history(desk.connection, "mesa")
    assert (night.outcome, night.began_at) == ("pulling", NOW + timedelta(minutes=2))


def test_a_registered_district_is_on_the_board_before_its_first_night_and_says_when_that_is(
    desk: Desk, database: str
) -> None:
    with psycopg.connect(database) as connection:
        for district, plan in (("mesa", "districts"), ("starter", "enterprise-starter")):
            connection.execute(
                "INSERT INTO districts (district, name, provider, url, timezone, plan)"
                " VALUES (%s, 'x', 'clever', 'http://127.0.0.1:9', 'America/Chicago', %s)",
                (district, plan),
            )
    friday_night = datetime(2026, 11, 28, 6, tzinfo=UTC)
    board = read_model.board(desk.connection, at=friday_night, window=Window(20, 1))
    [row] = board.rows  # a starter district has no nights
    assert (row.district, row.state, row.text) == ("mesa", "to come", "no night yet")
    assert row.next_night is not None
    assert row.next_night.date() == datetime(2026, 12, 1, tzinfo=UTC).date()  # Monday evening there
    assert board.states["to come"] == 1


def test_a_district_that_is_no_longer_registered_has_left_the_board_and_keeps_its_nights(
    desk: Desk, database: str
) -> None:
    for topic, event in whole_night("removed", "sync").values():
        desk.deliver(topic, event)
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO districts (district, name, provider, url, timezone, plan)"
            " VALUES ('mesa', 'x', 'clever', 'http://127.0.0.1:9', 'America/Chicago', 'districts')"
        )
    assert [row.district for row in read_model.board(desk.connection).rows] == ["mesa"]
    assert [night.outcome for night in read_model.history(desk.connection, "removed")] == ["applied"]


def test_a_night_whose_set_apply_refuses_as_stale_ends_with_the_fresh_sync_that_was_asked_for(desk: Desk) -> None:
    events = whole_night("mesa", "first")
    for name in ("started", "completed", "compared"):
        desk.deliver(events[name][0], events[name][1])
    [night] = read_model.history(desk.connection, "mesa")
    assert night.outcome == "applying"
    desk.deliver(SYNC_REQUESTS, SyncRequested(district="mesa", sync_id="afresh", reason="stale", requested_at=NOW))
    assert [one.outcome for one in read_model.history(desk.connection, "mesa")] == ["stale", "asked for"]
    desk.deliver(*events["synced"])  # it was applied after all: the request was about another one
    assert [one.outcome for one in read_model.history(desk.connection, "mesa")] == ["applied", "asked for"]
