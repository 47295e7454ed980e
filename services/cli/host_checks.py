"""`rollcall doctor`: this machine."""

import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from services.cli.checks import Check

OLDEST_PYTHON = (3, 11)
LEAST_FREE_BYTES = 2 * 1024**3


def host_checks(home: Path) -> Iterator[Check]:
    """Look at Python and at the room for the local stack's state."""
    version = platform.python_version()
    enough = sys.version_info >= OLDEST_PYTHON
    yield Check(
        "python", enough, f"Python {version}" if enough else f"Python {version} is too old; install 3.11 or newer"
    )
    folder = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(folder).free
    gigabytes = f"{free / 1024**3:,.1f} GB free in {folder}"
    if free >= LEAST_FREE_BYTES:
        yield Check("disk", ok=True, text=gigabytes)
    else:
        yield Check("disk", ok=False, text=f"{gigabytes}; make room, or move ROLLCALL_HOME to a larger disk")
