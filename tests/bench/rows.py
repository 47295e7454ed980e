"""The rows of the table: what is aimed at, and how each is read from what was measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

Figures = Mapping[str, Sequence[Mapping[str, Any]]]
"""By measurement: what each of its repeats that ended well has written."""

FIRST, UNCHANGED, CHANGED = "first load", "nothing changed", "1% changed"
NIGHTS = (FIRST, UNCHANGED, CHANGED)
WORKERS = ("ingest", "diff", "guard", "apply", "relay", "activation")
MILLION = 1_000_000

NOTHING_LOST = 1.05
"""Two runs of one and the same night differ by as much."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `needs` are the measurements it is read from; the aim is a most, or a least where `at_least`.

    An aim in seconds is that of a million students; at other sizes it is held to in proportion (`scales`).
    """

    key: str
    title: str
    aim: float
    unit: Literal["s", "×", "MiB"]
    needs: tuple[str, ...]
    read: Callable[[Figures], list[float]]
    at_least: bool = False
    scales: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a row: one value a repeat (none: not measured), and the aim at the size that was measured."""

    row: Row
    aim: float
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle of the values."""
        return median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the median is as good as the aim; None where nothing was measured."""
        if not self.values:
            return None
        return self.median >= self.aim if self.row.at_least else self.median <= self.aim

    def as_json(self) -> dict[str, Any]:
        """Give it as it is written to a file."""
        about = {"key": self.row.key, "title": self.row.title, "unit": self.row.unit, "aim": self.aim, "met": self.met}
        if not self.values:
            return about | {"values": []}
        spread = {"median": self.median, "low": min(self.values), "high": max(self.values)}
        return about | {"values": list(self.values)} | spread


def outcomes(figures: Figures, students: int) -> list[Outcome]:
    """Read every row; one whose measurements are missing has no values."""
    found = []
    for row in ROWS:
        aim = row.aim * students / MILLION if row.scales else row.aim
        values = row.read(figures) if all(figures.get(each) for each in row.needs) else []
        found.append(Outcome(row, aim, tuple(values)))
    return found


def seconds(figures: Figures, measurement: str, night: str, until: str = "seconds") -> list[float]:
    """Give the seconds of a night in each repeat."""
    return [repeat["nights"][night][until] for repeat in figures[measurement]]


def cpu_per_record(figures: Figures, measurement: str, night: str) -> list[float]:
    """Give the CPU seconds of all processes for each school, teacher, student and class, in each repeat."""
    found = []
    for repeat in figures[measurement]:
        records = sum(number for kind, number in repeat["records"].items() if kind != "places")
        processes = repeat["nights"][night]["processes"]
        found.append(sum(cost["cpu"] for cost in processes.values()) / records)
    return found


def memory(figures: Figures, measurement: str) -> list[dict[str, int]]:
    """Give the most bytes that each worker had resident in any night, in each repeat."""
    return [
        {
            worker: max(night["processes"][worker]["peak_rss"] for night in repeat["nights"].values())
            for worker in WORKERS
            if worker in repeat["nights"][FIRST]["processes"]
        }
        for repeat in figures[measurement]
    ]


def _night(measurement: str, night: str, until: str = "seconds") -> Callable[[Figures], list[float]]:
    return lambda figures: seconds(figures, measurement, night, until)


def _growth(night: str) -> Callable[[Figures], list[float]]:
    def read(figures: Figures) -> list[float]:
        small = median(cpu_per_record(figures, "tenth", night))
        return [each / small for each in cpu_per_record(figures, "clever", night)]

    return read


def _most_memory(figures: Figures) -> list[float]:
    """Give the one value that counts: no worker may ever have more."""
    peaks = [
        max(workers.values())
        for each in ("clever", "oneroster")
        if figures.get(each)
        for workers in memory(figures, each)
    ]
    return [max(peaks) / 2**20]


def _against_dlt(figures: Figures) -> list[float]:
    ours = median(seconds(figures, "clever", CHANGED))
    return [each / ours for each in seconds(figures, "dlt", CHANGED)]


def _against_floor(figures: Figures) -> list[float]:
    floor = median(seconds(figures, "floor", CHANGED))
    return [each / floor for each in seconds(figures, "clever", CHANGED)]


def _many(night: str) -> Callable[[Figures], list[float]]:
    return lambda figures: [repeat["nights"][night]["ratio"] for repeat in figures["many-districts"]]


def _two(night: str) -> Callable[[Figures], list[float]]:
    return lambda figures: [repeat["nights"][night]["ratio"] for repeat in figures["two-instances"]]


ROWS: tuple[Row, ...] = (
    Row(CHANGED, "Clever, 1% changed", 35, "s", ("clever",), _night("clever", CHANGED), scales=True),
    Row(UNCHANGED, "Clever, nothing changed", 25, "s", ("clever",), _night("clever", UNCHANGED), scales=True),
    Row(
        FIRST,
        "Clever, first load, everybody matched and told",
        150,
        "s",
        ("clever",),
        _night("clever", FIRST, "activated_after"),
        scales=True,
    ),
    Row("oneroster", "OneRoster, 1% changed", 90, "s", ("oneroster",), _night("oneroster", CHANGED), scales=True),
    Row("dlt", "faster than dlt, 1% changed", 10, "×", ("clever", "dlt"), _against_dlt, at_least=True),
    Row("floor", "against the floor, 1% changed", 3, "×", ("clever", "floor"), _against_floor),
    Row("memory", "most memory of a worker", 512, "MiB", ("clever",), _most_memory),
    *(
        Row(
            f"growth {night}",
            f"CPU a record against a tenth of the size, {night}",
            1.15,
            "×",
            ("clever", "tenth"),
            _growth(night),
        )
        for night in NIGHTS
    ),
    *(
        Row(f"many {night}", f"districts of 500 against one, {night}", 1.5, "×", ("many-districts",), _many(night))
        for night in NIGHTS
    ),
    *(
        Row(
            f"two {night}",
            f"two of every worker against one, {night}",
            NOTHING_LOST,
            "×",
            ("two-instances",),
            _two(night),
        )
        for night in NIGHTS
    ),
)
