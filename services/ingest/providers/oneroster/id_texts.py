"""Millions of ids in the order in which they came: one text and where each ends, a third of what strings take."""

from array import array
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt

_JOINED_AT_ONCE = 4096


class IdTexts:
    """Ids by their positions, counted from 0."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._last: list[str] = []
        self._ends = array("Q", (0,))

    def extend(self, ids: Sequence[str]) -> None:
        """Take the next ids."""
        self._last += ids
        self._ends.extend(accumulate(map(len, ids), initial=self._ends.pop()))
        if len(self._last) >= _JOINED_AT_ONCE:
            self._texts.append("".join(self._last))
            self._last.clear()

    def at(self, positions: npt.NDArray[np.int64]) -> list[str]:
        """Give the ids at these positions, in their order. Call it once all have come: it joins them."""
        if self._last or len(self._texts) > 1:
            self._texts = ["".join((*self._texts, *self._last))]
            self._last.clear()
        (text,) = self._texts or ("",)
        all_ends = np.frombuffer(self._ends, dtype=np.uint64)
        begins, ends = all_ends[positions].tolist(), all_ends[positions + 1].tolist()
        return [text[begin:end] for begin, end in zip(begins, ends, strict=True)]

    def __len__(self) -> int:
        return len(self._ends) - 1
