"""The records that a snapshot has: their digests in memory, twenty bytes each; ids and the records themselves on disk.

Digests are all that an unchanged record is ever looked at by, so what was read from its page once is not read again
unless it differs from what is applied (DESIGN, "The records").
"""

import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from services.diff.spool import Spool

DIGEST_BYTES = 16

_NUL = "\x00"


@dataclass(frozen=True, slots=True)
class ArrivedRecord:
    """A record as it came: canonical JSON, under its id, with its digest."""

    id: str
    digest: bytes
    record: bytes


class ArrivedRecords:
    """One kind's records of a snapshot, in the order in which they came."""

    def __init__(self) -> None:
        self.digests = bytearray()
        self.kept: list[str] = []
        self._sizes = array("I")
        self._pages: list[tuple[int, int, int]] = []  # how many records; where their ids and they themselves begin
        self._spool = Spool()

    def __len__(self) -> int:
        return len(self._sizes)

    def add(
        self, ids: Sequence[str], digests: Sequence[str], records: Sequence[bytes], kept: Iterable[str] = ()
    ) -> None:
        """Take a page's records: ids without a NUL character, digests of 32 lower-case hexadecimal digits, JSON.

        Raises ValueError where a digest is none; then nothing is taken.
        """
        if ids:
            self.digests += _binary(digests)
            ids_begin = self._spool.append(_NUL.join(ids).encode())
            records_begin = self._spool.append(b"".join(records))
            self._sizes.extend(map(len, records))
            self._pages.append((len(ids), ids_begin, records_begin))
        self.kept.extend(kept)

    def digest_sum(self) -> int:
        """Give the sum of all digests."""
        words: tuple[int, ...] = struct.unpack(f">{len(self.digests) // 8}Q", self.digests)
        return (sum(words[::2]) << 64) + sum(words[1::2])

    def at(self, places: Iterable[int]) -> Iterator[ArrivedRecord]:
        """Give the records at these places, which must rise."""
        wanted = iter(places)
        place = next(wanted, None)
        first = 0
        for number, ids_begin, records_begin in self._pages:
            if place is None:
                return
            if place < first + number:
                ids = self._spool.block_at(ids_begin).decode().split(_NUL)
                records = self._spool.block_at(records_begin)
                ends = [0, *accumulate(self._sizes[first : first + number])]
                while place is not None and place < first + number:
                    in_page = place - first
                    record = records[ends[in_page] : ends[in_page + 1]]
                    yield ArrivedRecord(ids[in_page], _digest_at(self.digests, place), record)
                    place = next(wanted, None)
            first += number

    def __iter__(self) -> Iterator[ArrivedRecord]:
        return self.at(range(len(self)))

    def close(self) -> None:
        """Remove what is on disk."""
        self._spool.close()


def differing_places(digests: bytes | bytearray, applied: set[bytes]) -> list[int]:
    """Give the places (from 0) of the digests, one after another, that are not applied; `applied` loses those that are.

    One that comes twice is found the first time only.
    """
    joined = bytes(digests)
    differing = []
    for begins in range(0, len(joined), DIGEST_BYTES):
        try:
            applied.remove(joined[begins : begins + DIGEST_BYTES])
        except KeyError:
            differing.append(begins // DIGEST_BYTES)
    return differing


def _digest_at(digests: bytearray, place: int) -> bytes:
    return bytes(digests[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES])


def _binary(digests: Sequence[str]) -> bytes:
    joined = "".join(digests)
    try:
        binary = bytes.fromhex(joined)
    except ValueError:
        binary = b""  # the library's words are about the page's digests taken together
    if set(map(len, digests)) != {2 * DIGEST_BYTES} or binary.hex() != joined:
        raise ValueError("a digest has 32 lower-case hexadecimal digits")
    return binary
