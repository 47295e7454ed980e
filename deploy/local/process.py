"""One child process of the stack: it never outlives its parent, logs to a file, and is stopped in bounded time."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import tenacity

from deploy.local.errors import StackError, disk_full_is_a_sentence

LOG_BYTES = 10_000_000
_TAIL_BYTES = 2000
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass
class Process:
    """A command with its log file and the way it is stopped.

    `stop_signal` asks it to end; `orphan_signal` is what the kernel sends it when its parent dies, however it dies
    (Linux; elsewhere the next start ends what was left, from the record of pids), or None where it shall live on. Start
    it from the main thread only: to the kernel the parent is the thread that forked.
    """

    name: str
    command: Sequence[str]
    log: Path
    env: dict[str, str] | None = None
    cwd: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals | None = signal.SIGTERM
    stop_seconds: float = 20
    pass_fds: tuple[int, ...] = ()
    handle: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start the command in a process group of its own, so that Ctrl-C reaches only the supervisor."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.rotate_log()
        with disk_full_is_a_sentence(self.log), self.log.open("ab") as log:
            self.handle = subprocess.Popen(  # noqa: S603 (the stack's own commands)
                list(self.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.cwd,
                start_new_session=True,
                pass_fds=self.pass_fds,
                preexec_fn=_die_with(self.orphan_signal),  # noqa: PLW1509 (it takes no lock: one system call)
            )

    @property
    def pid(self) -> int | None:
        """The process id while it runs, else None."""
        return self.handle.pid if self.handle and self.handle.poll() is None else None

    def ask_to_stop(self) -> None:
        """Send the stop signal, without waiting."""
        if self.handle and self.handle.poll() is None:
            self.handle.send_signal(self.stop_signal)

    def stop(self) -> None:
        """Ask it to stop, wait up to `stop_seconds`, then kill it with everything it started."""
        if self.handle is None:
            return
        self.ask_to_stop()
        try:
            self.handle.wait(self.stop_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.handle.pid, signal.SIGKILL)
            self.handle.wait()

    def await_end(self) -> int | None:
        """Wait until it ends by itself, and give its exit code, or None where it was never started."""
        return self.handle.wait() if self.handle else None

    def await_answer(self, answers: Callable[[], object], seconds: float) -> None:
        """Wait until `answers` no longer raises one of the usual connection errors.

        Raises StackError with the end of the log where the process ends first or does not answer within `seconds`.
        """

        def attempt() -> None:
            if self.handle is not None and self.handle.poll() is not None:
                raise StackError(f"{self.name} ended at once (exit {self.handle.returncode}). {self._last_words()}")
            answers()

        try:
            tenacity.Retrying(
                retry=tenacity.retry_if_not_exception_type(StackError),
                wait=tenacity.wait_fixed(0.1),
                stop=tenacity.stop_after_delay(seconds),
            )(attempt)
        except tenacity.RetryError as error:
            raise StackError(
                f"{self.name} does not answer after {seconds:.0f} seconds ({error.last_attempt.exception()!r}). "
                f"{self._last_words()}"
            ) from error

    def rotate_log(self) -> None:
        """Move a log that has grown too large to NAME.log.1; the running process goes on in the emptied file."""
        if not self.log.exists() or self.log.stat().st_size < LOG_BYTES:
            return
        # The child holds the file open for appending, so it is copied and emptied rather than renamed.
        with disk_full_is_a_sentence(self.log):
            self.log.with_name(f"{self.log.name}.1").write_bytes(self.log.read_bytes())
        os.truncate(self.log, 0)

    def _last_words(self) -> str:
        tail = self.log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip() if self.log.exists() else ""
        if "No space left on device" in tail:
            return f"The disk that holds {self.log.parent} is full; make room and start again."
        return f"Its log {self.log} ends with:\n{tail}"


def end_leftovers(children: dict[int, float], seconds: float = 15) -> list[int]:
    """End the processes of a stack whose supervisor died, and answer the pids that were still there.

    `children` maps a pid to the time at which that process was created, so that a pid that the system has since given
    to somebody else is left alone.
    """
    alive = []
    for pid, created in children.items():
        try:
            process = psutil.Process(pid)
            if abs(process.create_time() - created) < 1:
                process.terminate()
                alive.append(process)
        except psutil.NoSuchProcess:
            continue
    _, stubborn = psutil.wait_procs(alive, timeout=seconds)
    for process in stubborn:
        process.kill()
    psutil.wait_procs(stubborn, timeout=seconds)
    return [process.pid for process in alive]


def _die_with(orphan_signal: signal.Signals | None) -> Callable[[], None] | None:
    if _libc is None or orphan_signal is None:
        return None
    parent = os.getpid()
    prctl = _libc.prctl

    def ask_the_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, int(orphan_signal))
        if os.getppid() != parent:  # the parent died before the request stood
            os._exit(1)

    return ask_the_kernel
