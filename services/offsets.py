"""Which offset of a partition may be committed, when several districts' messages are in hand at once (pure)."""

from collections import deque


class PartitionOffsets:
    """Keeps, for one partition, which received messages are not durable yet, lane by lane.

    Only what lies before every message whose effect is still open may be committed (promise 6). `next` is the offset
    after the last message received, None before any.
    """

    def __init__(self) -> None:
        self.next: int | None = None
        self._open: dict[str, deque[int]] = {}

    def received(self, lane: str, offset: int) -> None:
        """A message of the lane is in hand; messages arrive in the order of their offsets."""
        self.next = offset + 1
        self._open.setdefault(lane, deque()).append(offset)

    def durable(self, lane: str, offset: int) -> None:
        """Everything of the lane up to and including this offset has taken effect for good."""
        waiting = self._open.get(lane)
        while waiting and waiting[0] <= offset:
            waiting.popleft()
        if not waiting:
            self._open.pop(lane, None)

    def committable(self) -> int | None:
        """Give the offset to commit: the first one not durable, else the one after the last; None before any."""
        if not self._open:
            return self.next
        return min(waiting[0] for waiting in self._open.values())
