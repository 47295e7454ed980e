"""Keeps the processes of the stack up: starts them in order, restarts what ends, stops them in the reverse order."""

import queue
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import psutil

from deploy.local.errors import StackError
from deploy.local.process import Process
from deploy.local.record import ProcessRecord

_LOG_CHECK_SECONDS = 30.0
_STEADY_SECONDS = 60.0
_LONGEST_DELAY = 30.0


def restart_delay(failures: int) -> float:
    """Give how many seconds to wait before the restart after so many failures in a row: 0.5, 1, 2 and so on to 30."""
    return float(min(_LONGEST_DELAY, 0.5 * 2 ** max(0, failures - 1)))


@dataclass
class Child:
    """A process that is kept up. `start` returns when it does its work, or raises StackError."""

    process: Process
    start: Callable[[], None]
    restarts: int = 0
    failures: int = field(default=0, init=False)
    started: float = field(default=0, init=False)
    created: float = field(default=0, init=False)
    due: float | None = field(default=None, init=False)


class Supervisor:
    """Starts groups of children one after the other and watches them all.

    `say` gets a sentence for the person at the terminal, `changed` is called after each start and each exit.
    Use it from the main thread: children live as long as the thread that started them.
    """

    def __init__(self, say: Callable[[str], None], changed: Callable[[], None]) -> None:
        self._say = say
        self._changed = changed
        self._groups: list[list[Child]] = []
        self._ended: queue.SimpleQueue[tuple[Child, subprocess.Popen[bytes]]] = queue.SimpleQueue()

    def start(self, *children: Child) -> None:
        """Start children that belong together; they will be stopped together, before those started earlier."""
        self._groups.append(list(children))
        for child in children:
            self._start(child)

    def watch(self) -> NoReturn:
        """Start again whatever ends, until an exception (the stop signal's) comes out of it."""
        while True:
            try:
                child, handle = self._ended.get(timeout=self._seconds_until_due())
            except queue.Empty:
                self._rotate_logs()
            else:
                if child.process.handle is handle:
                    self._schedule(child, handle.returncode)
            for child in self._children():
                if child.due is not None and child.due <= time.monotonic():
                    self._restart(child)

    def stop(self) -> None:
        """Stop everything: group by group, the last one first, and within a group all at once."""
        for group in reversed(self._groups):
            for child in group:
                child.process.ask_to_stop()
            for child in group:
                child.process.stop()

    def records(self) -> list[ProcessRecord]:
        """Describe every child, in the order of their start."""
        return [
            ProcessRecord(child.process.name, child.process.pid, child.created, child.restarts, str(child.process.log))
            for child in self._children()
        ]

    def _children(self) -> Sequence[Child]:
        return [child for group in self._groups for child in group]

    def _start(self, child: Child) -> None:
        child.due = None
        child.started = time.monotonic()
        try:
            child.start()
        finally:
            handle = child.process.handle
            if handle is not None and handle.poll() is None:
                child.created = psutil.Process(handle.pid).create_time()
            self._changed()
        if handle is not None:
            threading.Thread(target=self._await_end, args=(child, handle), daemon=True).start()

    def _await_end(self, child: Child, handle: subprocess.Popen[bytes]) -> None:
        handle.wait()
        self._ended.put((child, handle))

    def _schedule(self, child: Child, code: int | None) -> None:
        steady = time.monotonic() - child.started > _STEADY_SECONDS
        child.failures = 1 if steady else child.failures + 1
        delay = restart_delay(child.failures)
        child.due = time.monotonic() + delay
        why = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with exit {code}"
        self._say(f"{child.process.name} {why}; starting it again in {delay:g} s (its log: {child.process.log})")
        self._changed()

    def _restart(self, child: Child) -> None:
        child.restarts += 1
        try:
            self._start(child)
        except StackError as error:
            child.process.stop()
            self._say(str(error))
            self._schedule(child, child.process.handle.returncode if child.process.handle else None)

    def _seconds_until_due(self) -> float:
        due = [child.due for child in self._children() if child.due is not None]
        return max(0.0, min([*due, time.monotonic() + _LOG_CHECK_SECONDS]) - time.monotonic())

    def _rotate_logs(self) -> None:
        for child in self._children():
            child.process.rotate_log()
