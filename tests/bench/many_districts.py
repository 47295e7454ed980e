"""Times the nights of many small districts, all asked for at once, against those of one district of as many students.

Both run one after the other on this machine: keep the ratios. From the first request to the last update published.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.fleet import fleet
from tests.bench.recorded_districts import recorded_model
from tests.bench.stack import WORKERS
from tests.bench.stages import NIGHTS, RECORDED, bench, recorded_nights

screen = Console()


def measure(
    districts: int = 200, students: int = 500, nights: int = 3, *, folder: Path = RECORDED, compare: bool = True
) -> dict[str, Any]:
    """Run the nights; give for each its seconds and every process' CPU seconds, `many` against `one`, and the ratio.

    Raises WrongResultError where a night's result is not the generator's.
    """
    result: dict[str, Any] = {"districts": districts, "students": students, "nights": {}}
    with fleet(recorded_model(folder, students), districts) as (many, _):
        many.settle()
        for name, number, expected in NIGHTS[:nights]:
            result["nights"][name] = {"many": many.night(number, expected)}
    if not compare:
        return result
    with bench(recorded_nights(folder, districts * students, nights=nights)) as one:
        one.settle()
        for name, number, expected in NIGHTS[:nights]:
            figures = one.night(number, expected)
            cpu = {process: cost["cpu"] for process, cost in figures["processes"].items()}
            row = result["nights"][name]
            row["one"] = {"seconds": figures["seconds"], "cpu": cpu}
            row["ratio"] = row["many"]["seconds"] / figures["seconds"]
    return result


def main() -> None:
    """Run the nights, print a table, write JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.many_districts", description=__doc__)
    parser.add_argument("--districts", type=int, default=200)
    parser.add_argument("--students", type=int, default=500, help="of each district")
    parser.add_argument("--nights", type=int, choices=(1, 2, 3), default=3)
    parser.add_argument("--folder", type=Path, default=RECORDED)
    parser.add_argument("--alone", action="store_true", help="leave out the one large district")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    given = parser.parse_args()
    result = measure(given.districts, given.students, given.nights, folder=given.folder, compare=not given.alone)
    screen.print(_table(result))
    if given.json is not None:
        given.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _table(result: dict[str, Any]) -> Table:
    processes = (*WORKERS, "provider", "postgres", "kafka")
    title = f"{result['districts']:,} districts of {result['students']:,} students, and one of them all: CPU s"
    table = Table("night", "", "seconds", *processes, "all", title=title)
    for name, row in result["nights"].items():
        for which, label in (("many", "many"), ("one", "one")):
            if which in row:
                cpu = row[which]["cpu"]
                cells = (f"{cpu[process]:.1f}" for process in processes)
                table.add_row(name, label, f"{row[which]['seconds']:.1f}", *cells, f"{sum(cpu.values()):.1f}")
        if "ratio" in row:
            table.add_row("", "ratio", f"{row['ratio']:.2f}")
    return table


if __name__ == "__main__":
    main()
