"""Digests large pages in a process of its own: half of what a pull does beside waiting, while the other half goes on.

`python -m services.ingest.providers.clever.page_digester FD` is that process. A page's bytes are in the file that it
has open under this number, and what they came to is put there too; stdin says of each page of which collection it is
and how many bytes it has, stdout how many it came to. It ends with its stdin.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from typing import Self, TypeAlias

import msgspec
import structlog

from services.ingest.aside import SHORT_BYTES, aside
from services.ingest.providers.clever.page_blocks import DigestedPage, digest_page

Digest: TypeAlias = Callable[[str, bytes], Awaitable[DigestedPage | None]]
"""Digests a page of a collection, as `digest_page` does."""

_END_SECONDS = 5.0

_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[DigestedPage | None] = msgspec.msgpack.Decoder(DigestedPage | None)

log = structlog.get_logger()


async def digest_here(collection: str, body: bytes) -> DigestedPage | None:
    """Digest a page in this process."""
    return await aside(len(body), digest_page, collection, body)


class PageDigester:
    """Digests pages in the process, one after the other; small ones here and at once.

    The process is started when it is first needed, and ends with the context. Where it ends by itself that is logged,
    and pages are digested here from then on.
    """

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._process: _DigestingProcess | None = None
        self._failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._one_at_a_time:
            self._end()

    async def digest(self, collection: str, body: bytes) -> DigestedPage | None:
        """Digest a page of a collection."""
        if len(body) <= SHORT_BYTES:
            return digest_page(collection, body)
        return await asyncio.to_thread(self._digest, collection, body)

    def _digest(self, collection: str, body: bytes) -> DigestedPage | None:
        with self._one_at_a_time:
            if not self._failed:
                try:
                    if self._process is None:
                        self._process = _DigestingProcess()
                    return self._process.digest(collection, body)
                except (OSError, ValueError) as error:
                    log.warning("page-digester-ended", error=type(error).__name__)
                    self._failed = True
                    self._end()
        return digest_page(collection, body)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()


class _DigestingProcess:
    """The process. Raises OSError or ValueError where it has ended, or cannot be started."""

    def __init__(self) -> None:
        with ExitStack() as stack:
            file = stack.enter_context(tempfile.TemporaryFile())
            self._file = file.fileno()
            self._process = stack.enter_context(
                subprocess.Popen(  # noqa: S603 - our own command
                    [sys.executable, "-m", __name__, str(self._file)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,  # what ends it is raised, and told of, once the page is digested here
                    pass_fds=(self._file,),
                    start_new_session=True,
                )
            )
            self._opened = stack.pop_all()

    def digest(self, collection: str, body: bytes) -> DigestedPage | None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        os.pwrite(self._file, body, 0)
        self._process.stdin.write(f"{collection} {len(body)}\n".encode())
        self._process.stdin.flush()
        size = int(self._process.stdout.readline())
        return _decoder.decode(os.pread(self._file, size, 0))

    def end(self) -> None:
        self._process.kill()
        with suppress(OSError):  # what was not yet written to it is not wanted any more
            self._opened.close()


def main() -> None:
    """Digest what stdin names until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    file = int(sys.argv[1])
    for line in sys.stdin.buffer:
        collection, size = line.split()
        page = _encode(digest_page(collection.decode(), os.pread(file, int(size), 0)))
        os.pwrite(file, page, 0)
        sys.stdout.write(f"{len(page)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
