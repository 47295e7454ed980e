"""Measures all that Rollcall aims at, side by side, several times: `make bench`.

Prints a table with aims, medians and spread; fails where a result was wrong, never where it was slow.
"""

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench.dlt_nights import BENCH_PYTHON
from tests.bench.machine import machine
from tests.bench.measurements import Repeat, measured, planned
from tests.bench.report import CHARTS, markdown, screen_table, write_page
from tests.bench.rows import MILLION, outcomes
from tests.bench.stages import RECORDED

EXAMPLE = """examples:
  python -m tests.bench --students 20000 --repeat 1 --only clever floor
  python -m tests.bench --full --docs
  python -m tests.bench --redraw figures.json --docs
"""
DOCS = Path(__file__).parents[2] / "docs"
MEASUREMENTS = tuple(each.name for each in planned(0, 1))
ONLY = f"only {', '.join(MEASUREMENTS[:-1])} or {MEASUREMENTS[-1]}"

screen = Console()


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--students", type=int, default=100_000, help="of the district (default: 100,000)")
    parser.add_argument("--repeat", type=int, default=3, help="how often each is measured (default: 3)")
    parser.add_argument(
        "--minutes", type=float, default=20, help="repeat only what ends within so many (default: 20); not with --full"
    )
    parser.add_argument("--full", action="store_true", help="a million students; takes hours")
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, metavar="WHAT", default=(), help=ONLY)
    parser.add_argument("--folder", type=Path, default=RECORDED, help="where providers' answers are recorded")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    parser.add_argument("--docs", action="store_true", help="write docs/performance.md and its charts anew")
    parser.add_argument("--redraw", type=Path, help="measure nothing: take the figures of an earlier --json")
    given = parser.parse_args(arguments)
    if given.full:
        given.students, given.minutes = MILLION, math.inf
    return given


def main() -> None:
    """Measure, print, write."""
    given = options()
    if given.redraw is not None:
        result = json.loads(given.redraw.read_text(encoding="utf-8"))
    else:
        result = {"machine": machine(), "students": given.students, "figures": {}, "failures": [], "paces": []}
        plan = planned(given.students, given.repeat, given.only)
        for repeat in measured(plan, given.folder, given.minutes):
            _add(result, repeat)
            _write(result, given.json, given.docs)
    found = outcomes(result["figures"], result["students"])
    result["rows"] = [outcome.as_json() for outcome in found]
    _write(result, given.json, given.docs)
    screen.print(screen_table(found, result["students"]))
    if given.docs:
        write_page(DOCS / "performance.md", markdown(result, found, _draw(DOCS / "performance")))
    if result["failures"]:
        sys.exit("\n".join(f"{each['measurement']} failed: {each['failure']}" for each in result["failures"]))


def _add(result: dict[str, Any], repeat: Repeat) -> None:
    if repeat.figures is not None:
        result["paces"].append(repeat.pace)
        earlier = result["figures"].setdefault(repeat.measurement, [])
        if earlier:  # one time line is drawn
            for night in repeat.figures["nights"].values():
                night.pop("samples", None)
        earlier.append(repeat.figures)
    else:
        result["failures"].append({"measurement": repeat.measurement, "failure": repeat.failure})


def _write(result: dict[str, Any], named: Path | None, docs: bool) -> None:
    for file in (named, DOCS / "performance" / "figures.json" if docs else None):
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(result) + "\n", encoding="utf-8")


def _draw(folder: Path) -> list[str]:
    """Draw the charts for which there are figures; give their names."""
    if not BENCH_PYTHON.exists():
        sys.exit(f"nothing draws charts: there is no {BENCH_PYTHON}; `make bench` installs it")
    for chart in CHARTS:
        (folder / chart).unlink(missing_ok=True)
    subprocess.run([BENCH_PYTHON, Path(__file__).with_name("charts.py"), folder / "figures.json", folder], check=True)
    return [chart for chart in CHARTS if (folder / chart).exists()]


if __name__ == "__main__":
    main()
