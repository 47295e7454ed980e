"""How much may change in a night: the boundary, the kinds, the words."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import ChangeSetStarted, EmptiedSchool, KindCounts
from schemas.records import KINDS, Kind
from services.guard.calendar import Pause
from services.guard.policy import (
    Circumstances,
    ExpectedChange,
    Hold,
    Judgement,
    KindLimit,
    LookFirst,
    Pass,
    Week,
    judge,
)

THANKSGIVING = Pause(("Thanksgiving",), date(2026, 11, 26), date(2026, 11, 27), "America/Denver")
ANA = LookFirst("ana", "they moved to another provider", datetime(2026, 9, 1, tzinfo=UTC))
TERM = ExpectedChange(90, date(2026, 9, 1), date(2026, 9, 12), "a new term")
EXISTS: dict[Kind, KindCounts] = {"schools": KindCounts(existing=3)}
"""A district that has a roster already."""
kinds = st.sampled_from(KINDS)


def house(percent: int = 50, **moment: Any) -> Circumstances:
    """Give the same limit for every kind, and what the moment brings."""
    return Circumstances({kind: KindLimit(percent) for kind in KINDS}, **moment)


def header(counts: dict[Kind, KindCounts], base_version: int = 7, **meaning: Any) -> ChangeSetStarted:
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
        **meaning,
    )


def judged(counts: dict[Kind, KindCounts], limit: int = 50) -> Judgement:
    return judge(header(EXISTS | counts), house(limit))


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


@given(counts=st.dictionaries(st.sampled_from(KINDS[1:]), counted()), limit=st.integers(0, 100))
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


@pytest.mark.parametrize("base_version", [0, 7])
def test_the_first_load_of_a_district_not_being_set_up_is_held_for_every_kind_it_creates(base_version: int) -> None:
    judgement = judge(header({kind: KindCounts(created=1) for kind in KINDS}, base_version), house(100))
    assert reasons(judgement) == {("first-load", kind) for kind in KINDS}


@given(created=st.dictionaries(kinds, st.integers(0, 300_000)), base_version=st.integers(0, 9))
def test_the_first_load_of_a_district_being_set_up_passes_whole_at_any_version(
    created: dict[Kind, int], base_version: int
) -> None:
    counts = {kind: KindCounts(created=number) for kind, number in created.items()}
    assert judge(header(counts, base_version), house(0, setting_up=True)) == Pass()


@pytest.mark.parametrize("base_version", [0, 1])
def test_a_district_still_marked_as_being_set_up_is_judged_once_it_has_a_roster(base_version: int) -> None:
    counts: dict[Kind, KindCounts] = {"students": KindCounts(existing=10, updated=6)}
    assert reasons(judge(header(counts, base_version), house(setting_up=True))) == {("too-large", "students")}


@pytest.mark.parametrize("kind", ["teachers", "students", "classes", "places"])
def test_a_kind_of_which_nothing_exists_in_a_district_with_a_roster_is_over_any_limit(kind: Kind) -> None:
    judgement = judged({kind: KindCounts(created=1)}, limit=100)
    assert reasons(judgement) == {("too-large", kind)}
    assert cast(Hold, judgement).reasons[0].text == f"1 {kind} would be created where there are none yet (limit 100%)"


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
        KindLimit(percent)


def test_a_negative_floor_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        KindLimit(50, floor=-1)


@given(kind=kinds, existing=st.integers(1, 1000), floor=st.integers(0, 1000))
def test_a_kind_below_its_floor_is_not_judged_by_percentage_and_from_it_on_is(
    kind: Kind, existing: int, floor: int
) -> None:
    circumstances = replace(house(), limits={**house().limits, kind: KindLimit(50, floor)})
    over = header(EXISTS | {kind: KindCounts(existing=existing, updated=existing // 2 + 1)})
    assert reasons(judge(over, circumstances)) == ({("too-large", kind)} if existing >= floor else set())


@pytest.mark.parametrize("kind", KINDS)
def test_a_floor_lets_no_collection_come_back_empty(kind: Kind) -> None:
    circumstances = Circumstances({kind: KindLimit(50, floor=1000) for kind in KINDS})
    emptied = header({kind: KindCounts(existing=9, removed=9)})
    assert reasons(judge(emptied, circumstances)) == {("emptied-collection", kind)}


def test_a_limit_holds_for_its_own_kind_alone() -> None:
    circumstances = replace(house(), limits={**house().limits, "classes": KindLimit(90, expected=TERM)})
    counts: dict[Kind, KindCounts] = {kind: KindCounts(existing=100, updated=90) for kind in KINDS}
    assert reasons(judge(header(counts), circumstances)) == {("too-large", kind) for kind in KINDS if kind != "classes"}


def test_a_change_beyond_what_was_expected_holds_and_says_until_when_the_limit_is_raised() -> None:
    circumstances = replace(house(), limits={**house().limits, "classes": KindLimit(90, expected=TERM)})
    judgement = judge(header(EXISTS | {"classes": KindCounts(existing=100, updated=91)}), circumstances)
    assert [reason.text for reason in cast(Hold, judgement).reasons] == [
        "91% of classes would change: 91 of 100 (limit 90%, raised until 12 September 2026)"
    ]


def week(kind: Kind, start: int, removed: int) -> Week:
    return Week({kind: start}, {kind: removed})


@pytest.mark.parametrize("kind", KINDS)
def test_45_percent_twice_in_a_week_holds(kind: Kind) -> None:
    first = header(EXISTS | {kind: KindCounts(existing=1000, removed=450)})
    second = header(EXISTS | {kind: KindCounts(existing=550, removed=247)})
    assert judge(first, house()) == Pass()
    judgement = judge(second, house(week=week(kind, 1000, 450)))
    assert [(r.code, r.kind, r.changed, r.existing, r.limit) for r in cast(Hold, judgement).reasons] == [
        ("too-large-over-a-week", kind, 697, 1000, 50)
    ]
    assert cast(Hold, judgement).reasons[0].text == (
        f"70% of {kind} would be removed within seven days: 450 were, 247 would be, of 1,000 (limit 50%)"
    )


@given(kind=kinds, start=st.integers(2, 10**12), data=st.data())
def test_exactly_half_may_leave_within_a_week_and_one_more_holds(kind: Kind, start: int, data: st.DataObject) -> None:
    before = data.draw(st.integers(1, start // 2))
    left = start // 2 - before
    for removed, codes in ((left, set()), (left + 1, {("too-large-over-a-week", kind)})):
        counts = KindCounts(existing=10**13, removed=removed)
        assert reasons(judge(header(EXISTS | {kind: counts}), house(week=week(kind, start, before)))) == codes


@given(kind=kinds, counts=counted())
def test_a_night_that_removes_nothing_never_breaks_the_weeks_rule(kind: Kind, counts: KindCounts) -> None:
    adding = counts.model_copy(update={"removed": 0})
    broken = reasons(judge(header(EXISTS | {kind: adding}), house(week=week(kind, 1000, 999))))
    assert ("too-large-over-a-week", kind) not in broken


@pytest.mark.parametrize(("start", "held"), [(19, False), (20, True)])
def test_a_week_that_began_below_a_kinds_floor_is_not_judged_by_percentage(start: int, held: bool) -> None:
    circumstances = replace(
        house(week=week("teachers", start, 9)), limits={kind: KindLimit(50, floor=20) for kind in KINDS}
    )
    more = header(EXISTS | {"teachers": KindCounts(existing=30, removed=2)})
    assert reasons(judge(more, circumstances)) == ({("too-large-over-a-week", "teachers")} if held else set())


def test_a_week_never_holds_what_a_raised_limit_lets_through_in_one_night() -> None:
    circumstances = replace(house(week=week("classes", 100, 10)), limits={kind: KindLimit(90) for kind in KINDS})
    assert judge(header(EXISTS | {"classes": KindCounts(existing=90, removed=80)}), circumstances) == Pass()
    over = judge(header(EXISTS | {"classes": KindCounts(existing=90, removed=81)}), circumstances)
    assert reasons(over) == {("too-large-over-a-week", "classes")}


def test_a_night_after_the_first_load_of_the_week_is_measured_against_that_load() -> None:
    after = header(EXISTS | {"students": KindCounts(existing=1000, removed=1)})
    assert judge(after, house(week=week("students", 0, 0))) == Pass()


def test_schools_that_lose_all_their_students_are_named_with_how_many_they_had() -> None:
    emptied = tuple(EmptiedSchool(school=f"sch-{n}", students=1000 + n) for n in range(7))
    counts: dict[Kind, KindCounts] = {
        "schools": KindCounts(existing=90),
        "students": KindCounts(existing=99, removed=1),
    }
    one = judge(header(counts, emptied_schools=emptied[:1]), house())
    seven = judge(header(counts, emptied_schools=emptied), house())
    assert reasons(one) == reasons(seven) == {("emptied-school", "schools")}
    assert cast(Hold, one).reasons[0].text == "1 school would lose all its students: sch-0 (1,000)"
    assert cast(Hold, seven).reasons[0].text == (
        "7 schools would lose all their students: sch-0 (1,000), sch-1 (1,001), sch-2 (1,002), sch-3 (1,003), "
        "sch-4 (1,004) and 2 more"
    )


@pytest.mark.parametrize(
    ("again", "removed", "held"), [(9, 9, False), (10, 10, True), (10, 19, True), (10, 20, False), (11, 20, True)]
)
def test_ten_or_more_and_over_half_of_those_who_leave_must_come_again_to_be_renumbered(
    again: int, removed: int, held: bool
) -> None:
    counts: dict[Kind, KindCounts] = {"students": KindCounts(existing=1000, created=again, removed=removed)}
    judgement = judge(header(counts, renumbered={"students": again}), house())
    assert reasons(judgement) == ({("renumbered", "students")} if held else set())
    if held:
        assert cast(Hold, judgement).reasons[0].text.startswith(f"{again} of the {removed} students who would leave")


def test_classes_that_come_again_under_other_ids_are_no_reason_while_a_change_of_classes_is_expected() -> None:
    counts: dict[Kind, KindCounts] = {"classes": KindCounts(existing=1000, created=100, removed=100)}
    renumbered = header(counts, renumbered={"classes": 100})
    expecting = replace(house(), limits={**house().limits, "classes": KindLimit(90, expected=TERM)})
    assert reasons(judge(renumbered, house())) == {("renumbered", "classes")}
    assert judge(renumbered, expecting) == Pass()


SMALL: dict[Kind, KindCounts] = {"students": KindCounts(existing=1000, updated=1)}


def test_a_pause_holds_what_would_pass_and_says_which_and_until_when() -> None:
    judgement = judge(header(SMALL), house(pause=THANKSGIVING))
    assert isinstance(judgement, Hold)
    assert judgement.held_by == "pause"
    [reason] = judgement.reasons
    assert (reason.code, reason.kind) == ("paused", None)
    assert reason.text == (
        "the district is paused until 27 November 2026 (Thanksgiving); the newest change set goes through by itself on "
        "28 November 2026, if it is still current and not too large"
    )


def test_an_operator_who_wants_to_look_first_holds_what_would_pass_and_is_named_with_the_reason() -> None:
    judgement = judge(header(SMALL), house(look_first=ANA))
    assert reasons(judgement) == {("look-first", None)}
    assert cast(Hold, judgement).held_by == "operator"
    assert cast(Hold, judgement).reasons[0].text == (
        "ana wants to look at this district's changes first: they moved to another provider"
    )


def test_a_pause_and_an_operator_hold_even_a_first_load_that_policy_lets_through() -> None:
    first = header({"students": KindCounts(created=5)})
    assert reasons(judge(first, house(setting_up=True, pause=THANKSGIVING, look_first=ANA))) == {
        ("paused", None),
        ("look-first", None),
    }


@given(policy=st.booleans(), pause=st.booleans(), operator=st.booleans())
def test_policy_holds_before_a_pause_and_a_pause_before_an_operator_and_all_reasons_are_named(
    policy: bool, pause: bool, operator: bool
) -> None:
    counts: dict[Kind, KindCounts] = {"students": KindCounts(existing=10, updated=9 if policy else 1)}
    judgement = judge(
        header(counts), house(pause=THANKSGIVING if pause else None, look_first=ANA if operator else None)
    )
    named = {"too-large": policy, "paused": pause, "look-first": operator}
    assert {code for code, _ in reasons(judgement)} == {code for code, there in named.items() if there}
    held_by = "policy" if policy else "pause" if pause else "operator" if operator else None
    assert (judgement.held_by if isinstance(judgement, Hold) else None) == held_by


@given(counts=counted(), setting_up=st.booleans())
def test_a_change_set_that_changes_nothing_passes_even_in_a_pause(counts: KindCounts, setting_up: bool) -> None:
    nothing: dict[Kind, KindCounts] = {kind: KindCounts(existing=counts.existing) for kind in KINDS}
    moment = house(0, pause=THANKSGIVING, look_first=ANA, setting_up=setting_up)
    assert judge(header(nothing), moment) == Pass()


def test_everything_that_is_wrong_at_once_is_named() -> None:
    counts: dict[Kind, KindCounts] = {
        "schools": KindCounts(existing=4, removed=4),
        "teachers": KindCounts(existing=40, created=20, removed=20),
        "students": KindCounts(existing=500, removed=200),
    }
    judgement = judge(
        header(counts, renumbered={"teachers": 20}, emptied_schools=(EmptiedSchool(school="sch-1", students=200),)),
        house(week=week("students", 600, 150), pause=THANKSGIVING, look_first=ANA),
    )
    assert [(r.code, r.kind) for r in cast(Hold, judgement).reasons] == [
        ("emptied-collection", "schools"),
        ("too-large", "schools"),
        ("too-large", "teachers"),
        ("renumbered", "teachers"),
        ("too-large-over-a-week", "students"),
        ("emptied-school", "schools"),
        ("paused", None),
        ("look-first", None),
    ]
