"""Work that takes the processor: in a thread where it is long, at once where it is short."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

SHORT_BYTES = 1024 * 1024
"""So much is decoded in some milliseconds, for which everything else in the event loop may wait."""


async def aside(size: int, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Do the work and give what it gives; `size` is how many bytes it is about.

    To hand something to a thread and back costs as much as to decode a hundred rows, and a small district's pull is
    a dozen such pieces.
    """
    if size <= SHORT_BYTES:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)
