"""The provider HTTP client: what it tries again, what it refuses, and what it never tells."""

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import httpx
import pytest

from services.ingest.providers.answers import PageTooHeavyError, TooManyRecordsError, UnauthorizedError, json_of
from services.ingest.providers.hosts import HostLimits
from services.ingest.providers.http import BearerAuth, ProviderHttp
from services.ingest.source import PullFailedError
from tests.unit.fake_provider import BASE, URL, FakeTime, Server, answer, client, failure, get

# ---------------------------------------------------------------- what is answered


def test_a_page_is_given_whole_with_its_headers() -> None:
    http = client(Server(answer(body=b'{"data": [1]}', x_total_count="1")))
    response = get(http)
    assert (response.status_code, response.content, response.headers["x-total-count"]) == (200, b'{"data": [1]}', "1")


def test_204_is_an_answer() -> None:
    assert get(client(Server((204, {}, b"")))).status_code == 204


def test_a_compressed_page_is_unpacked() -> None:
    server = Server(answer(body=gzip.compress(b'{"data": [1]}'), content_encoding="gzip"))
    assert json_of(get(client(server))) == b'{"data": [1]}'


def test_parameters_are_added_to_the_query_of_the_url_and_percent_encoded() -> None:
    server = Server(answer())
    get(client(server), f"{URL}?limit=5", (("filter", "status='a b/c'"),))
    assert server.requests[0].url.raw_path == b"/v3.0/users?limit=5&filter=status%3D%27a%20b%2Fc%27"


def test_a_form_goes_to_a_token_endpoint_on_another_host() -> None:
    server = Server(answer(body=b'{"access_token": "t"}'))

    async def post() -> None:
        async with client(server, auth=BearerAuth("districts-own")) as http:
            await http.post_form("https://login.example.net/token", {"grant_type": "client_credentials"}, None)

    asyncio.run(post())
    (request,) = server.requests
    assert (request.method, request.content) == ("POST", b"grant_type=client_credentials")
    assert "authorization" not in request.headers


# ---------------------------------------------------------------- what is tried again


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 520])
def test_a_failure_that_may_pass_is_tried_again(status: int) -> None:
    time = FakeTime()
    server = Server((status, {}, b""), (status, {}, b""), answer())
    assert get(client(server, time)).status_code == 200
    assert len(server.requests) == 3
    assert time.waits[0] >= 1
    assert time.waits[1] >= 2


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.ReadTimeout("silent"),
        httpx.WriteError("reset"),
        httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_connection_that_fails_is_tried_again(error: httpx.TransportError) -> None:
    server = Server(error, answer())
    assert get(client(server)).status_code == 200
    assert len(server.requests) == 2


def test_a_json_answer_that_breaks_off_is_tried_again() -> None:
    server = Server(answer(body=b'{"data": [{"da'), answer(body=b""), answer(body=b'{"data": []}\n'))
    assert get(client(server)).content == b'{"data": []}\n'


@pytest.mark.parametrize("status", [500, 502, 503])
def test_retries_end_after_retry_seconds(status: int) -> None:
    time = FakeTime()
    server = Server((status, {}, b""))
    error = failure(client(server, time, retry_seconds=100))
    assert error.code == "provider-unavailable"
    assert time.now - 1000 <= 100
    assert len(server.requests) > 3


def test_a_server_that_never_answered_is_given_up_on_after_a_minute() -> None:
    time = FakeTime()
    error = failure(client(Server(httpx.ConnectError("refused")), time, retry_seconds=600))
    assert error.code == "provider-unavailable"
    assert "no connection to the server" in error.text
    assert time.now - 1000 <= 60


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, PullFailedError, "misconfigured"),
        (401, UnauthorizedError, "wrong-credentials"),
        (403, PullFailedError, "wrong-credentials"),
        (404, PullFailedError, "not-found"),
        (413, TooManyRecordsError, "misconfigured"),
        (422, PullFailedError, "misconfigured"),
        (501, PullFailedError, "provider-unavailable"),
    ],
)
def test_a_refusal_is_never_tried_again(status: int, kind: type[PullFailedError], code: str) -> None:
    server = Server((status, {}, b'{"message": "no"}'))
    error = failure(client(server))
    assert (type(error), error.code) == (kind, code)
    assert f"answered {status}" in error.text
    assert len(server.requests) == 1


def test_a_page_that_may_shrink_is_not_asked_for_twice_after_a_502() -> None:
    server = Server((502, {}, b""))
    assert isinstance(failure(client(server), may_shrink=True), PageTooHeavyError)
    assert len(server.requests) == 1


def no_connection(reason: OSError) -> httpx.ConnectError:
    error = httpx.ConnectError(str(reason))
    error.__cause__ = reason
    return error


def test_a_server_name_that_nobody_has_is_named_at_once() -> None:
    server = Server(no_connection(socket.gaierror(socket.EAI_NONAME, "Name or service not known")))
    error = failure(client(server))
    assert error.code == "misconfigured"
    assert "there is no server named roster.example.org" in error.text
    assert len(server.requests) == 1


def test_a_name_server_that_does_not_answer_is_asked_again() -> None:
    server = Server(no_connection(socket.gaierror(socket.EAI_AGAIN, "Temporary failure")), answer())
    assert get(client(server)).status_code == 200


def test_a_certificate_that_nobody_trusts_is_named_at_once() -> None:
    untrusted = ssl.SSLCertVerificationError("certificate verify failed")
    untrusted.verify_message = "self-signed certificate"
    server = Server(no_connection(untrusted))
    error = failure(client(server))
    assert error.code == "misconfigured"
    assert "--ca-file" in error.text
    assert len(server.requests) == 1


def test_every_try_is_signed_anew() -> None:
    class Signature(httpx.Auth):
        nonce = 0

        def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
            self.nonce += 1
            request.headers["Authorization"] = f"OAuth nonce={self.nonce}"
            yield request

    server = Server((500, {}, b""), answer())
    get(client(server, auth=Signature()))
    assert [request.headers["authorization"] for request in server.requests] == ["OAuth nonce=1", "OAuth nonce=2"]


# ---------------------------------------------------------------- where credentials go, and what is never told


def test_credentials_never_follow_a_link_to_another_host() -> None:
    server = Server(answer())
    error = failure(client(server, auth=BearerAuth("secret")), "https://evil.example.net/users?starting_after=1")
    assert "evil.example.net" in error.text
    assert server.requests == []


@pytest.mark.parametrize("url", ["http://roster.example.org/users", "https://roster.example.org:8443/users"])
def test_another_scheme_or_port_is_another_server(url: str) -> None:
    server = Server(answer())
    assert failure(client(server, auth=BearerAuth("secret")), url).code == "incomplete"
    assert server.requests == []


def test_a_redirect_is_not_followed_and_its_target_is_named() -> None:
    server = Server((302, {"location": "https://login.example.net/?token=secret"}, b""))
    error = failure(client(server))
    assert error.code == "misconfigured"
    assert "https://login.example.net/" in error.text
    assert "secret" not in error.text
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 418, 429, 500, 501, 503])
def test_no_error_tells_the_query_the_credentials_or_the_body(status: int) -> None:
    body = b'{"message": "Ada Lovelace ada@example.org"}'
    http = client(Server((status, {}, body)), auth=BearerAuth("s3cret"), retry_seconds=1)
    error = failure(http, f"{URL}?token=qu3ry")
    assert not any(word in error.text for word in ("s3cret", "qu3ry", "Ada", "example.org "))
    assert URL in error.text


def test_an_error_quotes_the_request_id_for_the_providers_support() -> None:
    error = failure(client(Server((404, {"x-request-id": "3ae65caf-fbb2-9ee6"}, b""))))
    assert "3ae65caf-fbb2-9ee6" in error.text


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "schlüssel"])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(PullFailedError, match="bearer token") as caught:
        BearerAuth(token)
    assert caught.value.code == "wrong-credentials"


def test_the_line_break_at_the_end_of_a_token_is_not_part_of_it() -> None:
    server = Server(answer())
    get(client(server, auth=BearerAuth("abc\n")))
    assert server.requests[0].headers["authorization"] == "Bearer abc"


# ---------------------------------------------------------------- what is not a usable answer


def test_html_where_json_was_expected_is_refused_with_path_status_and_type() -> None:
    server = Server((200, {"content-type": "text/html; charset=utf-8"}, b"<html>Cannot GET</html>"))
    response = get(client(server), f"{URL}?token=secret")
    with pytest.raises(PullFailedError) as caught:
        json_of(response)
    assert caught.value.code == "not-a-roster"
    assert f"GET {URL} answered 200 with text/html" in caught.value.text
    assert "secret" not in caught.value.text


def test_json_under_a_vendors_own_type_is_json() -> None:
    server = Server((200, {"content-type": "application/vnd.api+json"}, b"{}"))
    assert json_of(get(client(server))) == b"{}"


def test_an_answer_larger_than_the_limit_is_not_read_to_its_end() -> None:
    read = 0

    async def endless(_: httpx.Request) -> httpx.Response:
        async def body() -> AsyncIterator[bytes]:
            nonlocal read
            for _ in range(1000):
                read += 1000
                yield b" " * 1000

        return httpx.Response(200, content=body())

    async def once() -> None:
        async with ProviderHttp(
            BASE,
            limits=HostLimits(1),
            request_seconds=5,
            retry_seconds=5,
            requests_per_pull=10,
            transport=httpx.MockTransport(endless),
            body_bytes=5000,
        ) as http:
            await http.get(URL)

    with pytest.raises(PageTooHeavyError, match="larger than 5000 bytes"):
        asyncio.run(once())
    assert read <= 10_000


def test_a_small_answer_that_unpacks_to_a_huge_one_is_refused() -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    http = client(Server(answer(body=bomb, content_encoding="gzip")), body_bytes=1_000_000)
    assert isinstance(failure(http), PageTooHeavyError)


@pytest.mark.parametrize("url", ["ftp://roster.example.org", "roster.example.org", "https://", "https://host:port", ""])
def test_a_base_url_that_is_none_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(PullFailedError, match="url") as caught:
        client(Server(answer()), base_url=url)
    assert caught.value.code == "misconfigured"


def test_a_ca_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text("not a certificate")
    with pytest.raises(PullFailedError, match=r"ca\.pem"):
        client(Server(answer()), ca_file=str(ca_file))
