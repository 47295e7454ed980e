"""Times districts' nights with one process of every worker, and with two: on two cores the second must cost nothing.

Tells which of the processes has each district. Every night's result is compared with the generator, and every update
must have come once.
"""

import argparse
import json
from contextlib import closing
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient
from rich.console import Console
from rich.table import Table

from schemas.topics import APPROVED, CHANGES, SNAPSHOTS, SYNC_REQUESTS, Topic
from tests.bench.fleet import Fleet, fleet
from tests.bench.recorded_districts import recorded_model
from tests.bench.stages import NIGHTS, RECORDED
from tests.guarding import partition_of
from tests.pipeline import Pipeline, until

READS: dict[str, Topic] = {"ingest": SYNC_REQUESTS, "diff": SNAPSHOTS, "guard": CHANGES, "apply": APPROVED}
"""The workers that share districts by a topic's partitions. Of relays one works, and the others wait for its end."""

screen = Console()


def measure(districts: int = 8, students: int = 3000, nights: int = 3, *, folder: Path = RECORDED) -> dict[str, Any]:
    """Run the nights with one and with two of every worker; give seconds and CPU seconds of both, and their ratios.

    `instances` says of each worker which districts each of the two had. Raises WrongResultError where a night's
    result is not the generator's.
    """
    result: dict[str, Any] = {"districts": districts, "students": students, "nights": {}}
    model = recorded_model(folder, students)
    for instances, label in ((1, "one"), (2, "two")):
        with fleet(model, districts, instances) as (many, running):
            many.settle()
            result["instances"] = {name: _districts_of(running, many, name, instances) for name in READS}
            for name, number, expected in NIGHTS[:nights]:
                figures = many.night(number, expected)
                figures["all_cpu"] = sum(figures["cpu"].values())
                result["nights"].setdefault(name, {})[label] = figures
    for row in result["nights"].values():
        row["ratio"] = row["two"]["seconds"] / row["one"]["seconds"]
        row["cpu_ratio"] = row["two"]["all_cpu"] / row["one"]["all_cpu"]
    return result


def _districts_of(running: Pipeline, many: Fleet, worker: str, instances: int) -> list[list[str]]:
    """Give the districts of each process, once all of them share the topic's partitions among them."""
    group, topic = f"{running.prefix}rollcall.{worker}", READS[worker]

    def shares() -> list[set[int]] | None:
        with closing(KafkaAdminClient(bootstrap_servers=running.kafka)) as admin:
            told = admin.describe_groups([group])[group]
        if told["group_state"] != "Stable":
            return None
        found = [
            {
                number
                for assigned in member["member_assignment"]["assigned_partitions"]
                if assigned["topic"] == running.prefix + topic.name
                for number in assigned["partitions"]
            }
            for member in sorted(told["members"], key=lambda member: str(member["member_id"]))
        ]
        shared = len(found) == instances and all(found) and sum(map(len, found)) == topic.partitions
        return found if shared else None

    found = until(f"{instances} of {worker} share {topic.name}", shares, 120)
    return [[district for district in many.districts if partition_of(district) in share] for share in found]


def main() -> None:
    """Run the nights, print tables, write JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.two_instances", description=__doc__)
    parser.add_argument("--districts", type=int, default=8)
    parser.add_argument("--students", type=int, default=3000, help="of each district")
    parser.add_argument("--nights", type=int, choices=(1, 2, 3), default=3)
    parser.add_argument("--folder", type=Path, default=RECORDED)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    given = parser.parse_args()
    result = measure(given.districts, given.students, given.nights, folder=given.folder)
    title = f"{given.districts} districts of {given.students:,} students"
    table = Table("night", "one: s", "two: s", "ratio", "one: CPU s", "two: CPU s", "ratio", title=title)
    for name, row in result["nights"].items():
        one, two = row["one"], row["two"]
        seconds = (f"{one['seconds']:.1f}", f"{two['seconds']:.1f}", f"{row['ratio']:.2f}")
        table.add_row(name, *seconds, f"{one['all_cpu']:.1f}", f"{two['all_cpu']:.1f}", f"{row['cpu_ratio']:.2f}")
    screen.print(table)
    spread = Table("worker", "one has", "the other has", title="districts over the two processes")
    for name, shares in result["instances"].items():
        spread.add_row(name, *(", ".join(share) for share in shares))
    screen.print(spread)
    if given.json is not None:
        given.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
