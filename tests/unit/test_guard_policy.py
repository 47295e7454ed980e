"""How much may change in a night: the boundary, the kinds, the words."""

from datetime import UTC, datetime
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import ChangeSetStarted, KindCounts
from schemas.records import KINDS, Kind
from services.guard.policy import Hold, Judgement, Limits, Pass, judge

HOUSE = Limits(50)
kinds = st.sampled_from(KINDS)


def header(counts: dict[Kind, KindCounts], base_version: int = 7) -> ChangeSetStarted:
    return ChangeSetStarted(
        district="springfield",
        sync_id="sync-1",
        snapshot_id="snapshot-1",
        change_set="0" * 32,
        base_version=base_version,
        counts=counts,
        changes=sum(c.changed for c in counts.values()),
        chunks=1,
        started_at=datetime(2025, 9, 2, 3, tzinfo=UTC),
    )


def judged(counts: dict[Kind, KindCounts], limit: int = 50) -> Judgement:
    return judge(header(counts), Limits(limit), setting_up=False)


def reasons(judgement: Judgement) -> set[tuple[str, Kind | None]]:
    return {(r.code, r.kind) for r in judgement.reasons} if isinstance(judgement, Hold) else set()


def split(changed: int, first: int, second: int) -> tuple[int, int, int]:
    """Share `changed` out over created, updated and removed."""
    created = min(first, changed)
    updated = min(second, changed - created)
    return created, updated, changed - created - updated


@st.composite
def counted(draw: st.DrawFn) -> KindCounts:
    existing = draw(st.integers(0, 300_000))
    removed = draw(st.integers(0, existing))
    return KindCounts(
        existing=existing,
        created=draw(st.integers(0, 300_000)),
        removed=removed,
        updated=draw(st.integers(0, existing - removed)),
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("existing", [1, 2, 3, 501, 200_000])
def test_exactly_half_passes_and_one_change_more_holds(kind: Kind, existing: int) -> None:
    half = existing // 2
    within = judged({kind: KindCounts(existing=existing, updated=half)})
    over = judged({kind: KindCounts(existing=existing, updated=half + 1)})
    assert within == Pass()
    assert reasons(over) == {("too-large", kind)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("existing", [1, 2, 3, 501, 200_000])
@given(first=st.integers(0, 100_001), second=st.integers(0, 100_001))
def test_created_updated_and_removed_count_alike(kind: Kind, existing: int, first: int, second: int) -> None:
    for changed, codes in ((existing // 2, set()), (existing // 2 + 1, {("too-large", kind)})):
        created, updated, removed = split(changed, first, second)
        counts = KindCounts(existing=existing, created=created, updated=updated, removed=removed)
        assert reasons(judged({kind: counts})) - {("emptied-collection", kind)} == codes


@given(kind=kinds, counts=counted(), limit=st.integers(0, 100), more=st.integers(1, 1000))
def test_a_change_set_that_grows_never_becomes_acceptable(
    kind: Kind, counts: KindCounts, limit: int, more: int
) -> None:
    grown = counts.model_copy(update={"updated": counts.updated + more})
    assert reasons(judged({kind: counts}, limit)) <= reasons(judged({kind: grown}, limit))


@given(kind=kinds, counts=counted(), limit=st.integers(0, 99))
def test_a_higher_limit_never_adds_a_reason(kind: Kind, counts: KindCounts, limit: int) -> None:
    assert reasons(judged({kind: counts}, limit + 1)) <= reasons(judged({kind: counts}, limit))


@given(counts=st.dictionaries(kinds, counted()), limit=st.integers(0, 100))
def test_each_kind_is_judged_as_if_it_were_alone(counts: dict[Kind, KindCounts], limit: int) -> None:
    alone = set().union(*(reasons(judged({kind: one}, limit)) for kind, one in counts.items()))
    assert reasons(judged(counts, limit)) == alone


@given(existing=st.integers(1, 10**18), limit=st.integers(0, 100))
def test_totals_too_large_for_a_float_are_judged_exactly(existing: int, limit: int) -> None:
    within = limit * existing // 100
    assert judged({"places": KindCounts(existing=existing, updated=within)}, limit) == Pass()
    assert reasons(judged({"places": KindCounts(existing=existing, updated=within + 1)}, limit)) == {
        ("too-large", "places")
    }


@given(counts=counted())
def test_a_change_set_without_changes_passes_at_any_limit(counts: KindCounts) -> None:
    nothing = {kind: KindCounts(existing=counts.existing) for kind in KINDS}
    assert judged(nothing, 0) == Pass()
    assert judged({}) == Pass()


def test_the_first_load_of_a_district_not_being_set_up_is_held_for_every_kind_it_creates() -> None:
    judgement = judge(header({kind: KindCounts(created=1) for kind in KINDS}, 0), Limits(100), setting_up=False)
    assert reasons(judgement) == {("first-load", kind) for kind in KINDS}


@given(counts=st.dictionaries(kinds, counted()))
def test_the_first_load_of_a_district_being_set_up_passes_whole(counts: dict[Kind, KindCounts]) -> None:
    assert judge(header(counts, base_version=0), Limits(0), setting_up=True) == Pass()


def test_a_district_still_marked_as_being_set_up_is_judged_once_it_has_a_roster() -> None:
    counts: dict[Kind, KindCounts] = {"students": KindCounts(existing=10, updated=6)}
    assert reasons(judge(header(counts, base_version=1), HOUSE, setting_up=True)) == {("too-large", "students")}


@pytest.mark.parametrize("kind", KINDS)
def test_a_collection_that_came_back_empty_is_held_whatever_the_limit(kind: Kind) -> None:
    judgement = judged({kind: KindCounts(existing=412, removed=412)}, limit=100)
    assert reasons(judgement) == {("emptied-collection", kind)}
    assert cast(Hold, judgement).reasons[0].text == (f"{kind} 100%: collection came back empty, 412 would be removed")


def test_a_set_that_breaks_three_rules_names_three_with_their_numbers() -> None:
    judgement = judged(
        {
            "schools": KindCounts(),
            "students": KindCounts(existing=20_102, removed=20_102),
            "classes": KindCounts(existing=3667, created=310, updated=1000, removed=1000),
        }
    )
    assert [(r.code, r.kind, r.changed, r.existing, r.limit) for r in cast(Hold, judgement).reasons] == [
        ("emptied-collection", "students", 20_102, 20_102, 50),
        ("too-large", "students", 20_102, 20_102, 50),
        ("too-large", "classes", 2310, 3667, 50),
    ]


@pytest.mark.parametrize(
    ("changed", "existing", "text"),
    [
        (2310, 3667, "63% of classes would change: 2,310 of 3,667 (limit 50%)"),
        (100_001, 200_000, "just over 50% of classes would change: 100,001 of 200,000 (limit 50%)"),
        (5, 2, "250% of classes would change: 5 of 2 (limit 50%)"),
    ],
)
def test_a_reason_is_a_sentence_that_a_person_understands(changed: int, existing: int, text: str) -> None:
    judgement = judged({"classes": KindCounts(existing=existing, created=changed)})
    assert [reason.text for reason in cast(Hold, judgement).reasons] == [text]


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_limit_outside_0_to_100_is_refused(percent: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 100"):
        Limits(percent)
