"""Ids in ascending order, which is how they are asked for and how nearly every provider gives them."""

from collections.abc import Sequence
from itertools import islice
from operator import lt
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Hashes: TypeAlias = npt.NDArray[np.int64]


def hashes_of(ids: Sequence[str]) -> Hashes:
    """Give the ids' 64-bit hashes. They are keyed anew for each process, so nobody can choose ids that share one."""
    return np.fromiter(map(hash, ids), dtype=np.int64, count=len(ids))


class AscendingIds:
    """Tells whether ids have come in strictly ascending order so far, so that each of them is new."""

    def __init__(self) -> None:
        self._last: str | None = ""

    def goes_on(self, ids: Sequence[str]) -> bool:
        """Take the next ids, none of them blank; once they are out of order the answer is False for ever."""
        if self._last is None or not ids:
            return self._last is not None
        if self._last < ids[0] and all(map(lt, ids, islice(ids, 1, None))):
            self._last = ids[-1]
            return True
        self._last = None
        return False
