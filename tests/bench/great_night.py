"""Plays a weeknight of thousands of districts on figures measured on one machine: `python -m tests.bench.great_night`.

Nothing is pulled or applied here. Each district's moment comes from the real schedule; each stage takes as long as it
was measured to take per record (`--figures`: the JSON that `make bench` or tests.bench.stages writes; without it
that of docs/performance.md), on so many machines. What comes out is when the night ends in each time zone and how
long districts wait for their turn: see docs/scale.md, where its chart is (tests/bench/great_night_chart.py).
"""

import argparse
import heapq
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from services.ingest.schedule import ScheduledDistrict, Window, night_time

RECORDS_A_STUDENT = 1.31
"""Students, teachers and classes together, as in the benchmark's districts: 1,000,000 + 60,000 + 250,000."""

ZONES = {
    "America/New_York": 0.47,
    "America/Chicago": 0.29,
    "America/Los_Angeles": 0.16,
    "America/Denver": 0.07,
    "Pacific/Honolulu": 0.01,
}
"""Where the districts are: about the share of the people of the United States in each zone."""

LARGEST = 1_000_000
SPREAD = 1.6
"""Sigma of the lognormal sizes: half of all students are in the largest twentieth of the districts."""

MEASURED = Path(__file__).parents[2] / "docs" / "performance" / "figures.json"
NIGHTS = ("first load", "nothing changed", "1% changed")


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the night: seconds of one core for each record and for each district, and lanes over all workers."""

    name: str
    record_seconds: float
    district_seconds: float
    lanes: int


@dataclass(frozen=True, slots=True)
class Night:
    """A district's night: when it is due, with how many records, and when it was through."""

    timezone: str
    due: datetime
    records: int
    done: datetime


def districts(number: int, students: int, seed: int = 1) -> Iterator[tuple[str, str, int]]:
    """Give name, time zone and students of so many districts, together about `students`."""
    chance = random.Random(seed)
    sizes = [chance.lognormvariate(0, SPREAD) for _ in range(number)]
    scale = students / sum(sizes)
    zones, weights = list(ZONES), list(ZONES.values())
    for place, size in enumerate(sizes):
        yield f"district-{place}", chance.choices(zones, weights)[0], min(LARGEST, math.ceil(size * scale))


def play(fleet: Sequence[Stage], number: int, students: int, night: date, window: Window) -> list[Night]:
    """Play the night: a stage takes districts in the order in which they reach it, as many at once as it has lanes."""
    arrived = []
    for name, timezone, size in districts(number, students):
        due = night_time(ScheduledDistrict(name, timezone, datetime(2020, 1, 1, tzinfo=UTC)), night, window)
        arrived.append((due, timezone, due, round(size * RECORDS_A_STUDENT)))
    for stage in fleet:
        free = [datetime(2020, 1, 1, tzinfo=UTC)] * stage.lanes
        through = []
        for ready, timezone, due, records in sorted(arrived):
            begins = max(ready, heapq.heappop(free))
            ends = begins + timedelta(seconds=stage.district_seconds + records * stage.record_seconds)
            heapq.heappush(free, ends)
            through.append((ends, timezone, due, records))
        arrived = through
    return [Night(timezone, due, records, done) for done, timezone, due, records in arrived]


def micros_of(figures: Mapping[str, Any], night: str) -> tuple[float, ...]:
    """Give the CPU microseconds of a record in pull, diff, guard and apply, on such a night.

    PostgreSQL's CPU of an unchanged night is diff's reading; what it takes beyond that is apply's, like the relay's and
    activation's. Kafka's is counted with the pull, which writes nearly all of it. Raises KeyError where the figures
    lack a night.
    """
    run = figures["figures"]["clever"][0] if "figures" in figures else figures
    records = sum(number for kind, number in run["records"].items() if kind != "places")
    cpu = {
        name: {process: cost["cpu"] for process, cost in measured["processes"].items()}
        for name, measured in run["nights"].items()
    }
    spent, reading = cpu[night], cpu["nothing changed"]["postgres"]
    seconds = (
        spent["ingest"] + spent["kafka"],
        spent["diff"] + reading,
        spent["guard"],
        spent["apply"] + spent["relay"] + spent.get("activation", 0.0) + max(0.0, spent["postgres"] - reading),
    )
    return tuple(each / records * 1e6 for each in seconds)


def through(nights: Sequence[Night], begins: datetime, hours: int) -> dict[str, list[int]]:
    """Give how many records of each zone are through after each quarter of an hour."""
    counted = {zone: [0] * (hours * 4) for zone in ZONES}
    for night in nights:
        quarter = max(0, math.ceil((night.done - begins) / timedelta(minutes=15)))
        for later in range(quarter, hours * 4):
            counted[night.timezone][later] += night.records
    return counted


def fleet_of(machines: int, cores: int, pulls: int, provider_seconds: float, micros: Sequence[float]) -> list[Stage]:
    """Give the stages on so many machines. `micros` are ingest's, diff's, guard's and apply's per record.

    A pull takes at least what the provider takes to answer; while it waits, its worker pulls other districts.
    """
    ingest, diff, guard, apply_ = (micro / 1e6 for micro in micros)
    per_stage = max(1, machines * cores // 2)  # a core's night is shared: half for pulling, half for what comes after
    return [
        Stage("pull", max(provider_seconds, ingest * pulls / cores), 1.0, machines * pulls),
        Stage("diff", diff, 0.1, per_stage),
        Stage("guard", guard, 0.05, per_stage),
        Stage("apply", apply_, 0.1, per_stage),
    ]


def main() -> None:
    """Print, for fleets of several sizes, when the night ends and how long districts wait."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--districts", type=int, default=13_000)
    parser.add_argument("--students", type=int, default=50_000_000)
    parser.add_argument("--machines", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--pulls", type=int, default=4, help="pulls at once on each machine")
    parser.add_argument("--provider-micros", type=float, default=500, help="what a provider takes to answer a record")
    parser.add_argument("--figures", type=Path, default=MEASURED, help="JSON of make bench or tests.bench.stages")
    parser.add_argument("--night", choices=NIGHTS, default="1% changed", help="what kind of night all have")
    parser.add_argument("--json", type=Path, help="where to write what the chart draws")
    arguments = parser.parse_args()
    micros = micros_of(json.loads(arguments.figures.read_text(encoding="utf-8")), arguments.night)
    window = Window(starts=20, hours=6)
    begins = datetime(2026, 11, 24, 1, tzinfo=UTC)  # 20:00 in New York
    played: dict[str, dict[str, list[int]]] = {}
    table = Table(title=f"{arguments.districts:,} districts, {arguments.students:,} students", title_justify="left")
    for column in ("machines", "zone", "districts", "last one through", "waited longest", "99 of 100 within"):
        table.add_column(column, justify="left" if column == "zone" else "right")
    for machines in arguments.machines:
        fleet = fleet_of(machines, arguments.cores, arguments.pulls, arguments.provider_micros / 1e6, micros)
        nights = play(fleet, arguments.districts, arguments.students, date(2026, 11, 23), window)
        played[str(machines)] = through(nights, begins, 14)
        for zone in ZONES:
            here = [night for night in nights if night.timezone == zone]
            waits = [(night.done - night.due).total_seconds() / 60 for night in here]
            last = max(night.done for night in here).astimezone(ZoneInfo(zone))
            table.add_row(
                str(machines),
                zone,
                f"{len(here):,}",
                last.strftime("%a %H:%M"),
                f"{max(waits):.0f} min",
                f"{quantiles(waits, n=100)[98]:.0f} min",
            )
        table.add_section()
    screen = Console()
    records = arguments.students * RECORDS_A_STUDENT
    hours = ", ".join(
        f"{stage} {records * micro / 3.6e9:.2f}"
        for stage, micro in zip(("pull", "diff", "guard", "apply"), micros, strict=True)
    )
    screen.print(table)
    screen.print(
        f"hours of one core: {hours}; of waiting for providers: {records * arguments.provider_micros / 3.6e9:.1f}"
    )
    if arguments.json is not None:
        arguments.json.write_text(
            json.dumps({"begins": begins.isoformat(), "machines": played}) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
