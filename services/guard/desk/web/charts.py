"""Where the bars of the desk's charts go: numbers in, coordinates out; the templates draw them as SVG (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.records import KINDS, Kind
from services.guard.desk.answers import Counts, HeldSetShown, NightShown, SchoolBar

BAR = 4
GROUP = BAR * len(KINDS) + 6
HEIGHT = 160
_FEWEST_GROUPS = 5  # a night's date is as wide


@dataclass(frozen=True, slots=True)
class ShareBar:
    """What a kind changes as a share of its limit, in percent of the bar's width, cut at the whole bar.

    Where no limit was told, the whole bar is all that exists. `percent` is of what exists, as the limit is.
    """

    changed: float
    removed: float
    percent: int | None
    limit: int | None
    is_over: bool


def share_bar(held: HeldSetShown, kind: Kind) -> ShareBar:
    """Give the bar of one kind of a held set. What leaves is part of what changes."""
    counts = held.counts.get(kind, Counts())
    limit = held.limits.get(kind)
    is_over = any(reason.code == "too-large" and reason.kind == kind for reason in held.reasons)
    whole = counts.existing * (100 if limit is None else limit)  # in hundredths of a record
    if not whole:
        full = 100.0 if counts.changed else 0.0
        return ShareBar(full, min(full, 100.0 * counts.removed), counts.percent, limit, is_over)
    changed = min(100.0, counts.changed * 10_000 / whole)
    removed = min(changed, counts.removed * 10_000 / whole)
    return ShareBar(round(changed, 2), round(removed, 2), counts.percent, limit, is_over)


@dataclass(frozen=True, slots=True)
class SchoolRow:
    """A school with its bar's three parts, in percent of the longest bar."""

    bar: SchoolBar
    removed: float
    updated: float
    created: float


def school_rows(bars: Sequence[SchoolBar]) -> list[SchoolRow]:
    """Give each school's bar, drawn against the school with the most changes."""
    most = max((bar.changes for bar in bars), default=0) or 1
    return [
        SchoolRow(bar, *(round(part * 100 / most, 2) for part in (bar.removed, bar.updated, bar.created)))
        for bar in bars
    ]


@dataclass(frozen=True, slots=True)
class Column:
    """One bar: a kind's changed share in one night."""

    x: int
    y: float
    height: float
    kind: Kind


@dataclass(frozen=True, slots=True)
class NightGroup:
    """A night in the chart: its bars, and its frame where it was held."""

    night: NightShown
    x: int
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class HistoryChart:
    """The chart of a district's nights; `limit_y` is where the limit's line goes."""

    groups: tuple[NightGroup, ...]
    width: int
    height: int
    limit_y: float
    limit: int


def history_chart(nights: Sequence[NightShown], default_limit: int) -> HistoryChart:
    """Give the chart. The line is the lowest limit of the night that told some last, else the house's.

    Shares above 100% are cut there.
    """
    limit = next((min(night.limits.values()) for night in reversed(nights) if night.limits), default_limit)
    groups = []
    for place, night in enumerate(nights):
        left = place * GROUP
        columns = []
        for index, kind in enumerate(KINDS):
            counts = night.counts.get(kind, Counts())
            share = min(counts.percent if counts.percent is not None else 100 * (counts.changed > 0), 100)
            if counts.changed:
                height = max(1.5, HEIGHT * share / 100)
                columns.append(Column(left + 3 + index * BAR, HEIGHT - height, height, kind))
        groups.append(NightGroup(night, left, tuple(columns)))
    return HistoryChart(
        tuple(groups), max(_FEWEST_GROUPS, len(nights)) * GROUP, HEIGHT, HEIGHT * (1 - limit / 100), limit
    )
