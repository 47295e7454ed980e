"""Whether a change set may go on without a person looking (pure).

A judgement follows from the header of a change set and its circumstances, and from nothing else: whole numbers only,
each kind on its own, every broken rule named. The rules are DESIGN's, "The rules of the house".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, TypeAlias

from schemas.events import ChangeSetStarted, KindCounts, Reason
from schemas.records import KINDS, Kind
from services.guard.calendar import Pause

HeldBy: TypeAlias = Literal["policy", "pause", "operator"]

LIMIT_OF_A_WEEK = 50
"""The share of a kind, in percent of what was there at their start, that seven days may remove."""

FEWEST_RENUMBERED = 10
"""Fewer who leave and come again are no sign of renumbered ids: a few people always change schools or numbers."""

SCHOOLS_NAMED = 5


@dataclass(frozen=True, slots=True)
class ExpectedChange:
    """A limit that an operator has raised between two days, both included, in the district's time zone."""

    percent: int
    first_day: date
    last_day: date
    reason: str


@dataclass(frozen=True, slots=True)
class KindLimit:
    """How much of one kind may change in a night, as it is today.

    `percent` of what exists; with fewer than `floor` records a percentage says nothing and is not judged. `expected`
    is the expected change that raised the limit, if one did. Raises ValueError unless percent is a whole number from 0
    to 100 and floor is not negative.
    """

    percent: int
    floor: int = 0
    expected: ExpectedChange | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.percent <= 100:
            raise ValueError(f"a limit is a whole number of percent from 0 to 100, not {self.percent}")
        if self.floor < 0:
            raise ValueError(f"a floor is a number of records, 0 or more, not {self.floor}")


@dataclass(frozen=True, slots=True)
class Week:
    """What was applied in the last seven days: each kind's total at their start, and how many were removed since.

    A kind that is not in them had no change applied. The start is the first total of the week that is not 0: a first
    load is not what later removals are measured against.
    """

    existing_at_start: Mapping[Kind, int] = field(default_factory=dict)
    removed: Mapping[Kind, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LookFirst:
    """An operator wants to see the district's next change set, whatever it is."""

    asked_by: str
    reason: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a judgement depends on beside the header: `limits` of every kind, and what the moment brings."""

    limits: Mapping[Kind, KindLimit]
    week: Week = Week()
    pause: Pause | None = None
    look_first: LookFirst | None = None
    setting_up: bool = False


@dataclass(frozen=True, slots=True)
class Pass:
    """The change set may be applied as it is."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The change set must wait; there is at least one reason.

    A person must look where `held_by` is 'policy' or 'operator'; what only a pause holds goes on when that ends.
    """

    reasons: tuple[Reason, ...]
    held_by: HeldBy


Judgement: TypeAlias = Pass | Hold


def judge(header: ChangeSetStarted, circumstances: Circumstances) -> Judgement:
    """Judge a change set by its header and the circumstances.

    What changes nothing always passes. The first load of a district that is being set up is not judged by policy; it
    is a first load as long as nothing of any kind exists, whatever the roster version. A pause, and an operator who
    wants to look first, hold everything else.
    """
    if header.changes == 0:
        return Pass()
    policy = tuple(_policy(header, circumstances))
    pause = tuple(_paused(circumstances.pause))
    operator = tuple(_look_first(circumstances.look_first))
    reasons = (*policy, *pause, *operator)
    if not reasons:
        return Pass()
    return Hold(reasons, "policy" if policy else "pause" if pause else "operator")


def _policy(header: ChangeSetStarted, circumstances: Circumstances) -> Iterator[Reason]:
    if not any(counts.existing for counts in header.counts.values()):
        if not circumstances.setting_up:
            yield from _first_load(header)
        return
    for kind in KINDS:
        counts, limit = header.counts.get(kind, KindCounts()), circumstances.limits[kind]
        yield from _emptied_collection(kind, counts, limit)
        yield from too_large(kind, counts, limit)
        yield from _too_large_over_a_week(kind, counts, limit, circumstances.week)
        yield from _renumbered(kind, counts, limit, header)
    yield from _emptied_school(header)


def _first_load(header: ChangeSetStarted) -> Iterator[Reason]:
    for kind in KINDS:
        counts = header.counts.get(kind, KindCounts())
        if counts.changed:
            yield Reason(
                code="first-load",
                kind=kind,
                text=f"{counts.changed:,} {kind} would be created where there are none yet; a district's first load "
                "passes unreviewed only while it is marked as being set up",
                changed=counts.changed,
                existing=0,
            )


def _emptied_collection(kind: Kind, counts: KindCounts, limit: KindLimit) -> Iterator[Reason]:
    if counts.existing > 0 and counts.after == 0:
        yield Reason(
            code="emptied-collection",
            kind=kind,
            text=f"{kind} 100%: collection came back empty, {counts.existing:,} would be removed",
            changed=counts.changed,
            existing=counts.existing,
            limit=limit.percent,
        )


def too_large(kind: Kind, counts: KindCounts, limit: KindLimit) -> Iterator[Reason]:
    """Changed × 100 > limit × existing, so that exactly the limit passes; of nothing, any change is over the limit."""
    if counts.existing < limit.floor or counts.changed * 100 <= limit.percent * counts.existing:
        return
    if counts.existing:
        share = _share(counts.changed, counts.existing, limit.percent)
        what = f"{share} of {kind} would change: {counts.changed:,} of {counts.existing:,}"
    else:
        what = f"{counts.changed:,} {kind} would be created where there are none yet"
    raised = f", raised until {_in_words(limit.expected.last_day)}" if limit.expected is not None else ""
    yield Reason(
        code="too-large",
        kind=kind,
        text=f"{what} (limit {limit.percent}%{raised})",
        changed=counts.changed,
        existing=counts.existing,
        limit=limit.percent,
    )


def _too_large_over_a_week(kind: Kind, counts: KindCounts, limit: KindLimit, week: Week) -> Iterator[Reason]:
    """Add up what leaves in seven days. A kind's limit that is higher than the week's is the week's, too.

    Without a week behind it a night is judged by `too-large` alone, which then says the same.
    """
    start, before = week.existing_at_start.get(kind) or counts.existing, week.removed.get(kind, 0)
    removed, percent = before + counts.removed, max(LIMIT_OF_A_WEEK, limit.percent)
    if counts.removed == 0 or start < limit.floor or (before == 0 and start == counts.existing):
        return
    if removed * 100 > percent * start:
        yield Reason(
            code="too-large-over-a-week",
            kind=kind,
            text=f"{_share(removed, start, percent)} of {kind} would be removed within seven days: {before:,} were, "
            f"{counts.removed:,} would be, of {start:,} (limit {percent}%)",
            changed=removed,
            existing=start,
            limit=percent,
        )


def _renumbered(kind: Kind, counts: KindCounts, limit: KindLimit, header: ChangeSetStarted) -> Iterator[Reason]:
    """At least ten who leave, and more than half of all who do, come again under another id.

    Classes of a new term bear the names of the old one's: while a change of classes is expected, that is no reason.
    """
    if kind == "places" or (kind == "classes" and limit.expected is not None):
        return
    again = header.renumbered.get(kind, 0)
    if again >= FEWEST_RENUMBERED and again * 2 > counts.removed:
        known_by = {"classes": "name and school", "schools": "name"}.get(kind, "email or number")
        yield Reason(
            code="renumbered",
            kind=kind,
            text=f"{again:,} of the {counts.removed:,} {kind} who would leave come again under other ids, with the "
            f"same {known_by}: the provider seems to have renumbered them",
            changed=again,
            existing=counts.existing,
        )


def _emptied_school(header: ChangeSetStarted) -> Iterator[Reason]:
    emptied = header.emptied_schools
    if not emptied:
        return
    named = ", ".join(f"{one.school} ({one.students:,})" for one in emptied[:SCHOOLS_NAMED])
    more = f" and {len(emptied) - SCHOOLS_NAMED:,} more" if len(emptied) > SCHOOLS_NAMED else ""
    schools = "1 school would lose all its" if len(emptied) == 1 else f"{len(emptied):,} schools would lose all their"
    yield Reason(
        code="emptied-school",
        kind="schools",
        text=f"{schools} students: {named}{more}",
        changed=len(emptied),
        existing=header.counts.get("schools", KindCounts()).existing,
    )


def _paused(pause: Pause | None) -> Iterator[Reason]:
    if pause is not None:
        yield Reason(
            code="paused",
            text=f"the district is paused until {_in_words(pause.last_day)} ({pause.name}); the newest change set goes "
            f"through by itself on {_in_words(pause.reopens_on)}, if it is still current and not too large",
        )


def _look_first(look_first: LookFirst | None) -> Iterator[Reason]:
    if look_first is not None:
        yield Reason(
            code="look-first",
            text=f"{look_first.asked_by} wants to look at this district's changes first: {look_first.reason}",
        )


def _share(part: int, whole: int, limit: int) -> str:
    """Give a share over the limit in whole percent, rounded half up, in words that never read as within the limit."""
    percent = (part * 200 + whole) // (2 * whole)
    return f"{percent}%" if percent > limit else f"just over {limit}%"


def _in_words(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
