"""What goes wrong with the local stack, in sentences for the person at the terminal."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class StackError(Exception):
    """The local stack cannot do what was asked. The text says what is wrong, where, and what to do."""


def require_space(folder: Path, megabytes: int, purpose: str) -> None:
    """Raise StackError where the disk that holds `folder` has less than `megabytes` left."""
    free = shutil.disk_usage(folder).free // 1_000_000
    if free < megabytes:
        raise StackError(
            f"the disk that holds {folder} is full: {free} MB are free and {purpose} needs {megabytes} MB; "
            "make room, or set ROLLCALL_HOME (and XDG_CACHE_HOME) to a folder on another disk"
        )


@contextmanager
def disk_full_is_a_sentence(folder: Path) -> Iterator[None]:
    """Turn the operating system's "no space left" or "quota exceeded" into a StackError that names the folder."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StackError(
            f"the disk that holds {folder} became full while writing to it; make room and start again "
            "(nothing is broken: what was half written is thrown away)"
        ) from error
