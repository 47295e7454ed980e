"""How hard each provider host is asked, over all districts of this process."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.ingest.source import PullFailedError


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as the client sees it, so that tests wait for nothing."""

    monotonic: Callable[[], float] = time.monotonic
    unix: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class _Host:
    """The state of one provider host: who is asking it now, and until when nobody may."""

    def __init__(self, requests_at_once: int) -> None:
        self.slots = asyncio.Semaphore(requests_at_once)
        self.opens_at = 0.0


class HostLimits:
    """How hard each provider host may be asked, over all districts of this process.

    At most `requests_at_once` requests are under way to one host, and after a 429 nobody asks that host until its
    reset. Rate limits are often per vendor, not per district (oneroster.md section 7). Share one with all pulls.
    """

    def __init__(self, requests_at_once: int, clock: Clock | None = None) -> None:
        self._requests_at_once = requests_at_once
        self._hosts: dict[str, _Host] = {}
        self.clock = clock or Clock()

    @asynccontextmanager
    async def slot(self, host: str, until: float) -> AsyncIterator[None]:
        """Hold one of the host's slots, once it is open; `until` is on the monotonic clock.

        Raises PullFailedError 'rate-limited' where the host stays closed beyond `until`.
        """
        state = self._hosts.setdefault(host, _Host(self._requests_at_once))
        while True:
            if state.opens_at > until:
                wait = state.opens_at - self.clock.monotonic()
                raise PullFailedError(
                    "rate-limited",
                    f"{host} has asked for {wait:.0f} more seconds without requests, longer than one request may be "
                    "tried; sync the district again later or raise ROLLCALL_RETRY_SECONDS",
                )
            while (wait := state.opens_at - self.clock.monotonic()) > 0:
                await self.clock.sleep(wait)
            async with state.slots:
                if state.opens_at <= self.clock.monotonic():
                    yield
                    return

    def close(self, host: str, seconds: float) -> None:
        """Let nobody ask this host for so many seconds."""
        state = self._hosts.setdefault(host, _Host(self._requests_at_once))
        state.opens_at = max(state.opens_at, self.clock.monotonic() + seconds)
