"""Works on large pages in a process of its own: half of what a pull does beside waiting, while the other goes on."""

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Protocol, Self, TypeVar

import msgspec
import structlog

from services.ingest.aside import SHORT_BYTES, aside
from services.ingest.providers import page_working

R = TypeVar("R")

log = structlog.get_logger()


class WorkOnPage(Protocol):
    """Has a function of a module make something of a page of a collection, in this process or in another.

    `decoder` is for what comes out, which msgpack must be able to hold.
    """

    async def __call__(
        self, work: Callable[[str, bytes], R], decoder: msgspec.msgpack.Decoder[R], collection: str, body: bytes
    ) -> R:
        """Give what comes out. Raises what the function raises."""


async def work_here(
    work: Callable[[str, bytes], R], decoder: msgspec.msgpack.Decoder[R], collection: str, body: bytes
) -> R:
    """Do it in this process."""
    return await aside(len(body), work, collection, body)


class PageProcess:
    """Works on pages in the process, one after the other; on small ones here and at once.

    The process is started when it is first needed, and ends with the context. Where it ends by itself that is logged,
    and pages are worked on here from then on.
    """

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._process: _Process | None = None
        self._failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._one_at_a_time:
            self._end()

    async def work(
        self, work: Callable[[str, bytes], R], decoder: msgspec.msgpack.Decoder[R], collection: str, body: bytes
    ) -> R:
        """Do what `WorkOnPage` promises."""
        if len(body) <= SHORT_BYTES:
            return work(collection, body)
        return await asyncio.to_thread(self._work, work, decoder, collection, body)

    def _work(
        self, work: Callable[[str, bytes], R], decoder: msgspec.msgpack.Decoder[R], collection: str, body: bytes
    ) -> R:
        with self._one_at_a_time:
            if not self._failed:
                try:
                    if self._process is None:
                        self._process = _Process()
                    made = self._process.work(f"{work.__module__}:{work.__qualname__} {collection}", body)
                    return decoder.decode(made)
                except (OSError, ValueError) as error:
                    log.warning("page-process-ended", error=type(error).__name__)
                    self._failed = True
                    self._end()
        return work(collection, body)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()


class _Process:
    """The process. Raises OSError or ValueError where it has ended, or cannot be started."""

    def __init__(self) -> None:
        with ExitStack() as stack:
            file = stack.enter_context(tempfile.TemporaryFile())
            self._file = file.fileno()
            self._process = stack.enter_context(
                subprocess.Popen(  # noqa: S603 - our own command
                    [sys.executable, "-m", page_working.__name__, str(self._file)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,  # what ends it is raised, and told of, once the page is worked on here
                    pass_fds=(self._file,),
                    start_new_session=True,
                )
            )
            self._opened = stack.pop_all()

    def work(self, what: str, body: bytes) -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        os.pwrite(self._file, body, 0)
        self._process.stdin.write(f"{what} {len(body)}\n".encode())
        self._process.stdin.flush()
        return os.pread(self._file, int(self._process.stdout.readline()), 0)

    def end(self) -> None:
        self._process.kill()
        with suppress(OSError):  # what was not yet written to it is not wanted any more
            self._opened.close()
