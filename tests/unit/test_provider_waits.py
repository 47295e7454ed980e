"""How long the HTTP client waits where a provider has trouble, how long a pull may go on, and what is then said."""

import asyncio
import socket
import ssl
from email.utils import formatdate

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.providers.answers import seconds_of_retry_after, seconds_to_reset
from services.ingest.source import PullFailedError
from tests.unit.fake_provider import BASE, UNIX_AT_START, URL, FakeTime, Server, answer, client, failure, get


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_the_rate_limit_headers_of_an_answer_that_is_no_429_are_no_reason_to_rest(status: int) -> None:
    time = FakeTime()
    server = Server((status, {"x-ratelimit-reset": str(UNIX_AT_START + 38), "x-ratelimit-remaining": "1114"}, b""))
    error = failure(client(server, time, retry_seconds=30))
    assert len(server.requests) > 3
    assert "rest" not in error.text


def test_a_500_with_retry_after_is_tried_again_by_backoff_alone() -> None:
    time = FakeTime()
    get(client(Server((500, {"retry-after": "40"}, b""), answer()), time))
    assert time.now - 1000 < 5


@pytest.mark.parametrize("value", ["25", formatdate(UNIX_AT_START + 25, usegmt=True)])
def test_a_503_is_not_tried_again_before_its_retry_after(value: str) -> None:
    time = FakeTime()
    get(client(Server((503, {"retry-after": value}, b""), answer()), time))
    assert 25 <= time.now - 1000 <= 26


ODD_DATES = ["Mon, 01 Jan 99999999999 00:00:00 GMT", "Mon, 01 Jan 2026 99999999999999:00:00 GMT", "soon", "-5", "1.5"]


@given(st.sampled_from(ODD_DATES) | st.text(st.characters(max_codepoint=255), max_size=40))
def test_no_retry_after_reset_or_date_is_so_odd_that_it_is_more_than_a_number(value: str) -> None:
    headers = httpx.Headers(dict.fromkeys((b"retry-after", b"date", b"x-ratelimit-reset"), value.encode("latin-1")))
    assert seconds_of_retry_after(headers, 0.0) >= 0
    assert seconds_to_reset(headers, 0.0) >= 0


def test_a_date_that_is_past_asks_for_no_wait() -> None:
    headers = httpx.Headers({"retry-after": formatdate(UNIX_AT_START - 500, usegmt=True)})
    assert seconds_of_retry_after(headers, UNIX_AT_START) == 0


def test_a_pull_that_goes_on_too_long_ends_however_well_each_answer_goes() -> None:
    time = FakeTime()

    def slow(_: httpx.Request) -> httpx.Response:
        time.now += 100
        return httpx.Response(200, json={})

    async def without_end() -> None:
        async with client(slow, time, pull_seconds=1000) as http:
            while True:
                await http.get(URL)

    with pytest.raises(PullFailedError, match="ROLLCALL_PULL_SECONDS") as caught:
        asyncio.run(without_end())
    assert caught.value.code == "incomplete"
    assert time.now <= 2100


def test_a_request_is_not_tried_again_beyond_the_end_of_its_pull() -> None:
    time = FakeTime()
    failure(client(Server((500, {}, b"")), time, pull_seconds=50))
    assert time.now <= 1050


def unreachable(reason: Exception) -> httpx.ConnectError:
    error = httpx.ConnectError(str(reason))
    error.__cause__ = reason
    return error


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        (ConnectionRefusedError(111, "refused"), "nothing listens there"),
        (socket.gaierror(socket.EAI_AGAIN, "later"), "its name cannot be looked up now"),
        (ssl.SSLError(1, "WRONG_VERSION_NUMBER"), "it does not speak TLS as https does"),
        (OSError(113, "no route"), "no connection to the server (tried"),
    ],
)
def test_a_server_that_was_never_reached_is_told_as_a_likely_mistake_in_the_url(reason: Exception, says: str) -> None:
    error = failure(client(Server(unreachable(reason))))
    assert error.code == "provider-unavailable"
    assert says in error.text
    assert "check the district's url" in error.text


def test_a_server_that_has_answered_before_is_not_told_as_a_mistake_in_the_url() -> None:
    server = Server(answer(), unreachable(ConnectionRefusedError(111, "refused")))

    async def twice() -> None:
        async with client(server) as http:
            await http.get(URL)
            await http.get(URL)

    with pytest.raises(PullFailedError, match="sync the district again later") as caught:
        asyncio.run(twice())
    assert "url" not in caught.value.text.replace(BASE, "")


def test_a_byte_order_mark_before_the_json_is_no_part_of_it() -> None:
    assert get(client(Server(answer(body=b'\xef\xbb\xbf{"data": []}')))).json() == {"data": []}
