"""Whole pulls over real sockets: TLS with a private CA, odd HTTP, cut-off bodies, IPv6, servers that are not there."""

import asyncio
import gzip
import json
import socket
import ssl
import subprocess
import zlib
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.records import Record
from services.ingest.providers.hosts import Clock, HostLimits
from services.ingest.providers.http import ProviderHttp
from services.ingest.providers.open import open_source
from services.ingest.source import PullFailedError, PullReport
from services.settings import Settings
from tests.unit.oneroster_server import TODAY, OneRosterServer, district, pull, small_district
from tests.unit.record_pages import records_of

Send = Callable[[asyncio.StreamWriter, bytes, int], Awaitable[None]]
"""Writes an answer whose JSON is these bytes; the number counts the answers of the server from 1."""

JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


def whole_roster(tmp_path: Path) -> dict[str, Record]:
    return pull(district(tmp_path), OneRosterServer(small_district())).records


async def plain(writer: asyncio.StreamWriter, body: bytes, _: int) -> None:
    writer.write(JSON_HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)


@asynccontextmanager
async def serving(send: Send, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Any:
    """An ordinary OneRoster district behind a server that writes each answer as `send` does, then closes."""
    ordinary = OneRosterServer(small_district(), clamp=4)
    answers = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answers
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        answers += 1
        target = head.split(" ", 2)[1]
        await send(writer, ordinary(httpx.Request("GET", f"http://here{target}")).content, answers)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, host, 0, ssl=tls, ssl_shutdown_timeout=0.1 if tls else None)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def read_over(send: Send, tmp_path: Path, *, host: str = "127.0.0.1", **how: Any) -> dict[str, Record]:
    async def read() -> dict[str, Record]:
        async with serving(send, host, how.get("tls")) as url:
            of = district(tmp_path, url=url, ca_file=how.get("ca_file"))
            return await drain(of, request_seconds=5, retry_seconds=how.get("retry_seconds", 5))

    return asyncio.run(read())


async def drain(of: Any, **settings: Any) -> dict[str, Record]:
    limits = HostLimits(4, Clock(sleep=lambda _: asyncio.sleep(0)))
    async with open_source(of, limits, Settings(**settings)) as source:
        return {record.id: record async for page in source.read(TODAY, PullReport()) for record in records_of(page)}


def failure(send: Send, tmp_path: Path, **how: Any) -> PullFailedError:
    with pytest.raises(PullFailedError) as failed:
        read_over(send, tmp_path, **how)
    return failed.value


async def http_1_0(writer: asyncio.StreamWriter, body: bytes, _: int) -> None:
    writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + body)


async def zipped(writer: asyncio.StreamWriter, body: bytes, _: int) -> None:
    await plain_with(writer, gzip.compress(body), b"content-encoding: gzip\r\n")


async def deflated(writer: asyncio.StreamWriter, body: bytes, _: int) -> None:
    await plain_with(writer, zlib.compress(body), b"content-encoding: deflate\r\n")


async def plain_with(writer: asyncio.StreamWriter, body: bytes, header: bytes) -> None:
    writer.write(JSON_HEAD + header + b"content-length: %d\r\n\r\n" % len(body) + body)


async def in_chunks_of_7(writer: asyncio.StreamWriter, body: bytes, _: int) -> None:
    writer.write(JSON_HEAD + b"transfer-encoding: chunked\r\n\r\n")
    for start in range(0, len(body), 7):
        part = body[start : start + 7]
        writer.write(b"%x\r\n" % len(part) + part + b"\r\n")
    writer.write(b"0\r\n\r\n")


def first_time(broken: Send) -> Send:
    async def send(writer: asyncio.StreamWriter, body: bytes, number: int) -> None:
        await (broken if number == 3 else plain)(writer, body, number)

    return send


async def half_of_the_chunks(writer: asyncio.StreamWriter, body: bytes, _: int) -> None:
    writer.write(JSON_HEAD + b"transfer-encoding: chunked\r\n\r\n%x\r\n" % len(body) + body[: len(body) // 2])


async def half_of_the_length(writer: asyncio.StreamWriter, body: bytes, _: int) -> None:
    writer.write(JSON_HEAD + b"content-length: %d\r\n\r\n" % len(body) + body[: len(body) // 2])


async def half_a_zip(writer: asyncio.StreamWriter, body: bytes, _: int) -> None:
    packed = gzip.compress(body)
    await plain_with(writer, packed[: len(packed) // 2], b"content-encoding: gzip\r\n")


async def no_zip_at_all(writer: asyncio.StreamWriter, body: bytes, _: int) -> None:
    await plain_with(writer, body, b"content-encoding: gzip\r\n")


async def http_1_0_cut_off(writer: asyncio.StreamWriter, body: bytes, _: int) -> None:
    writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + body[:-30])


async def closed_without_a_word(*_: object) -> None:
    return


@pytest.mark.parametrize("send", [http_1_0, zipped, deflated, in_chunks_of_7], ids=lambda send: send.__name__)
def test_however_a_server_sends_its_pages_the_roster_is_the_same(tmp_path: Path, send: Send) -> None:
    assert read_over(send, tmp_path) == whole_roster(tmp_path)


BROKEN = [half_of_the_chunks, half_of_the_length, half_a_zip, no_zip_at_all, http_1_0_cut_off, closed_without_a_word]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda send: send.__name__)
def test_a_body_that_is_cut_off_once_is_asked_for_again(tmp_path: Path, broken: Send) -> None:
    assert read_over(first_time(broken), tmp_path) == whole_roster(tmp_path)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda send: send.__name__)
def test_bodies_that_are_always_cut_off_fail_the_pull_with_a_sentence(tmp_path: Path, broken: Send) -> None:
    error = failure(broken, tmp_path, retry_seconds=0.5)
    assert error.code in {"provider-unavailable", "incomplete"}
    assert "/orgs" in error.text
    assert "again later" in error.text


def test_an_ipv6_address_is_read_like_any_other(tmp_path: Path) -> None:
    if not socket.has_ipv6:  # pragma: no cover
        pytest.skip("no IPv6 here")
    assert read_over(plain, tmp_path, host="::1") == whole_roster(tmp_path)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A CA file that nobody else trusts, and what a server at 127.0.0.1 needs to be trusted by it."""
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "ca.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=oak -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*command.split(), "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context


def test_a_server_with_a_private_ca_is_read_with_the_districts_ca_file(
    tmp_path: Path, certificate: tuple[Path, ssl.SSLContext]
) -> None:
    ca_file, tls = certificate
    assert read_over(plain, tmp_path, tls=tls, ca_file=str(ca_file)) == whole_roster(tmp_path)


def test_a_server_with_a_private_ca_is_refused_without_a_ca_file(
    tmp_path: Path, certificate: tuple[Path, ssl.SSLContext]
) -> None:
    error = failure(plain, tmp_path, tls=certificate[1])
    assert error.code == "misconfigured"
    assert "the certificate of 127.0.0.1 is not trusted" in error.text
    assert "--ca-file" in error.text


def test_a_ca_file_does_not_replace_the_public_authorities(
    certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    contexts: list[ssl.SSLContext] = []
    monkeypatch.setattr("services.ingest.providers.http.Network", lambda trust, **_: contexts.append(trust))
    ProviderHttp(
        "https://oak.example.org",
        limits=HostLimits(1),
        request_seconds=1,
        retry_seconds=1,
        requests_per_pull=1,
        ca_file=str(certificate[0]),
    )
    assert len(contexts[0].get_ca_certs()) > 10


def test_https_to_a_server_that_only_speaks_http_says_so(tmp_path: Path) -> None:
    async def bad_request(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
        writer.close()

    async def read() -> None:
        async with await asyncio.start_server(bad_request, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            await drain(district(tmp_path, url=f"https://127.0.0.1:{port}"), retry_seconds=2)

    with pytest.raises(PullFailedError, match=r"does not speak TLS as https does.*check the district's url"):
        asyncio.run(read())


async def pull_through(
    asked: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, bypass: str
) -> None:
    """Read a district while the environment names a proxy, which notes what it is asked and refuses."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        address = f"http://user:secret@127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, address)
        monkeypatch.setenv("no_proxy", bypass)
        await drain(district(tmp_path, url=url), request_seconds=5, retry_seconds=0.2)


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("http://oak.example.org", b"GET http://oak.example.org/ims/oneroster/v1p1/orgs?"),
        ("https://oak.example.org", b"CONNECT oak.example.org:443 HTTP/1.1"),
    ],
)
def test_a_proxy_of_the_environment_is_asked_in_the_servers_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, line: bytes
) -> None:
    asked: list[bytes] = []
    with pytest.raises(PullFailedError) as failed:
        asyncio.run(pull_through(asked, tmp_path, monkeypatch, url, ""))
    assert asked[0].startswith(line)
    assert b"proxy-authorization: basic " in asked[0].lower()
    assert "secret" not in failed.value.text


def test_a_server_that_no_proxy_names_is_asked_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def read() -> None:
        async with serving(plain) as url:
            await pull_through(asked, tmp_path, monkeypatch, url, "127.0.0.1")

    asked: list[bytes] = []
    asyncio.run(read())
    assert asked == []


def test_one_connection_serves_a_whole_pull(tmp_path: Path) -> None:
    connections = 0
    ordinary = OneRosterServer(small_district(), clamp=4)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with suppress(asyncio.IncompleteReadError):
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                answer = ordinary(httpx.Request("GET", f"http://here{head.split(' ', 2)[1]}"))
                await plain(writer, answer.content, 0)
        writer.close()

    async def read() -> dict[str, Record]:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            return await drain(district(tmp_path, url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))

    assert asyncio.run(read()) == whole_roster(tmp_path)
    assert connections == 1


def test_a_port_where_nothing_listens_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(PullFailedError, match=r"nothing listens there.*check the district's url") as failed:
        asyncio.run(drain(district(tmp_path, url=f"http://127.0.0.1:{port}"), retry_seconds=0.5))
    assert failed.value.code == "provider-unavailable"


async def silent(*_: object) -> None:
    await asyncio.sleep(60)


def test_a_server_that_hangs_from_the_start_says_so(tmp_path: Path) -> None:
    async def read() -> None:
        async with serving(silent) as url:
            await drain(district(tmp_path, url=url), request_seconds=0.2, retry_seconds=0.5)

    with pytest.raises(PullFailedError, match="the server was silent for too long") as failed:
        asyncio.run(read())
    assert failed.value.code == "provider-unavailable"


def token_server(answer: httpx.Response, tmp_path: Path, **credentials: str) -> tuple[list[httpx.Request], Any]:
    """A district with OAuth 2 whose token endpoint answers so; gives what it was asked, and the pull."""
    asked: list[httpx.Request] = []
    data = OneRosterServer(small_district())

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.host != "login.example.org":
            return data(request)
        asked.append(request)
        return answer

    known = {"client_id": "id", "client_secret": "very-secret", "token_url": "https://login.example.org/oauth/token"}
    return asked, lambda: pull(district(tmp_path, known | credentials), handler)


@pytest.mark.parametrize("style", ["basic", "form"])
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(400, json={"error": "invalid_scope"}), "misconfigured"),
        (httpx.Response(401, json={"error": "invalid_client"}), "wrong-credentials"),
        (httpx.Response(200, html="<html>Sign in</html>"), "misconfigured"),
        (httpx.Response(200, json={"error": "invalid_scope"}), "misconfigured"),
        (httpx.Response(200, json=["token"]), "misconfigured"),
        (httpx.Response(200, json={"access_token": "two words"}), "wrong-credentials"),
        (httpx.Response(204), "misconfigured"),
        (httpx.Response(302, headers={"Location": "https://login.example.org/html"}), "misconfigured"),
        (httpx.Response(404, html="<html>Not here</html>"), "not-found"),
    ],
    ids=["scope", "client", "html", "scope under 200", "list", "no token", "204", "redirect", "404"],
)
def test_a_token_endpoint_that_gives_no_token_is_named_with_what_to_check(
    tmp_path: Path, style: str, answer: httpx.Response, code: str
) -> None:
    asked, read = token_server(answer, tmp_path, style=style, scope="roster-core.readonly")
    with pytest.raises(PullFailedError) as failed:
        read()
    assert failed.value.code == code
    assert "token" in failed.value.text
    assert "credentials" in failed.value.text
    assert "very-secret" not in failed.value.text
    assert len(asked) == 1
    assert ("very-secret" in asked[0].content.decode()) == (style == "form")


def test_a_token_that_expires_under_way_is_replaced_once_and_nothing_is_lost(tmp_path: Path) -> None:
    tokens = 0
    data = OneRosterServer(small_district(), clamp=3)

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal tokens
        if request.url.host == "login.example.org":
            tokens += 1
            return httpx.Response(200, json={"access_token": f"token-{tokens}", "expires_in": 3600})
        current = "token-1" if len(data.requests) < 6 else "token-2"
        if request.headers["authorization"] != f"Bearer {current}":
            return httpx.Response(401, content=json.dumps({"imsx_codeMajor": "failure"}))
        return data(request)

    credentials = {"client_id": "id", "client_secret": "s", "token_url": "https://login.example.org/token"}
    assert pull(district(tmp_path, credentials), handler).records == whole_roster(tmp_path)
    assert tokens == 2
