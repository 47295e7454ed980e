"""Draws what was measured: `python charts.py FIGURES.json FOLDER`, where requirements-bench.lock is installed.

Imports nothing of Rollcall's. A chart whose figures are missing is left out.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

PROCESSES = ("provider", "ingest", "diff", "guard", "apply", "relay", "activation", "postgres", "kafka")
WORKERS = ("ingest", "diff", "guard", "apply", "relay", "activation")
NIGHTS = ("first load", "nothing changed", "1% changed")
LIMIT_MIB = 512
COLORS = dict(
    zip(
        PROCESSES,
        ("#b8b8b8", "#4477aa", "#66ccee", "#117733", "#ccbb44", "#ee8866", "#aa3377", "#334155", "#999933"),
        strict=True,
    )
)
"""Told apart by people who see colours differently, and in print (after Paul Tol's schemes)."""


def night(figures: Mapping[str, Any], students: int) -> plt.Figure:
    """Stack the cores that each process uses over a night: one panel a night, each with its own seconds."""
    nights = figures["clever"][0]["nights"]
    figure, panels = plt.subplots(len(nights), 1, figsize=(9, 2.6 * len(nights)), layout="constrained")
    for panel, (name, measured) in zip(np.atleast_1d(panels), nights.items(), strict=True):
        moments = np.array(measured["samples"]["moments"])
        # A quarter of a second of a short night is much, of a long one nothing: each has some hundred steps at most.
        step = max(0.25, moments[-1] / 150)
        grid = np.arange(0, moments[-1] + step, step)
        cores = [
            np.repeat(np.diff(np.interp(grid, moments, measured["samples"]["cpu"].get(process, 0 * moments))) / step, 2)
            for process in PROCESSES
        ]
        edges, colors = np.repeat(grid, 2)[1:-1], [COLORS[process] for process in PROCESSES]
        panel.stackplot(edges, cores, labels=PROCESSES, colors=colors, lw=0)
        _mark(panel, measured)
        panel.set(ylabel="cores in use", xlim=(0, moments[-1]), ylim=(0, max(2.0, float(np.sum(cores, axis=0).max()))))
        panel.set_title(f"{name}, {students:,} students", loc="left")
    panel.set_xlabel("seconds since the sync was asked for")
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside right upper", frameon=False)
    return figure


def _mark(panel: Any, measured: Mapping[str, Any]) -> None:
    """Draw when the roster was applied, told, and everybody activated; moments too close to tell apart are one."""
    marks: list[tuple[float, str]] = []
    whole = max(measured["samples"]["moments"])
    for key, word in (("applied_after", "applied"), ("seconds", "told"), ("activated_after", "activated")):
        if key not in measured:
            continue
        if marks and measured[key] - marks[-1][0] < whole / 12:
            marks[-1] = (measured[key], f"{marks[-1][1]}, {word}")
        else:
            marks.append((measured[key], word))
    for moment, word in marks:
        panel.axvline(moment, color="black", lw=0.8, ls=":")
        panel.annotate(
            f"{word} ",
            (moment, 1),
            xycoords=("data", "axes fraction"),
            ha="right",
            va="bottom",
            fontsize=8,
        )


def growth(figures: Mapping[str, Any], students: int) -> plt.Figure:
    """Draw CPU microseconds a record of each process, at a tenth of the size and at the whole, night by night."""
    figure, panels = plt.subplots(1, len(NIGHTS), figsize=(9, 3.8), layout="constrained")
    for panel, name in zip(panels, NIGHTS, strict=True):
        bottom = np.zeros(2)
        for process in PROCESSES:
            micros = np.array([_micros(figures[size], name, process) for size in ("tenth", "clever")])
            panel.bar(
                (f"{students // 10:,}", f"{students:,}"), micros, 0.6, bottom, label=process, color=COLORS[process]
            )
            bottom += micros
        for place, height in enumerate(bottom):
            panel.annotate(f"{height:,.0f}", (place, height), ha="center", va="bottom", fontsize=9)
        panel.set_title(f"{name}\n{bottom[1] / bottom[0]:.2f} times", loc="left")
        panel.set_xlabel("students")
        panel.margins(y=0.1)
    panels[0].set_ylabel("CPU microseconds a record")
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside right upper", frameon=False)
    return figure


def _micros(repeats: Sequence[Mapping[str, Any]], name: str, process: str) -> float:
    spent = []
    for repeat in repeats:
        records = sum(number for kind, number in repeat["records"].items() if kind != "places")
        cost = repeat["nights"][name]["processes"].get(process, {"cpu": 0.0})
        spent.append(cost["cpu"] / records * 1e6)
    return float(np.median(spent))


def memory(figures: Mapping[str, Any], students: int) -> plt.Figure:
    """Draw the most that each worker had resident in any night, by size and provider, beside the limit."""
    named = (
        ("tenth", f"Clever, {students // 10:,} students"),
        ("clever", f"Clever, {students:,} students"),
        ("oneroster", f"OneRoster, {students:,} students"),
    )
    shown = [(label, figures[name]) for name, label in named if figures.get(name)]
    figure, panel = plt.subplots(figsize=(9, 3.8), layout="constrained")
    width = 0.8 / len(shown)
    for number, (label, repeats) in enumerate(shown):
        peaks = [_peak(repeats, worker) for worker in WORKERS]
        places = np.arange(len(WORKERS)) + (number - (len(shown) - 1) / 2) * width
        color = ("#a9c6e4", "#4477aa", "#ccbb44")[number]
        bars = panel.bar(places, peaks, width * 0.92, label=label, color=color)
        panel.bar_label(bars, [f"{peak:.0f}" if peak else "" for peak in peaks], fontsize=8, padding=2)
    panel.axhline(LIMIT_MIB, color="#aa3377", lw=1, ls="--")
    panel.annotate(f"aim: {LIMIT_MIB} MiB", (len(WORKERS) - 0.45, LIMIT_MIB), ha="right", va="bottom", color="#aa3377")
    panel.set_xticks(range(len(WORKERS)), WORKERS)
    panel.set(ylabel="most MiB resident", xlim=(-0.55, len(WORKERS) - 0.45))
    panel.margins(y=0.12)
    panel.legend(frameon=False, ncols=len(shown), loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def _peak(repeats: Sequence[Mapping[str, Any]], worker: str) -> float:
    nights = [night for repeat in repeats for night in repeat["nights"].values()]
    return max((night["processes"].get(worker, {"peak_rss": 0})["peak_rss"] for night in nights), default=0) / 2**20


CHARTS = {
    "night.svg": (night, ("clever",)),
    "growth.svg": (growth, ("clever", "tenth")),
    "memory.svg": (memory, ("clever",)),
}


def main() -> None:
    """Draw every chart for which there are figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figures", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--png", action="store_true", help="as PNG, to look at")
    given = parser.parse_args()
    result = json.loads(given.figures.read_text(encoding="utf-8"))
    mpl.use("Agg")
    mpl.rcParams.update(
        {
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "figure.facecolor": "white",
            "svg.hashsalt": "rollcall",
        }
    )
    for name, (draw, needs) in CHARTS.items():
        if all(result["figures"].get(each) for each in needs):
            file = given.folder / (f"{Path(name).stem}.png" if given.png else name)
            figure = draw(result["figures"], result["students"])
            figure.savefig(file, dpi=110, metadata={} if given.png else {"Date": None})
            plt.close(figure)


if __name__ == "__main__":
    main()
