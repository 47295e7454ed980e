"""What the desk says of nights and districts, from what it was told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.guard.desk.answers import Counts
from services.guard.desk.board import row_shown, tonight_from
from services.guard.desk.words import HIDDEN, change_shown, in_words, night_shown, outcome, proof_in_words

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

_COLUMNS = (
    "synced_at updates aborted_at held_state whole_at pulled_at compared_at ended_at held_at provider change_set "
    "roster_version counts held_by reasons failure_code failure_text defects requested_at snapshot_started_at "
    "afresh_at limits"
)


def night(**known: Any) -> dict[str, Any]:
    about = {"district": "springfield", "sync_id": "s", "began_at": AT - timedelta(hours=1)}
    return dict.fromkeys(_COLUMNS.split()) | about | known


def row(**known: Any) -> dict[str, Any]:
    columns = (
        "totals roster_version applied_at change_set held_at held_by reasons pause_code pause_text pause_at "
        "held_told_at lost_told_at broken_since awaits_reviewer waits_for"
    )
    return dict.fromkeys(columns.split()) | {"district": "springfield", "nights_since": 0} | known


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, "pulling"),
        ({"requested_at": AT}, "asked for"),
        ({"requested_at": AT, "snapshot_started_at": AT}, "pulling"),
        ({"pulled_at": AT}, "comparing"),
        ({"compared_at": AT}, "applying"),
        ({"held_state": "held"}, "applying"),
        ({"held_state": "held", "whole_at": AT}, "held"),
        ({"held_state": "released", "whole_at": AT}, "applying"),
        ({"held_state": "rejected"}, "rejected"),
        ({"held_state": "released", "synced_at": AT, "updates": 1}, "applied"),
        ({"held_state": "released", "whole_at": AT, "compared_at": AT, "afresh_at": AT}, "stale"),
        ({"held_state": "rejected", "compared_at": AT, "afresh_at": AT}, "rejected"),
        ({"compared_at": AT, "afresh_at": AT, "synced_at": AT, "updates": 1}, "applied"),
        ({"synced_at": AT, "updates": 0}, "unchanged"),
        ({"aborted_at": AT}, "failed"),
    ],
)
def test_how_far_a_night_is_follows_from_what_each_topic_has_told(known: dict[str, Any], expected: str) -> None:
    assert outcome(night(**known), AT) == expected


def test_a_night_that_was_never_heard_of_again_has_failed_and_says_so() -> None:
    began = night(began_at=AT - timedelta(hours=6, minutes=1), compared_at=AT - timedelta(hours=6, seconds=1))
    shown = night_shown(began, AT)
    assert (shown.outcome, shown.failure_code) == ("failed", "unfinished")
    assert night_shown(began, AT - timedelta(seconds=2)).outcome == "applying"


def test_a_night_that_was_asked_for_and_never_began_says_so() -> None:
    asked = night(began_at=AT - timedelta(hours=7), requested_at=AT - timedelta(hours=7))
    assert "asked for and never heard of again" in (night_shown(asked, AT).failure_text or "")


def test_a_night_whose_set_was_refused_as_stale_has_ended_and_says_what_came_instead() -> None:
    long_ago = AT - timedelta(days=3)
    refused = night(began_at=long_ago, compared_at=long_ago, afresh_at=long_ago + timedelta(minutes=1))
    shown = night_shown(refused, AT)
    assert (shown.outcome, shown.ended_at) == ("stale", long_ago + timedelta(minutes=1))
    assert "a fresh sync was asked for" in (shown.failure_text or "")


def test_limits_are_those_of_the_header_and_without_them_those_that_the_reasons_name() -> None:
    reasons = [{"code": "too-large", "text": "x", "kind": "classes", "limit": 50}]
    told = night_shown(night(reasons=reasons, limits={"students": 30, "classes": 90}), AT)
    assert told.limits == {"students": 30, "classes": 90}
    assert night_shown(night(reasons=reasons, limits={}), AT).limits == {"classes": 50}
    assert night_shown(night(), AT).limits == {}


def test_what_a_night_changed_is_said_in_one_line() -> None:
    counts = {
        "students": Counts(existing=100, created=12, removed=3),
        "classes": Counts(updated=41),
        "teachers": Counts(removed=1),
    }
    assert in_words(counts) == "1 teacher left, +12 students, 3 left, 41 classes changed"
    assert in_words({"places": Counts(created=5)}) == "nothing changed"


def test_a_proof_says_how_a_collection_was_known_to_be_whole() -> None:
    proof = {
        "collection": "users",
        "pages": 6,
        "rows": 50_324,
        "distinct": 50_322,
        "total": 50_324,
        "end": "no next page",
    }
    assert (
        proof_in_words(proof) == "users: 50,324 in 6 pages, 2 of them twice, the provider counts 50,324; no next page"
    )
    assert proof_in_words({**proof, "pages": 1, "distinct": 50_324, "total": None}) == (
        "users: 50,324 in 1 page; no next page"
    )


def test_tonight_begins_at_the_last_22_utc_before_every_night_of_the_states() -> None:
    assert tonight_from(AT) == datetime(2026, 11, 23, 22, tzinfo=UTC)
    assert tonight_from(AT.replace(hour=22)) == datetime(2026, 11, 24, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("known", "last", "expected"),
    [
        ({"change_set": "c", "held_by": "policy"}, {"aborted_at": AT}, "held"),
        ({"pause_code": "pause-begun"}, {"aborted_at": AT}, "broken"),
        ({"change_set": "c", "held_by": "policy", "waits_for": "second reviewer"}, {}, "held"),
        ({"change_set": "c", "held_by": "policy", "waits_for": "end of pause"}, {}, "paused"),
        ({"change_set": "c", "held_by": "pause"}, {"held_state": "held", "whole_at": AT}, "paused"),
        ({"pause_code": "pause-begun", "pause_at": AT}, {"synced_at": AT, "updates": 1}, "paused"),
        ({"pause_code": "pause-over", "pause_at": AT}, {"synced_at": AT, "updates": 1}, "done"),
        ({}, {"synced_at": AT, "updates": 0, "began_at": AT - timedelta(days=1)}, "to come"),
        ({}, {}, "to come"),
    ],
)
def test_a_district_stands_where_it_needs_a_person_most(
    known: dict[str, Any], last: dict[str, Any], expected: str
) -> None:
    assert row_shown(row(**known), night_shown(night(**last), AT), AT).state == expected


def test_a_set_that_somebody_has_approved_says_on_the_board_what_it_waits_for() -> None:
    waiting = row(change_set="c", held_by="policy", reasons=[{"code": "x", "text": "too large"}], held_at=AT,
                  awaits_reviewer="ana", waits_for="second reviewer")  # fmt: skip
    shown = row_shown(waiting, night_shown(night(held_state="held", whole_at=AT), AT), AT)
    assert shown.text == "too large; approved by ana, waits for a second reviewer"


def test_a_class_shows_who_joins_and_who_leaves_it_and_hides_nothing() -> None:
    change = {
        "place": 1, "op": "updated", "kind": "classes", "id": "c", "title": "Math", "schools": ["s1"], "same_as": None,
        "before": {"name": "Math", "school": "s1", "teachers": ["t1"], "students": ["a", "b"]},
        "record": {"name": "Math", "school": "s1", "teachers": ["t2"], "students": ["b", "c"]},
    }  # fmt: skip
    shown = change_shown(change, {"s1": "Lincoln"}, names=False)
    assert (shown.joining, shown.leaving, shown.schools) == (("c",), ("a",), (("s1", "Lincoln"),))
    assert [field.field for field in shown.fields if field.changed] == ["teachers"]
    assert all(HIDDEN not in (field.before, field.after) for field in shown.fields)
