"""Draws a played night: `.venv/bench/bin/python tests/bench/great_night_chart.py NIGHT.json CHART.svg`.

Imports nothing of Rollcall's: it runs where requirements-bench.lock is installed.
"""

import argparse
import json
from pathlib import Path

from matplotlib import pyplot as plt

COLORS = ("#4477aa", "#66ccee", "#117733", "#ccbb44", "#ee8866")
"""Told apart by people who see colours differently (after Paul Tol's schemes)."""


def main() -> None:
    """Stack the records that are through, zone by zone, one panel for each number of machines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("night", type=Path)
    parser.add_argument("chart", type=Path)
    given = parser.parse_args()
    played = json.loads(given.night.read_text(encoding="utf-8"))["machines"]
    plt.rcParams["svg.hashsalt"] = "rollcall"
    figure, panels = plt.subplots(1, len(played), figsize=(4.2 * len(played), 3.6), sharey=True, layout="constrained")
    for panel, (machines, zones) in zip([panels] if len(played) == 1 else panels, played.items(), strict=True):
        quarters = len(next(iter(zones.values())))
        clock = [20 + quarter / 4 for quarter in range(quarters)]
        panel.stackplot(
            clock,
            [[records / 1e6 for records in through] for through in zones.values()],
            labels=list(zones),
            colors=COLORS,
        )
        panel.set_title(f"{machines} machine{'s' if machines != '1' else ''} of two cores")
        panel.set_xticks(range(20, 35, 2), [f"{hour % 24:02}:00" for hour in range(20, 35, 2)])
        panel.set_xlabel("New York time")
    figure.axes[0].set_ylabel("million records through")
    figure.axes[0].legend(loc="upper left", fontsize=7)
    figure.savefig(given.chart, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
