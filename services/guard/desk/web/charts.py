"""Where the bars of the desk's charts go: numbers in, coordinates out; the templates draw them as SVG (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.records import KINDS, Kind
from services.guard.desk.answers import Counts, HeldSetShown, NightShown, SchoolBar

BAR = 4
GROUP = BAR * len(KINDS) + 6
HEIGHT = 160


@dataclass(frozen=True, slots=True)
class ShareBar:
    """The share of a kind that changes, in percent of the bar's width; `limit` where the kind is over its limit."""

    changed: float
    removed: float
    percent: int | None
    limit: int | None


def share_bar(held: HeldSetShown, kind: Kind) -> ShareBar:
    """Give the bar of one kind of a held set. What leaves is part of what changes."""
    counts = held.counts.get(kind, Counts())
    over = {reason.kind: reason.limit for reason in held.reasons if reason.code == "too-large"}
    if not counts.existing:
        return ShareBar(100.0 if counts.changed else 0.0, 0.0, counts.percent, over.get(kind))
    changed = min(100.0, counts.changed * 100 / counts.existing)
    removed = min(changed, counts.removed * 100 / counts.existing)
    return ShareBar(round(changed, 2), round(removed, 2), counts.percent, over.get(kind))


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
    """Give the chart. The line is the limit that was told last, else the house's; shares above 100% are cut there."""
    limit = next((limit for night in reversed(nights) for limit in night.limits.values()), default_limit)
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
    return HistoryChart(tuple(groups), max(1, len(nights)) * GROUP, HEIGHT, HEIGHT * (1 - limit / 100), limit)
