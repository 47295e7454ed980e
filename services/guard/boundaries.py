"""Which headers of a partition may be acknowledged, so that a redelivery never begins inside a change set (pure).

An offset is committed only when every message before it is acknowledged. So holding back the header of a change set
brings all of the set again until its effects are durable, and nothing else of it need be kept. Sets of several
districts may overlap: one that is durable waits for those that began before its end, as committing at one of their
headers would leave it cut in two.
"""

from collections import deque
from typing import Generic, TypeVar

M = TypeVar("M")


class Extent:
    """From which offset to which a change set reaches, and whether its effects are durable."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.last = first
        self.durable = False


class Boundaries(Generic[M]):
    """The headers of one partition that are held back."""

    def __init__(self) -> None:
        self._held: deque[tuple[Extent, M]] = deque()

    def hold(self, header: M, extent: Extent) -> None:
        """Hold a header back; headers come in the order of their offsets."""
        self._held.append((extent, header))

    def settled(self) -> list[M]:
        """Give, in order and once, the headers before the last boundary at which no set is cut."""
        reach = count = -1
        for position, (extent, _) in enumerate(self._held):
            if extent.first > reach:
                count = position
            if not extent.durable:
                break
            reach = max(reach, extent.last)
        else:
            count = len(self._held)
        return [self._held.popleft()[1] for _ in range(count)]
