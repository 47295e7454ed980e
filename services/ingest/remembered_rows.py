"""What a district's rows became at the last pull, so that a row that has not changed is not worked out again.

It is a cache and never more: one file a district, which may be missing, broken, written by another version of the code,
or deleted at any time; a pull then works everything out. Who uses it compares all that a row's record depends on, so
that a memory of whatever age gives the very records that working them out would give.

The file: a header, then pages of blocks of rows, a collection's pages in ascending order of id.
"""

import hashlib
import os
import platform
import struct
import tempfile
import time
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import IO, Generic, NamedTuple, TypeVar

import msgspec
import structlog

import schemas.records
from services.districts import District

FORGOTTEN_AFTER_SECONDS = 30 * 24 * 3600.0
"""A district that was not pulled for so long has left: what is remembered of it holds names, and goes."""

UNFINISHED_AFTER_SECONDS = 24 * 3600.0
"""No pull writes at one for so long: what is unfinished by then was left by one that was killed."""

BLOCKS_AT_ONCE = 64
"""So many are read and written at once, some 400 kB of people: larger pieces are in no cache of the processor."""

MOST_NUMBERS = 2**31 - 2**24
"""Numbers are kept in 32 bits: a memory that has given so many begins anew."""

_HEADER = struct.Struct(">8s32sQ")
_FRAME = struct.Struct(">16s32sII")
_MAGIC = b"rows 002"
_SUFFIX, _UNFINISHED = ".rows", ".unfinished"
_encoder = msgspec.msgpack.Encoder()

log = structlog.get_logger()


NO_DIGEST = bytes(32)
"""In place of the digest of what could not be digested: it is nobody's."""


class RememberedBlock(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is remembered of rows that came one after the other: the digest of them all, ids and digests of each."""

    digest: bytes
    ids: list[str]
    digests: bytes

    def row_digests(self) -> list[bytes]:
        """Give the digest of each row."""
        size = len(self.digests) // len(self.ids)
        return [self.digests[at : at + size] for at in range(0, len(self.digests), size)]


AnyBlock = TypeVar("AnyBlock", bound=RememberedBlock)


class _Page(NamedTuple, Generic[AnyBlock]):
    blocks: list[AnyBlock]

    @property
    def first(self) -> str:
        return self.blocks[0].ids[0]

    @property
    def last(self) -> str:
        return self.blocks[-1].ids[-1]


class _UnusableError(Exception):
    """The file is not what this version of the code writes for the district as it is registered."""


class Recall(Generic[AnyBlock]):
    """What the last pull remembered of one collection, seen through a window that only moves up."""

    def __init__(self, pages: Iterator[_Page[AnyBlock]]) -> None:
        self._pages = pages
        self._next = next(pages, None)
        self._window: list[_Page[AnyBlock]] = []

    def between(self, first: str, last: str) -> list[AnyBlock]:
        """Give the blocks that have ids from `first` to `last`. Later calls ask for higher ids."""
        self._window = [page for page in self._window if page.last >= first]
        while self._next is not None and self._next.first <= last:
            if self._next.last >= first:
                self._window.append(self._next)
            self._next = next(self._pages, None)
        blocks = chain.from_iterable(page.blocks for page in self._window)
        return [block for block in blocks if block.ids[0] <= last and block.ids[-1] >= first]


class RowMemory:
    """One district's memory during one pull: what the last whole pull left, and what this one will leave.

    `begin` comes first, and again where the pull is begun anew; `keep` once its snapshot is completed; `close` always.
    Where the file cannot be read or written that is logged, and nothing is remembered.
    """

    def __init__(self, folder: Path, district: District) -> None:
        self._folder = folder
        self._district = district.district
        self._path = folder / f"{district.district}{_SUFFIX}"
        self._about = hashlib.blake2b(digest_size=32)
        for word in (code_digest(), district.provider, district.url, district.api_path or ""):
            self._about.update(f"{len(word)} {word}".encode())
        self._numbers = 0
        self._old: IO[bytes] | None = None
        self._new: IO[bytes] | None = None

    def begin(self) -> None:
        """Begin to remember, with nothing yet."""
        self.close()
        self._numbers = 0
        try:
            self._old = self._path.open("rb")  # all is read from this one, whatever is put in its place meanwhile
            self._numbers = self._read_header(self._old)
        except FileNotFoundError:
            self._old = None
        except (OSError, _UnusableError) as error:
            self._not_read(error)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._new = tempfile.NamedTemporaryFile(  # noqa: SIM115 - it is open for as long as the pull goes on
                prefix=f"{self._district}.", suffix=_UNFINISHED, dir=self._folder, delete=False
            )
            self._new.write(bytes(_HEADER.size))
        except OSError as error:
            self._not_written(error)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to recall, as after no whole pull yet, or one by another version of the code."""
        return self._old is None

    def recall(self, collection: str, block_type: type[AnyBlock], context: str = "") -> Recall[AnyBlock]:
        """Give what was remembered of a collection in the same context."""
        return Recall(self._read(collection, block_type, context))

    def remember(self, collection: str, blocks: Sequence[RememberedBlock], context: str = "") -> None:
        """Remember a page's blocks of a collection, in ascending order of id, all above those of the call before.

        `context` stands for what all of them depend on besides themselves.
        """
        about = collection.encode(), _digest(context)
        try:
            for start in range(0, len(blocks), BLOCKS_AT_ONCE):
                if self._new is not None:
                    body = _encoder.encode(blocks[start : start + BLOCKS_AT_ONCE])
                    self._new.writelines((_FRAME.pack(*about, len(body), zlib.crc32(body)), body))
        except OSError as error:
            self._not_written(error)

    def new_number(self) -> int:
        """Give a number that this memory never gave before. Kept for an id, it never means another."""
        self._numbers += 1
        return self._numbers

    def keep(self) -> None:
        """Put what this pull has remembered in place of what there was."""
        if self._new is None:
            return
        try:
            self._new.seek(0)
            self._new.write(_HEADER.pack(_MAGIC, self._about.digest(), self._numbers))
            self._new.close()
            Path(self._new.name).replace(self._path)
            self._new = None
        except OSError as error:
            self._not_written(error)

    def close(self) -> None:
        """Leave nothing of a pull that was not kept."""
        self._close_old()
        self._drop_new()

    def _drop_new(self) -> None:
        new, self._new = self._new, None
        if new is not None:
            with suppress(OSError):  # what the disk had no room for is not wanted any more
                new.close()
            with suppress(OSError):
                Path(new.name).unlink()

    def _read_header(self, file: IO[bytes]) -> int:
        """Give the highest number given."""
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            raise _UnusableError("it is truncated")
        magic, about, numbers = _HEADER.unpack(header)
        if magic != _MAGIC or about != self._about.digest():
            raise _UnusableError("it is of another version of Rollcall, or of another address")
        if numbers > MOST_NUMBERS:
            raise _UnusableError("it has given all of its numbers")
        return int(numbers)

    def _read(self, collection: str, block_type: type[AnyBlock], context: str) -> Iterator[_Page[AnyBlock]]:
        """Give the collection's pages; none any more from where the file cannot be read on."""
        old = self._old
        if old is None:
            return
        decoder = msgspec.msgpack.Decoder(list[block_type])  # type: ignore[valid-type]
        wanted = collection.encode().ljust(16, b"\0"), _digest(context)
        at = _HEADER.size
        try:
            while prefix := os.pread(old.fileno(), _FRAME.size, at):
                name, about, size, check = _FRAME.unpack(prefix)
                at += _FRAME.size + size
                if (name, about) == wanted:
                    yield _Page(decoder.decode(_checked(os.pread(old.fileno(), size, at - size), check)))
        except (OSError, struct.error, msgspec.DecodeError, _UnusableError) as error:
            self._not_read(error)

    def _not_read(self, error: Exception) -> None:
        self._close_old()
        log.info("row-memory-not-read", district=self._district, error=f"{type(error).__name__}: {error}")

    def _close_old(self) -> None:
        old, self._old = self._old, None
        if old is not None:
            old.close()

    def _not_written(self, error: OSError) -> None:
        log.warning("row-memory-not-written", district=self._district, error=f"{type(error).__name__}: {error}")
        self._drop_new()


def forget_gone(folder: Path, registered: Collection[str]) -> None:
    """Delete the memories of districts that are not registered any more, or were not pulled for long.

    And what pulls that were killed were writing: looking for that at each pull took the longer the more districts
    there are.
    """
    now = time.time()
    for suffix, seconds in ((_SUFFIX, FORGOTTEN_AFTER_SECONDS), (_UNFINISHED, UNFINISHED_AFTER_SECONDS)):
        for path in folder.glob(f"*{suffix}"):
            district = path.name.partition(".")[0]  # ids of districts have no dots
            try:
                if district not in registered or now - path.stat().st_mtime > seconds:
                    path.unlink(missing_ok=True)
            except FileNotFoundError:  # the pull that was writing it has just ended
                continue
            except OSError as error:
                log.warning("row-memory-not-deleted", path=str(path), error=type(error).__name__)


def forget(folder: Path, district: str) -> None:
    """Delete what is remembered of a district, where it is on this machine. Raises OSError where that cannot be."""
    for path in (folder / f"{district}{_SUFFIX}", *folder.glob(f"{district}.*{_UNFINISHED}")):
        path.unlink(missing_ok=True)


def _checked(body: bytes, check: int) -> bytes:
    if zlib.crc32(body) != check:
        raise _UnusableError("it is truncated or damaged")
    return body


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Give what stands for the rules by which rows become records: all of ingest's code, and what it runs on."""
    code = hashlib.blake2b(digest_size=16)
    for path in (Path(schemas.records.__file__), *sorted(Path(__file__).parent.rglob("*.py"))):
        code.update(path.read_bytes())
    return f"{code.hexdigest()} {platform.python_version()} {msgspec.__version__}"


def _digest(context: str) -> bytes:
    return hashlib.blake2b(context.encode("utf-8", "surrogatepass"), digest_size=32).digest()
