"""The provider HTTP client: how long it waits after a 429, and how hard it asks one host."""

import asyncio
from email.utils import formatdate

import httpx
import pytest

from services.ingest.providers.hosts import HostLimits
from services.ingest.providers.http import ProviderHttp
from services.ingest.source import PullFailedError
from tests.unit.fake_provider import BASE, UNIX_AT_START, URL, FakeTime, Server, answer, client, failure, get


def test_after_429_nothing_is_asked_before_the_reset_time() -> None:
    time = FakeTime()
    server = Server((429, {"x-ratelimit-reset": str(UNIX_AT_START + 45)}, b""), answer())
    get(client(server, time))
    assert 45 <= time.now - 1000 <= 46


def test_the_reset_time_is_read_against_the_providers_own_clock() -> None:
    time = FakeTime()
    theirs = UNIX_AT_START + 5000
    headers = {"x-ratelimit-reset": str(theirs + 30), "date": formatdate(theirs, usegmt=True)}
    get(client(Server((429, headers, b""), answer()), time))
    assert 30 <= time.now - 1000 <= 31


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "20"}, 20),
        ({"retry-after": formatdate(UNIX_AT_START + 20, usegmt=True)}, 20),
        ({"retry-after": "20", "x-ratelimit-reset": str(UNIX_AT_START + 40)}, 40),
        ({"retry-after": "50", "x-ratelimit-reset": str(UNIX_AT_START + 40)}, 50),
        ({"x-ratelimit-reset": "15"}, 15),
    ],
)
def test_the_longer_of_retry_after_and_reset_is_waited_for(headers: dict[str, str], seconds: int) -> None:
    time = FakeTime()
    get(client(Server((429, headers, b""), answer()), time))
    assert seconds <= time.now - 1000 <= seconds + 1


def test_backoff_is_waited_for_where_it_is_longer_than_the_reset() -> None:
    time = FakeTime()
    get(client(Server((429, {"x-ratelimit-reset": str(UNIX_AT_START)}, b""), answer()), time))
    assert time.waits[0] >= 1


def test_a_reset_beyond_retry_seconds_fails_at_once_and_says_so() -> None:
    time = FakeTime()
    server = Server((429, {"retry-after": "3600"}, b""))
    error = failure(client(server, time, retry_seconds=600))
    assert error.code == "rate-limited"
    assert "3600 seconds" in error.text
    assert time.now == 1000
    assert len(server.requests) == 1


def test_after_429_no_other_pull_asks_that_host_until_its_reset() -> None:
    time = FakeTime()
    limits = HostLimits(8, time.clock)
    asked: dict[str, float] = {}

    def other(request: httpx.Request) -> httpx.Response:
        asked[request.url.host] = time.now
        return httpx.Response(200, json={})

    async def both() -> None:
        refused = client(Server((429, {"retry-after": "700"}, b"")), time, limits=limits, retry_seconds=30)
        patient = client(other, time, limits=limits, retry_seconds=600)
        elsewhere = client(other, time, limits=limits, base_url="https://other.example.org")
        async with refused, patient, elsewhere:
            with pytest.raises(PullFailedError, match="rate limit"):
                await refused.get(URL)
            await elsewhere.get("https://other.example.org/users")
            await patient.get(URL)

    asyncio.run(both())
    assert asked["other.example.org"] == 1000
    assert asked["roster.example.org"] == 1030, "a cool-down is never longer than the refused pull's own patience"


def test_a_host_that_stays_closed_longer_than_a_request_may_wait_is_an_error_not_a_wait() -> None:
    time = FakeTime()
    limits = HostLimits(8, time.clock)
    limits.close("roster.example.org", 500)
    error = failure(client(Server(answer()), time, limits=limits, retry_seconds=60))
    assert error.code == "rate-limited"
    assert time.waits == []


def test_all_pulls_together_have_no_more_requests_under_way_to_a_host_than_the_limit() -> None:
    limits = HostLimits(2)
    under_way = most = 0

    async def slow(request: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(50):
            await asyncio.sleep(0)
        under_way -= 1
        return httpx.Response(200, json={})

    async def one_pull() -> None:
        async with ProviderHttp(
            BASE,
            limits=limits,
            request_seconds=5,
            retry_seconds=5,
            requests_per_pull=10,
            transport=httpx.MockTransport(slow),
        ) as http:
            await http.get(URL)

    async def five() -> None:
        await asyncio.gather(*(one_pull() for _ in range(5)))

    asyncio.run(five())
    assert most == 2


def test_a_pull_makes_only_so_many_requests() -> None:
    async def three() -> None:
        async with client(server, requests_per_pull=2) as http:
            for _ in range(3):
                await http.get(URL)

    server = Server(answer())
    with pytest.raises(PullFailedError, match="2 requests") as caught:
        asyncio.run(three())
    assert caught.value.code == "incomplete"
    assert len(server.requests) == 2
