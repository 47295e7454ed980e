"""What a change set does, as a table for a terminal: per kind what is now, comes, changes, leaves, and will be."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from schemas.events import KindCounts
from schemas.records import KINDS

BAR_CELLS = 20


def counts_table(counts: Mapping[str, Mapping[str, int]], limit_percent: int) -> Table:
    """Give the table; the bar shows the changed share of each kind against the limit, 'over' above it."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("")
    for heading in ("now", "+ new", "~ changed", "− leave", "after"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("share of limit", no_wrap=True)
    for kind in KINDS:
        values = KindCounts.model_validate(counts.get(kind, {}))
        table.add_row(
            kind,
            f"{values.existing:,}",
            f"{values.created:,}",
            f"{values.updated:,}",
            Text(f"{values.removed:,}", style="red" if values.removed else ""),
            f"{values.after:,}",
            _bar(values, limit_percent),
        )
    return table


def reason_lines(reasons: Iterable[Mapping[str, Any]]) -> list[str]:
    """Give the reasons for which a set is held, a line each."""
    return [f"  ● {reason['text']}" for reason in reasons]


def defect_lines(defects: Mapping[str, int]) -> list[str]:
    """Give what was wrong with the provider's data, a line each."""
    return [f"  {count:>7,} × {code}" for code, count in defects.items() if count]


def _bar(counts: KindCounts, limit_percent: int) -> Text:
    if counts.changed and not counts.existing:
        return Text("all new")
    if counts.changed * 100 > limit_percent * counts.existing:
        return Text("▏" * BAR_CELLS + " over", style="red")
    if not counts.changed:
        return Text("")
    cells = BAR_CELLS * counts.changed * 100 // (limit_percent * counts.existing)
    return Text("▏" * max(cells, 1))
