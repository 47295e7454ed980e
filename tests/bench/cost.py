"""What processes cost: CPU seconds and memory of each, with what they started."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds (user and system) so far, and the most memory that was resident so far, in bytes."""

    cpu: float
    peak_rss: int

    def since(self, before: Self) -> "Cost":
        """Give what was used since; the peak stays the peak."""
        return Cost(self.cpu - before.cpu, self.peak_rss)


def costs(pids: Mapping[str, int]) -> dict[str, Cost]:
    """Give the cost of each named process with all its descendants, living or ended."""
    return {name: _tree(psutil.Process(pid)) for name, pid in pids.items()}


def _tree(process: psutil.Process) -> Cost:
    cpu, peak = 0.0, 0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            times = each.cpu_times()
            cpu += times.user + times.system + times.children_user + times.children_system
            peak = max(peak, _peak(each.pid))
    return Cost(cpu, peak)


def _peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return 1024 * next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)
