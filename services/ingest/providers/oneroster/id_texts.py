"""Millions of ids in the order in which they came: one text and where each ends, a third of what strings take."""

from array import array

import numpy as np
import numpy.typing as npt

_JOINED_AT_ONCE = 4096


class IdTexts:
    """Ids by their positions, counted from 0."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._last: list[str] = []
        self._ends = array("Q", (0,))

    def append(self, id_: str) -> None:
        """Take the next id."""
        self._last.append(id_)
        self._ends.append(self._ends[-1] + len(id_))
        if len(self._last) == _JOINED_AT_ONCE:
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
