"""The measurements behind the table, each a command of its own: one that fails takes no other with it.

Repeats go round and round rather than one measurement after the other, so that a machine that slows down does not slow
down one row alone; and what was measured so far is whole after every round.
"""

import json
import math
import shlex
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench.machine import pace

SMALL_DISTRICT = 500
"""Students of each of many districts."""

SHARED_DISTRICT, SHARED_DISTRICTS = 2_000, 8
"""Students of each of the districts that two processes of a worker share, and how many these are at least."""

screen = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Measurement:
    """A module of this package with its options: it writes its figures as JSON, and fails on a wrong result."""

    name: str
    module: str
    options: tuple[str, ...]
    repeats: int

    def command(self, folder: Path) -> list[str]:
        """Give the command, except for where it writes to."""
        return [sys.executable, "-m", f"tests.bench.{self.module}", *self.options, "--folder", str(folder)]


@dataclass(frozen=True, slots=True)
class Repeat:
    """What one run of a measurement came to: its figures, or why there are none; and the machine's pace before it."""

    measurement: str
    figures: dict[str, Any] | None
    failure: str = ""
    pace: float = 0.0


def planned(students: int, repeats: int, only: Sequence[str] = ()) -> list[Measurement]:
    """Give what to measure of a district of so many students. What takes longest is repeated less."""
    size, tenth = str(students), str(students // 10)
    some = min(repeats, 2)
    districts = ("--districts", str(max(2, students // SMALL_DISTRICT)), "--students", str(SMALL_DISTRICT))
    each = min(SHARED_DISTRICT, students // SHARED_DISTRICTS)
    shared = ("--districts", str(students // max(each, 1)), "--students", str(each))
    everything = [
        Measurement("clever", "stages", ("--students", size, "--accounts"), repeats),
        Measurement("tenth", "stages", ("--students", tenth, "--accounts"), repeats),
        Measurement("floor", "floor", ("--students", size), repeats),
        Measurement("oneroster", "stages", ("--students", size, "--provider", "oneroster"), some),
        Measurement("dlt", "dlt_nights", ("--students", size), some),
        Measurement("many-districts", "many_districts", districts, some),
        Measurement("two-instances", "two_instances", shared, some),
    ]
    return [each for each in everything if not only or each.name in only]


def measured(measurements: Sequence[Measurement], folder: Path, minutes: float = math.inf) -> Iterator[Repeat]:
    """Run them round after round; give each run's figures as it ends.

    Each is run once, however long that takes, and repeated only where it would end within so many minutes of the
    first one's beginning, by what it took before.
    """
    ends = time.monotonic() + 60 * minutes
    took: dict[str, float] = {}
    for number in range(max(each.repeats for each in measurements)):
        for measurement in measurements:
            begun = time.monotonic()
            in_time = number == 0 or begun + took[measurement.name] <= ends
            if number >= measurement.repeats or not in_time:
                continue
            screen.rule(f"{measurement.name}, {number + 1} of {measurement.repeats}", align="left")
            yield _run(measurement, folder)
            took[measurement.name] = time.monotonic() - begun


def _run(measurement: Measurement, folder: Path) -> Repeat:
    """Run it, passing on what it prints; what it says last of all is why it failed, if it did."""
    with tempfile.TemporaryDirectory(prefix="rollcall-bench-") as home:
        file = Path(home) / "figures.json"
        command = [*measurement.command(folder), "--json", str(file)]
        screen.print(shlex.join(command[1:]), style="dim", highlight=False, soft_wrap=True)
        before, begun = pace(), time.monotonic()
        said: deque[str] = deque(maxlen=1)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                screen.out(line, end="", highlight=False)
                if line.strip():
                    said.append(line.strip())
        screen.print(f"took {time.monotonic() - begun:.0f} s", style="dim", highlight=False)
        if process.returncode == 0:
            return Repeat(measurement.name, json.loads(file.read_text(encoding="utf-8")), pace=before)
    failure = " ".join(said) or f"ended with status {process.returncode} and said nothing"
    screen.print(f"{measurement.name} failed: {failure}", style="bold red", highlight=False)
    return Repeat(measurement.name, None, failure)
