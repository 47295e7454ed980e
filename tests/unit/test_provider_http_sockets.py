"""The provider HTTP client over real connections that break off, hang or drip."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.ingest.providers.hosts import HostLimits
from services.ingest.providers.http import ProviderHttp
from services.ingest.source import PullFailedError


@asynccontextmanager
async def raw_server(*script: bytes, then: str) -> AsyncIterator[str]:
    """A server that sends these bytes to every request, then closes, hangs or drips."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in script:
            writer.write(part)
        while then != "close" and not writer.is_closing():
            await asyncio.sleep(0.01)
            if then == "drip":
                writer.write(b" ")
            if reader.at_eof():
                break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"


def ask(*script: bytes, then: str, **settings: float) -> PullFailedError:
    async def once() -> None:
        async with (
            raw_server(*script, then=then) as url,
            ProviderHttp(
                url,
                limits=HostLimits(1),
                request_seconds=settings.get("request_seconds", 5),
                retry_seconds=settings.get("retry_seconds", 0.5),
                requests_per_pull=10,
            ) as http,
        ):
            await http.get(f"{url}/users")

    with pytest.raises(PullFailedError) as caught:
        asyncio.run(once())
    return caught.value


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n"


def test_a_truncated_body_is_never_a_page() -> None:
    error = ask(HEAD, b'{"data": []}', then="close")
    assert error.code == "provider-unavailable"
    assert "broke off" in error.text


def test_a_body_cut_off_without_a_length_is_never_a_page() -> None:
    error = ask(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n", b'{"data": [', then="close")
    assert error.code == "incomplete"
    assert "breaks off after 10 bytes" in error.text


def test_a_provider_that_hangs_ends_with_a_sentence() -> None:
    error = ask(HEAD, then="hang", request_seconds=0.1)
    assert error.code == "provider-unavailable"
    assert "silent for too long" in error.text


def test_a_provider_that_drips_ends_with_a_sentence() -> None:
    error = ask(HEAD, b'{"data": []', then="drip", request_seconds=0.2, retry_seconds=0.3)
    assert error.code == "provider-unavailable"
    assert "not answered in full" in error.text
