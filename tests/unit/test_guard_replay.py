"""What another limit would have made of a past night."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import KindCounts, Reason
from schemas.records import KINDS, Kind
from services.guard.replay import PastJudgement, replay


def past(counts: dict[Kind, KindCounts], *reasons: Reason, floors: dict[Kind, int] | None = None) -> PastJudgement:
    return PastJudgement("springfield", "0" * 32, datetime(2026, 10, 2, 3, tzinfo=UTC), reasons, counts, floors or {})


def too_large(kind: Kind, changed: int, existing: int) -> Reason:
    return Reason(code="too-large", kind=kind, text="", changed=changed, existing=existing, limit=50)


@pytest.mark.parametrize("kind", KINDS)
@given(existing=st.integers(1, 300_000), changed=st.integers(0, 300_000), percent=st.integers(0, 100))
def test_another_limit_holds_what_is_over_it_and_passes_the_rest(
    kind: Kind, existing: int, changed: int, percent: int
) -> None:
    then = [too_large(kind, changed, existing)] if changed * 100 > 50 * existing else []
    replayed = replay(past({kind: KindCounts(existing=existing, updated=changed)}, *then), percent, KINDS)
    assert replayed.held_then == bool(then)
    assert replayed.would_be_held == (changed * 100 > percent * existing)


def test_another_limit_for_one_kind_leaves_the_others_as_they_were_judged() -> None:
    counts: dict[Kind, KindCounts] = {kind: KindCounts(existing=100, updated=60) for kind in KINDS}
    held = past(counts, *(too_large(kind, 60, 100) for kind in KINDS))
    assert {reason.kind for reason in replay(held, 70, ["classes"]).reasons} == set(KINDS) - {"classes"}


@pytest.mark.parametrize("code", ["emptied-collection", "emptied-school", "renumbered", "paused", "look-first"])
def test_a_reason_that_has_to_do_with_no_limit_stays(code: str) -> None:
    reason = Reason(code=code, kind="students", text="as it was")
    held = past({"students": KindCounts(existing=100, removed=100)}, reason, too_large("students", 100, 100))
    assert replay(held, 100, KINDS).reasons == (reason,)


def test_a_first_load_is_held_or_passed_at_any_limit_as_it_was() -> None:
    first: dict[Kind, KindCounts] = {"students": KindCounts(created=100)}
    assert not replay(past(first), 0, KINDS).would_be_held
    assert replay(past(first, Reason(code="first-load", kind="students", text="")), 100, KINDS).would_be_held


@pytest.mark.parametrize(("percent", "held"), [(30, True), (69, True), (70, False)])
def test_what_a_higher_limit_would_have_let_pass_in_a_week_it_lets_pass(percent: int, held: bool) -> None:
    week = Reason(code="too-large-over-a-week", kind="students", text="", changed=70, existing=100, limit=50)
    assert replay(past({"students": KindCounts(existing=80, removed=1)}, week), percent, KINDS).would_be_held == held


def test_a_kind_below_its_floor_is_held_by_no_percentage() -> None:
    counts: dict[Kind, KindCounts] = {"teachers": KindCounts(existing=19, updated=19)}
    assert not replay(past(counts, too_large("teachers", 19, 19), floors={"teachers": 20}), 30, KINDS).would_be_held
    assert replay(past(counts, floors={"teachers": 19}), 30, KINDS).would_be_held
