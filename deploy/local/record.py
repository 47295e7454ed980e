"""`stack.json` in the home: where a running stack listens and which processes it has. One stack a home, by a file lock.

The file is readable by its owner alone, because the database's address holds a password.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import psutil

from deploy.local.errors import StackError

State: TypeAlias = Literal["starting", "ready"]


@dataclass
class ProcessRecord:
    """One process of the stack. `pid` is None between an exit and the restart; `created` tells reused pids apart."""

    name: str
    pid: int | None
    created: float
    restarts: int
    log: str


@dataclass
class StackRecord:
    """The running stack; addresses are None until their server answers, or where that server is no part of it."""

    pid: int
    created: float
    state: State = "starting"
    kafka: str | None = None
    database: str | None = None
    sandbox: str | None = None
    smtp: str | None = None
    desk: str | None = None
    activation: str | None = None
    processes: list[ProcessRecord] = field(default_factory=list)


def path(home: Path) -> Path:
    """Give the place of the record."""
    return home / "stack.json"


def write(home: Path, record: StackRecord) -> None:
    """Replace the record in one step, so that a reader never sees half of it."""
    draft = path(home).with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(record), file, indent=2)
    draft.replace(path(home))


def read(home: Path) -> StackRecord | None:
    """Give the record that was written last, of a stack that may have died since, or None where there is none."""
    if not path(home).exists():
        return None
    document: dict[str, Any] = json.loads(path(home).read_text())
    processes = [ProcessRecord(**process) for process in document.pop("processes")]
    return StackRecord(**document, processes=processes)


def running(home: Path) -> StackRecord | None:
    """Give the record of the stack that runs in this home now, or None."""
    record = read(home)
    return record if record and is_alive(record.pid, record.created) else None


def is_alive(pid: int, created: float) -> bool:
    """Tell whether this very process runs, and not another one that got its pid since."""
    try:
        process = psutil.Process(pid)
        return bool(abs(process.create_time() - created) < 1 and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the home for one stack. Raises StackError where another one has it."""
    with (home / "stack.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(
                f"the local stack of {home} is already running; `rollcall status` shows it, `rollcall down` stops it"
            ) from error
        yield
