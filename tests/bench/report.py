"""What was measured, as a table on the screen and as the generated part of docs/performance.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from tests.bench.rows import CHANGED, FIRST, Figures, Outcome, seconds

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
CHARTS = {
    "night.svg": "What each process does in a night, stage by stage",
    "growth.svg": "CPU seconds a night at a tenth of the size and at the whole",
    "memory.svg": "The most memory of each worker",
}


class NoPlaceError(Exception):
    """The page has no place for what was measured."""


def figure(value: float, unit: str) -> str:
    """Give a value as people read it."""
    if unit == "MiB":
        return f"{value:,.0f} MiB"
    return f"{value:.1f} {unit}" if unit == "s" and value >= 10 else f"{value:.2f} {unit}"


def cells(outcome: Outcome) -> tuple[str, str, str, str, str]:
    """Give a row's cells: what, the aim, the median, the spread, and whether the aim is met."""
    unit, values = outcome.row.unit, outcome.values
    aim = f"{'at least' if outcome.row.at_least else 'at most'} {figure(outcome.aim, unit)}"
    if not values:
        return outcome.row.title, aim, "not measured", "", ""
    spread = f"{figure(min(values), unit)} – {figure(max(values), unit)} ({len(values)})"
    return outcome.row.title, aim, figure(outcome.median, unit), spread, "yes" if outcome.met else "no"


def screen_table(outcomes: Sequence[Outcome], students: int) -> Table:
    """Give the table for the screen."""
    table = Table(
        "row", title=f"{students:,} students; aims in seconds in proportion to a million", title_justify="left"
    )
    for column in ("aim", "median", "spread (repeats)", "met"):
        table.add_column(column, justify="right")
    for outcome in outcomes:
        style = None if outcome.met is None else "green" if outcome.met else "red"
        *before, met = cells(outcome)
        table.add_row(*before, f"[{style}]{met}[/]" if style else met)
    return table


def markdown(result: Mapping[str, Any], outcomes: Sequence[Outcome], charts: Sequence[str]) -> str:
    """Give the generated part of the page."""
    clever = result["figures"].get("clever") or [{}]
    records = clever[0].get("records", {})
    sizes = ", ".join(f"{number:,} {kind}" for kind, number in records.items())
    lines = [f"{result['students']:,} students. Clever's form: {sizes or 'not measured'}."]
    if "accounts" in clever[0]:
        lines[0] += f" {clever[0]['accounts']:,} accounts were there before."
    lines += ["", "| row | aim | median | spread (repeats) | met |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(cells(outcome))} |" for outcome in outcomes]
    lines += compared_with(result["figures"])
    if result["failures"]:
        lines += ["", "What failed, and is missing above:", ""]
        lines += [f"- {each['measurement']}: {each['failure']}" for each in result["failures"]]
    for chart in charts:
        lines += ["", f"![{CHARTS[chart]}](performance/{chart})"]
    lines += ["", "| on | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in result["machine"].items()]
    if paces := result.get("paces"):
        told = f"{median(paces):.2f} s, {min(paces):.2f} to {max(paces):.2f} s"
        lines.append(f"| pace | a fixed piece of work took one core {told}, before each measurement |")
    return "\n".join(lines)


def compared_with(figures: Figures) -> list[str]:
    """Give what Rollcall's nights are compared with, in seconds: dlt's nights, and the parts of the floor's."""
    lines = []
    if dlt := figures.get("dlt"):
        nights = [f"{night} {median(seconds(figures, 'dlt', night)):.1f} s" for night in (FIRST, CHANGED)]
        lines += ["", f"dlt {dlt[0]['version']}: {', '.join(nights)}."]
    for night in (FIRST, CHANGED) if figures.get("floor") else ():
        parts = [repeat["nights"][night]["parts"] for repeat in figures["floor"]]
        told = ", ".join(f"{part} {median(each[part] for each in parts):.2f}" for part in parts[0])
        lines += ["", f"The floor, {night}: {median(seconds(figures, 'floor', night)):.1f} s ({told})."]
    return lines


def write_page(page: Path, generated: str) -> None:
    """Put what was measured in its place on the page. Raises NoPlaceError where the page has none."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NoPlaceError(f"{page} has no lines {BEGIN} and {END}; put them where the figures belong")
    page.write_text(f"{before}{BEGIN}\n{generated}\n{END}{after}", encoding="utf-8")
