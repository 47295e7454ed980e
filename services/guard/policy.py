"""How much may change in a night without a person looking (pure).

A judgement follows from the header of a change set, the limits and whether the district is being set up, and from
nothing else: whole numbers only, each kind on its own, every reason named.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, TypeAlias

from schemas.events import ChangeSetStarted, KindCounts, Reason
from schemas.records import KINDS, Kind
from services.guard.calendar import Pause

HeldBy: TypeAlias = Literal["policy", "pause", "operator"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The share of each kind, in percent of what exists, that may change unreviewed.

    Raises ValueError unless it is a whole number from 0 to 100.
    """

    percent: int

    def __post_init__(self) -> None:
        if not 0 <= self.percent <= 100:
            raise ValueError(f"a limit is a whole number of percent from 0 to 100, not {self.percent}")


@dataclass(frozen=True, slots=True)
class ExpectedChange:
    """A limit that an operator has raised between two days, both included, in the district's time zone."""

    percent: int
    first_day: date
    last_day: date
    reason: str


@dataclass(frozen=True, slots=True)
class KindLimit:
    """The limit of one kind as it is today; `expected` is the expected change that raised it, if one did."""

    percent: int
    floor: int = 0
    expected: ExpectedChange | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.percent <= 100:
            raise ValueError(f"a limit is a whole number of percent from 0 to 100, not {self.percent}")


@dataclass(frozen=True, slots=True)
class Week:
    """What was applied in the last seven days: each kind's total at their start, and how many were removed since."""

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
    """What a judgement depends on beside the header. A kind without a limit here is not limited."""

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
    """A person must look first; there is at least one reason."""

    reasons: tuple[Reason, ...]
    held_by: HeldBy = "policy"


Judgement: TypeAlias = Pass | Hold


def judge(
    header: ChangeSetStarted, circumstances: Circumstances | Limits, *, setting_up: bool | None = None
) -> Judgement:
    """Judge a change set by its header (DESIGN, "The rules of the house").

    A kind of which changed × 100 > limit × existing is too large, so that exactly the limit passes. Where nothing
    exists any change is over the limit, except in the first load of a district that is being set up, which passes
    whole. A kind that had records and would have none is a reason of its own.
    """
    if isinstance(circumstances, Limits):
        circumstances = Circumstances(
            {kind: KindLimit(circumstances.percent) for kind in KINDS}, setting_up=bool(setting_up)
        )
    if circumstances.setting_up and header.base_version == 0:
        return Pass()
    reasons = tuple(
        reason
        for kind in KINDS
        if (counts := header.counts.get(kind)) is not None
        for reason in _reasons(kind, counts, circumstances.limits[kind].percent)
    )
    return Hold(reasons) if reasons else Pass()


def _reasons(kind: Kind, counts: KindCounts, limit: int) -> Iterator[Reason]:
    def reason(code: str, text: str) -> Reason:
        return Reason(code=code, kind=kind, text=text, changed=counts.changed, existing=counts.existing, limit=limit)

    if counts.existing > 0 and counts.after == 0:
        yield reason(
            "emptied-collection", f"{kind} 100%: collection came back empty, {counts.existing:,} would be removed"
        )
    if counts.changed * 100 <= limit * counts.existing:
        return
    if counts.existing == 0:
        yield reason(
            "first-load",
            f"{counts.changed:,} {kind} would be created where there are none yet; a district's first load passes "
            "unreviewed only while it is marked as being set up",
        )
    else:
        yield reason(
            "too-large",
            f"{_share(counts, limit)} of {kind} would change: "
            f"{counts.changed:,} of {counts.existing:,} (limit {limit}%)",
        )


def _share(counts: KindCounts, limit: int) -> str:
    """Give the changed share in whole percent, rounded half up, in words that never read as within the limit."""
    percent = (counts.changed * 200 + counts.existing) // (2 * counts.existing)
    return f"{percent}%" if percent > limit else f"just over {limit}%"
