"""Blocks of bytes on disk, one after another, so that a snapshot of any size needs no more memory than a page."""

import struct
import tempfile
from collections.abc import Iterator

_LENGTH = struct.Struct(">I")


class Spool:
    """A temporary file of blocks; it is gone when closed, or when the process ends in whatever way."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the spool
        self._end = 0
        self.blocks = 0

    def append(self, block: bytes) -> int:
        """Write one block at the end, before any is read, and give where it begins.

        Raises OSError where the disk is full.
        """
        begins = self._end
        self._file.write(_LENGTH.pack(len(block)))
        self._file.write(block)
        self._end += _LENGTH.size + len(block)
        self.blocks += 1
        return begins

    def block_at(self, begins: int) -> bytes:
        """Give the block that begins there."""
        self._file.seek(begins)
        return self._file.read(_LENGTH.unpack(self._file.read(_LENGTH.size))[0])

    def __iter__(self) -> Iterator[bytes]:
        """Give all blocks in the order in which they were written."""
        self._file.seek(0)
        while prefix := self._file.read(_LENGTH.size):
            yield self._file.read(_LENGTH.unpack(prefix)[0])

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
