"""Reads one CSV file of a package, once, from start to end: strict about bytes and quoting, blind to meaning.

RFC 4180 with the tolerance that real files need: UTF-8 with or without a BOM, Windows or Unix line ends, line breaks
inside quotes, blanks between a comma and a quote, blank lines, no final newline. Everything else is refused with the
file and the line; what a cell says is never quoted, since it may be a child's name.
"""

import codecs
import csv
import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from services.ingest.providers.oneroster.csv_package import Package
from services.ingest.source import PullFailedError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER_BYTES = 1024 * 1024
_ROW_BYTES = 16 * 1024 * 1024
"""No row is larger than this: it bounds the memory that a file without line ends, or with a quote left open, takes."""


class CsvTable:
    """An opened CSV file: its header, then its rows, then the digest of its bytes.

    Use it in a `with`. Every method raises PullFailedError 'not-a-roster' where the file is not what it must be.
    """

    def __init__(self, package: Package, file: str) -> None:
        self.file = file
        self._package = package
        self._bytes: _ObservedBytes | None = None
        self._reader: Iterator[list[str]] = iter(())
        self.header: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        source = self._open()
        self._bytes = _ObservedBytes(source, self)
        try:
            buffered = io.BufferedReader(self._bytes, _BUFFER_BYTES)
            self._skip_bom(buffered)
            # Lines end at \n only: a lone \r inside an unquoted field is then an error instead of two half rows.
            self._text = io.TextIOWrapper(buffered, encoding="utf-8", errors="strict", newline="\n")
            self._csv = csv.reader(self._text, strict=True, skipinitialspace=True)
            self._reader = self._csv
            self.header = tuple(self._first_row())
        except BaseException:
            source.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._text.close()

    @property
    def line(self) -> int:
        """The line on which the row given last ends, counted from 1."""
        return self._csv.line_num

    @property
    def digest(self) -> str:
        """BLAKE2b, 16 bytes, of all bytes read: once the rows have ended, of the whole file."""
        return self._observed.hash.hexdigest()

    @property
    def ends_with_newline(self) -> bool:
        """Whether the bytes read so far end with a line end."""
        return self._observed.last == b"\n"

    @property
    def _observed(self) -> "_ObservedBytes":
        if self._bytes is None:
            raise RuntimeError("a table is read inside of `with`")
        return self._bytes

    def rows(self) -> Iterator[list[str]]:
        """Give the rows after the header, as lists of as many fields as each row has; blank lines are left out."""
        observed = self._observed
        try:
            for row in self._reader:
                observed.since_row = 0
                if row:
                    yield row
        except (UnicodeDecodeError, csv.Error, OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise self._unreadable(error) from error

    def refused(self, why: str, line: int | None = None) -> PullFailedError:
        """Give the error that names this file (and a line of it) and says why it is refused."""
        where = self.file if line is None else f"{self.file}, line {line},"
        return PullFailedError("not-a-roster", f"{where} {why} (in {self._package.location})")

    def _open(self) -> BinaryIO:
        try:
            return self._package.open(self.file)
        except (OSError, zipfile.BadZipFile) as error:
            raise self._unreadable(error) from error

    def _skip_bom(self, buffered: "io.BufferedReader[_ObservedBytes]") -> None:
        try:
            start = buffered.peek(len(codecs.BOM_UTF8))
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise self._unreadable(error) from error
        if start.startswith(codecs.BOM_UTF8):
            buffered.read(len(codecs.BOM_UTF8))

    def _first_row(self) -> list[str]:
        header = next(self.rows(), None)
        if header is None:
            raise self.refused("is empty: its first line must name the columns; export it again")
        return header

    def _unreadable(self, error: Exception) -> PullFailedError:
        if isinstance(error, UnicodeDecodeError):
            return self._wrong_encoding()
        if isinstance(error, csv.Error):
            return self._wrong_quoting(str(error))
        if isinstance(error, OSError):
            return self.refused(
                f"cannot be read ({error.strerror or type(error).__name__}); let Rollcall's user read it"
            )
        return self.refused("is damaged inside the zip; make and upload the zip again")

    def _wrong_quoting(self, message: str) -> PullFailedError:
        if "new-line character" in message:
            why = "has a carriage return in the middle of a line; write it with Windows or Unix line ends"
        elif "field larger" in message or "unexpected end of data" in message:
            why = "is inside a quoted value that does not end; a closing quote is missing here or above"
        else:
            why = 'has a quote inside a quoted value; write it twice ("")'
        return self.refused(why, self.line)

    def _wrong_encoding(self) -> PullFailedError:
        """Read the file again to find the line and the byte: a decoder that has read ahead knows neither."""
        with io.BufferedReader(cast(io.RawIOBase, self._open()), _BUFFER_BYTES) as again:
            for number, line in enumerate(iter(lambda: again.readline(_ROW_BYTES), b""), 1):
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError as error:
                    return self.refused(f"byte {error.start + 1}, is not UTF-8; save the file as 'CSV UTF-8'", number)
        return self.refused("is not UTF-8; save the file as 'CSV UTF-8'")


class _ObservedBytes(io.RawIOBase):
    """A file's bytes on their way to the decoder: hashed, and refused where no text has them or a row has no end."""

    def __init__(self, source: BinaryIO, table: CsvTable) -> None:
        self._source = source
        self._table = table
        self._lines = 1
        self.hash = hashlib.blake2b(digest_size=16)
        self.last = b""
        self.since_row = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        chunk = self._source.read(memoryview(buffer).nbytes)
        if not chunk:
            return 0
        nul = chunk.find(b"\0")
        if nul >= 0:
            line = self._lines + chunk.count(b"\n", 0, nul)
            raise self._table.refused(_explain_nul(chunk), line)
        self._lines += chunk.count(b"\n")
        self.since_row += len(chunk)
        if self.since_row > _ROW_BYTES:
            line = self._lines - chunk.count(b"\n")
            raise self._table.refused(f"is in a row of more than {_ROW_BYTES} bytes; export the file again", line)
        self.hash.update(chunk)
        self.last = chunk[-1:]
        memoryview(buffer).cast("B")[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        self._source.close()
        super().close()


def _explain_nul(chunk: bytes) -> str:
    if chunk.count(b"\0") > len(chunk) // 3:
        return "is UTF-16, as Excel's 'Unicode text' is, not UTF-8; save the file as 'CSV UTF-8'"
    return "has a NUL byte, which no text has; export the file again"
