"""The local stack as others see it: start it, find the running one, stop it."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil
from pydantic import SecretStr

from deploy.local import record
from deploy.local.errors import StackError, disk_full_is_a_sentence
from deploy.local.process import Process, end_leftovers
from deploy.local.record import StackRecord
from services.settings import Settings

_STOP_SECONDS = 90


@dataclass
class Stack:
    """A stack that this process started: where it listens, and the supervisor that keeps it up."""

    record: StackRecord
    _supervisor: Process
    _report: IO[str]

    def watch(self, say: Callable[[str], None]) -> None:
        """Hand on what the supervisor says until somebody else stops the stack.

        Raises StackError where it ends for another reason.
        """
        for line in self._report:
            message = json.loads(line)
            if "error" in message:
                raise StackError(message["error"])
            say(message["say"])
        if self._supervisor.await_end() != 0:
            raise StackError(f"the stack ended by itself; see {self._supervisor.log}")

    def stop(self) -> None:
        """Stop every process of the stack; their state is kept."""
        self._supervisor.stop()
        self._report.close()


def start(settings: Settings, say: Callable[[str], None], *, sandbox: bool = True, detach: bool = False) -> Stack:
    """Start the stack of `settings.home` and return when everything answers; progress goes to `say`.

    Unless detached, the stack ends with this process, however this process ends. Call it from the main thread.
    Raises StackError where a stack is already running there, or with what kept this one from starting.
    """
    home = settings.home.absolute()
    with disk_full_is_a_sentence(home):
        home.mkdir(parents=True, exist_ok=True)
        read_end, write_end = os.pipe()
        supervisor = Process(
            "the supervisor",
            (sys.executable, "-m", "deploy.local.supervise", "--report", str(write_end), *_flags(sandbox=sandbox)),
            home / "logs" / "supervisor.log",
            _environment(settings, home),
            orphan_signal=None if detach else signal.SIGTERM,
            pass_fds=(write_end,),
            stop_seconds=_STOP_SECONDS,
        )
        try:
            supervisor.start()
        finally:
            os.close(write_end)
    report = os.fdopen(read_end)
    try:
        _await_ready(report, say, supervisor)
    except BaseException:
        supervisor.stop()
        report.close()
        raise
    started = record.read(home)
    if started is None:
        raise StackError(f"the stack of {home} ended as soon as it was ready; see {supervisor.log}")
    return Stack(started, supervisor, report)


@contextmanager
def session(settings: Settings, say: Callable[[str], None], *, sandbox: bool = True) -> Iterator[Stack]:
    """Start the stack for the length of a `with` block. SIGTERM ends the block as Ctrl-C does: KeyboardInterrupt."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        stack = start(settings, say, sandbox=sandbox)
        try:
            yield stack
        finally:
            stack.stop()
    finally:
        signal.signal(signal.SIGTERM, before)


def stop(home: Path) -> bool:
    """Stop the stack that runs in this home, and what a killed one left there. Gives False where nothing ran."""
    left = record.read(home)
    if left is None:
        return False
    alive = record.is_alive(left.pid, left.created)
    if alive:
        supervisor = psutil.Process(left.pid)
        supervisor.terminate()
        try:
            supervisor.wait(_STOP_SECONDS)
        except psutil.TimeoutExpired:
            supervisor.kill()
    ended = end_leftovers({process.pid: process.created for process in left.processes if process.pid})
    record.path(home).unlink(missing_ok=True)
    return alive or bool(ended)


def _flags(*, sandbox: bool) -> tuple[str, ...]:
    return () if sandbox else ("--no-sandbox",)


def _environment(settings: Settings, home: Path) -> dict[str, str]:
    """Give the supervisor the settings of this process, those given in code included."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set} | {"home": home}
    return dict(os.environ) | {
        f"ROLLCALL_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in given.items()
        if value is not None
    }


def _await_ready(report: IO[str], say: Callable[[str], None], supervisor: Process) -> None:
    for line in report:
        message = json.loads(line)
        if "error" in message:
            raise StackError(message["error"])
        if "ready" in message:
            return
        say(message["say"])
    raise StackError(f"the supervisor ended before the stack was ready; see {supervisor.log}")
