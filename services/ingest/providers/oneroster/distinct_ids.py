"""Counts distinct ids of millions of rows, eight bytes each."""

from collections.abc import Sequence

import numpy as np

from services.ingest.providers.oneroster.id_order import AscendingIds, Hashes, hashes_of

_LONG_RUN = 1 << 19
"""A run of so many is merged no more: for a moment, merging takes as much memory again as the runs have."""


class DistinctIds:
    """The ids that have come so far, as 64-bit hashes.

    While they come in ascending order, as they are asked for, that alone tells which are new. From the first one that
    does not, they are looked up in sorted runs, which are merged as they grow.

    Two of ten million ids share a hash about once in 400,000 pulls; they then count as one, which fails a pull and
    never passes one.
    """

    def __init__(self) -> None:
        self._order = AscendingIds()
        self._unsorted: list[Hashes] = []
        self._runs: list[Hashes] = []
        self._size = 0

    def add(self, ids: Sequence[str]) -> int:
        """Take one page's ids, and give how many of them have not come before."""
        if not ids:
            return 0
        if self._order.goes_on(ids):
            self._unsorted.append(hashes_of(ids))
            self._size += len(ids)
            return len(ids)
        while self._unsorted:
            self._put(np.sort(self._unsorted.pop()))
        page = np.unique(hashes_of(ids))
        for run in self._runs:
            at = np.searchsorted(run, page)
            page = page[run[np.minimum(at, len(run) - 1)] != page]
        if len(page):
            self._put(page)
        self._size += len(page)
        return len(page)

    def _put(self, run: Hashes) -> None:
        self._runs.append(run)
        while len(self._runs) > 1 and len(self._runs[-1]) * 2 >= len(self._runs[-2]) < _LONG_RUN:
            merged = np.concatenate((self._runs.pop(), self._runs.pop()))
            merged.sort()
            self._runs.append(merged)

    def __len__(self) -> int:
        return self._size
