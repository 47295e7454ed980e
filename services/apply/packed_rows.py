"""Which rows of the outbox stand for many events, and how each kind of them is unpacked (pure)."""

from collections.abc import Callable, Iterator
from typing import Final

from services.activation.newcomers import NEWCOMERS, unpack_newcomers
from services.apply.chunks import PACKED, unpack
from services.outbox import OutboxEvent

UNPACK: Final[dict[str, Callable[[str], Iterator[OutboxEvent]]]] = {PACKED: unpack, NEWCOMERS: unpack_newcomers}
"""By the row's type: what gives the events of its payload, in order."""
