"""How requests reach a provider: aiohttp's connections beneath httpx's requests and answers.

httpx's own client, with its connections, spends a millisecond on a request, aiohttp 0.15: a small district's pull is
six of them.
"""

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Self
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from yarl import URL

READ_BYTES = 1024 * 1024


class Network(httpx.AsyncBaseTransport):
    """Connections that are kept for further requests until the context ends; no cookies, no redirects.

    `silence_seconds` is how long an answer may stand still, `connect_seconds` how long it may take to look the name
    up, connect and agree on TLS. Proxies are those of the environment (HTTPS_PROXY and the like, NO_PROXY). What goes
    wrong is raised as an httpx.RequestError.
    """

    def __init__(self, trust: ssl.SSLContext, *, connect_seconds: float, silence_seconds: float) -> None:
        self._trust = trust
        self._timeout = aiohttp.ClientTimeout(connect=connect_seconds, sock_read=silence_seconds)
        self._proxies = getproxies()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._trust, limit=0, resolver=aiohttp.ThreadedResolver()),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            auto_decompress=False,
            read_bufsize=READ_BYTES,
        )
        return self

    async def aclose(self) -> None:
        """Give up the connections."""
        await self._session.close()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and give the answer as soon as its headers are there."""
        headers = [(name.decode(), value.decode("latin-1")) for name, value in request.headers.raw]
        proxy, for_proxy = self._proxy_for(request.url)
        if request.url.scheme == "http":  # the proxy reads the request itself; with https only what comes before it
            headers += for_proxy.items()
        with _as_httpx_says():
            answer = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=headers,
                data=request.content or None,
                allow_redirects=False,
                proxy=proxy,
                proxy_headers=for_proxy,
            )
        return httpx.Response(answer.status, headers=list(answer.raw_headers), stream=_Body(answer))

    def _proxy_for(self, url: httpx.URL) -> tuple[URL | None, dict[str, str]]:
        """Give the proxy to ask, and the headers that are for it alone."""
        address = self._proxies.get(url.scheme) or self._proxies.get("all")
        if not address or proxy_bypass(url.host):
            return None, {}
        proxy = URL(address)
        if proxy.user is None:
            return proxy, {}
        authorization = aiohttp.encode_basic_auth(proxy.user, proxy.password or "")
        return proxy.with_user(None), {"Proxy-Authorization": authorization}


class _Body(httpx.AsyncByteStream):
    """An answer's body as it comes."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx_says():
            async for chunk in self._answer.content.iter_any():
                yield chunk

    async def aclose(self) -> None:
        """Keep the connection where the body has come in full, give it up otherwise."""
        self._answer.release()


@contextmanager
def _as_httpx_says() -> Iterator[None]:
    try:
        yield
    except aiohttp.ClientConnectorCertificateError as error:
        raise httpx.ConnectError(str(error)) from error.certificate_error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise _kind(error)(str(error)) from error


def _kind(error: aiohttp.ClientError | TimeoutError) -> type[httpx.RequestError]:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return httpx.ConnectTimeout
        case aiohttp.ClientConnectorError() | aiohttp.ClientSSLError():
            return httpx.ConnectError
        case aiohttp.InvalidURL():
            return httpx.UnsupportedProtocol
        case TimeoutError():
            return httpx.ReadTimeout
        case _:
            return httpx.RemoteProtocolError
