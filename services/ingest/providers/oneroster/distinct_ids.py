"""Counts distinct ids of millions of rows."""

from collections.abc import Sequence
from tempfile import SpooledTemporaryFile

import numpy as np

from services.ingest.providers.oneroster.id_order import AscendingIds, Hashes, hashes_of

_IN_MEMORY_BYTES = 1 << 20
_LONG_RUN = 1 << 19
"""A run of so many is merged no more: for a moment, merging takes as much memory again as the runs have."""


class DistinctIds:
    """The ids that have come so far, as 64-bit hashes.

    While they come in ascending order, as they are asked for, that alone tells which are new, and they wait in a file.
    From the first one that does not, they are looked up in sorted runs in memory, which are merged as they grow.

    Two of ten million ids share a hash about once in 400,000 pulls; they then count as one, which fails a pull and
    never passes one.
    """

    def __init__(self) -> None:
        self._order = AscendingIds()
        self._ascending = SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - it lives as long as these ids
        self._runs: list[Hashes] = []
        self._size = 0

    def add(self, ids: Sequence[str]) -> int:
        """Take one page's ids, and give how many of them have not come before."""
        if not ids:
            return 0
        if self._order.goes_on(ids):
            self._ascending.write(hashes_of(ids).tobytes())
            self._size += len(ids)
            return len(ids)
        self._read_back()
        page = np.unique(hashes_of(ids))
        for run in self._runs:
            at = np.searchsorted(run, page)
            page = page[run[np.minimum(at, len(run) - 1)] != page]
        if len(page):
            self._put(page)
        self._size += len(page)
        return len(page)

    def _read_back(self) -> None:
        self._ascending.seek(0)
        while waiting := self._ascending.read(8 * _LONG_RUN):
            self._put(np.sort(np.frombuffer(waiting, dtype=np.int64)))
        self._ascending.seek(0)
        self._ascending.truncate()

    def _put(self, run: Hashes) -> None:
        self._runs.append(run)
        while len(self._runs) > 1 and len(self._runs[-1]) * 2 >= len(self._runs[-2]) < _LONG_RUN:
            merged = np.concatenate((self._runs.pop(), self._runs.pop()))
            merged.sort()
            self._runs.append(merged)

    def __len__(self) -> int:
        return self._size
