"""Millions of ids in the order in which they came: their bytes and where each ends, a third of what strings take."""

from array import array
from collections.abc import Iterable

_LONE_SURROGATES = "surrogatepass"
"""JSON can hold halves of characters, which are kept as they are."""


class IdTexts:
    """Ids by their positions, counted from 0."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("Q", (0,))

    def append(self, id_: str) -> None:
        """Take the next id."""
        self._bytes += id_.encode("utf-8", _LONE_SURROGATES)
        self._ends.append(len(self._bytes))

    def at(self, positions: Iterable[int]) -> list[str]:
        """Give the ids at these positions, in their order."""
        texts, ends = self._bytes, self._ends
        return [texts[ends[at] : ends[at + 1]].decode("utf-8", _LONE_SURROGATES) for at in positions]

    def __len__(self) -> int:
        return len(self._ends) - 1
