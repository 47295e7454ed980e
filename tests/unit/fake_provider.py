"""A provider that answers from a script, and a clock whose waiting takes no time, to try the HTTP client with."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from services.ingest.providers.hosts import Clock, HostLimits
from services.ingest.providers.http import ProviderHttp
from services.ingest.source import PullFailedError

BASE = "https://roster.example.org"
URL = f"{BASE}/v3.0/users"
UNIX_AT_START = 1_700_000_000


class FakeTime:
    """A clock whose waiting takes no time, and which remembers for how long it was asked to wait."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []
        self.clock = Clock(
            monotonic=lambda: self.now, unix=lambda: UNIX_AT_START + self.now - 1000.0, sleep=self._sleep
        )

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class Server:
    """Gives these answers one after the other, the last one for ever; what is no answer is raised."""

    def __init__(self, *answers: tuple[int, dict[str, str], bytes] | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, headers, body = answer
        return httpx.Response(status, headers=headers, content=body)


def answer(status: int = 200, body: bytes = b'{"data": []}', **headers: str) -> tuple[int, dict[str, str], bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"content-type": "application/json", **named}, body


def client(
    server: Callable[[httpx.Request], httpx.Response],
    time: FakeTime | None = None,
    *,
    limits: HostLimits | None = None,
    **settings: Any,
) -> ProviderHttp:
    return ProviderHttp(
        settings.pop("base_url", BASE),
        **{
            "limits": limits or HostLimits(8, (time or FakeTime()).clock),
            "request_seconds": 60,
            "retry_seconds": 600,
            "requests_per_pull": 1000,
            "transport": httpx.MockTransport(server),
            **settings,
        },
    )


def get(http: ProviderHttp, url: str = URL, params: tuple[tuple[str, str], ...] = (), **how: Any) -> httpx.Response:
    async def once() -> httpx.Response:
        async with http:
            return await http.get(url, params, **how)

    return asyncio.run(once())


def failure(http: ProviderHttp, url: str = URL, **how: Any) -> PullFailedError:
    with pytest.raises(PullFailedError) as caught:
        get(http, url, **how)
    return caught.value
