"""Processes that begin with everything imported: real ones, which can be killed, without the second of importing.

All tests share the one server that forks them, so what it has imported is said here and nowhere else.
"""

import multiprocessing
import os
from pathlib import Path

from services.run_worker import MODULES

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [*MODULES.values(), "services.cli.main", "deploy.sandbox.server", "tests.pipeline", "tests.cli"]
)


def redirect(descriptor: int, file: Path, flags: int) -> None:
    """Have this process read or write the file, made if need be, where it read or wrote a standard stream."""
    opened = os.open(file, flags | os.O_CREAT)
    os.dup2(opened, descriptor)
    os.close(opened)
