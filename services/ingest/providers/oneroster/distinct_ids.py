"""Counts distinct ids of millions of rows, eight bytes each."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_LONG_RUN = 1 << 19
"""A run of so many is merged no more: for a moment, merging takes as much memory again as the runs have."""


class DistinctIds:
    """The ids that have come so far, as 64-bit hashes in sorted runs that are merged as they grow.

    Two of ten million ids share a hash about once in 400,000 pulls; they then count as one, which fails a pull and
    never passes one.
    """

    def __init__(self) -> None:
        self._runs: list[npt.NDArray[np.int64]] = []

    def add(self, ids: Sequence[str]) -> int:
        """Take one page's ids, and give how many of them have not come before."""
        page = np.unique(np.fromiter(map(hash, ids), dtype=np.int64, count=len(ids)))
        for run in self._runs:
            at = np.searchsorted(run, page)
            page = page[run[np.minimum(at, len(run) - 1)] != page]
        if len(page):
            self._runs.append(page)
        while len(self._runs) > 1 and len(self._runs[-1]) * 2 >= len(self._runs[-2]) < _LONG_RUN:
            merged = np.concatenate((self._runs.pop(), self._runs.pop()))
            merged.sort()
            self._runs.append(merged)
        return len(page)

    def __len__(self) -> int:
        return sum(map(len, self._runs))
