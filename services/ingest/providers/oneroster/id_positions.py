"""Where each of some millions of ids stands in a list: twelve bytes an id, where a dict takes a hundred."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from services.ingest.providers.oneroster.id_order import Hashes, hashes_of

Positions: TypeAlias = npt.NDArray[np.int32]


class IdPositions:
    """The positions of ids, counted from 0 in the order in which they were added.

    An id is known by its 64-bit hash. Of 1.4 million ids two share one in one of 18 million pulls; the second is then
    taken for the first come again with other values, so that both are left as they were applied.
    """

    def __init__(self) -> None:
        self._runs: list[tuple[Hashes, Positions]] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, ids: Sequence[str]) -> None:
        """Add ids that are not there yet, each once."""
        if not ids:
            return
        hashes = hashes_of(ids)
        order = np.argsort(hashes)
        self._runs.append((hashes[order], (self._size + order).astype(np.int32)))
        self._size += len(ids)
        while len(self._runs) > 1 and len(self._runs[-1][0]) * 2 >= len(self._runs[-2][0]):
            self._merge(2)

    def find(self, ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """Give the position of each id, -1 where it has not been added."""
        hashes = hashes_of(ids)
        found = np.full(len(ids), -1, dtype=np.int64)
        # In order, the hashes are looked up where the last one was found, which is in the processor's cache.
        order = np.argsort(hashes)
        hashes = hashes[order]
        for run, positions in self._runs:
            at = np.minimum(np.searchsorted(run, hashes), len(run) - 1)
            hit = run[at] == hashes
            found[order[hit]] = positions[at[hit]]
        return found

    def settle(self) -> None:
        """Make finding as fast as it can be, once no more ids are added."""
        if len(self._runs) > 1:
            self._merge(len(self._runs))

    def _merge(self, runs: int) -> None:
        merged, self._runs[-runs:] = self._runs[-runs:], []
        hashes = np.concatenate([run for run, _ in merged])
        positions = np.concatenate([positions for _, positions in merged])
        order = np.argsort(hashes, kind="stable")
        self._runs.append((hashes[order], positions[order]))
