"""What processes do while a night runs: CPU and memory of each, with what they started, four times a second.

One pass over /proc serves them all: a sample takes a few milliseconds, so that the measuring is not what is measured.
"""

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

INTERVAL = 0.25
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    cpu: float
    resident: int


@dataclass
class Samples:
    """Moments in seconds since the first one; for each process its CPU seconds so far and bytes resident at each."""

    moments: list[float] = field(default_factory=list)
    cpu: dict[str, list[float]] = field(default_factory=dict)
    resident: dict[str, list[int]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Give the moments and the CPU as they are written to a file."""
        cpu = {name: [round(each, 2) for each in values] for name, values in self.cpu.items()}
        return {"moments": [round(each, 2) for each in self.moments], "cpu": cpu}


def _processes() -> dict[int, _Process]:
    """Give every process of this machine: a parent's CPU holds that of the children it has seen end."""
    found = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            stat = Path(entry.path, "stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        fields = stat.rpartition(")")[2].split()
        ticks = sum(map(int, fields[11:15]))
        found[int(entry.name)] = _Process(int(fields[1]), ticks / _TICK, int(fields[21]) * _PAGE)
    return found


class Sampler:
    """Looks at the trees of these processes on a thread of its own, from `start` to `stop`."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._named = {pid: name for name, pid in pids.items()}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._samples = Samples(cpu={name: [] for name in pids}, resident={name: [] for name in pids})

    def start(self) -> None:
        """Begin to look."""
        self._begun = time.monotonic()
        self._thread.start()

    def stop(self) -> Samples:
        """Look once more; give everything that was seen."""
        self._stop.set()
        self._thread.join()
        self._look()
        return self._samples

    def _run(self) -> None:
        self._look()
        while not self._stop.wait(INTERVAL):
            self._look()

    def _look(self) -> None:
        processes = _processes()
        cpu, resident = dict.fromkeys(self._pids, 0.0), dict.fromkeys(self._pids, 0)
        for pid, process in processes.items():
            if (name := self._owner(pid, processes)) is not None:
                cpu[name] += process.cpu
                resident[name] += process.resident
        self._samples.moments.append(time.monotonic() - self._begun)
        for name in self._pids:
            self._samples.cpu[name].append(cpu[name])
            self._samples.resident[name].append(resident[name])

    def _owner(self, pid: int, processes: Mapping[int, _Process]) -> str | None:
        """Give the named process that this one is, or comes from."""
        while pid not in self._named:
            process = processes.get(pid)
            if process is None:
                return None
            pid = process.parent
        return self._named[pid]
