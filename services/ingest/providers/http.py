"""One district's HTTP to its provider: pooled, bounded, patient, and never talkative about what it carries.

Everything that can go wrong leaves here as a PullFailedError with a sentence for people. The texts name the method,
the server and the path; never a query, a header or a body, which may hold secrets or children's names.
"""

import asyncio
import functools
import socket
import ssl
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential_jitter

from services.ingest.providers.answers import PageTooHeavyError, PassingError, address, is_json, origin, refusal
from services.ingest.providers.hosts import HostLimits
from services.ingest.providers.network import Network
from services.ingest.source import PullFailedError

FIRST_CONTACT_SECONDS = 60.0
"""A server that has not answered once in this pull is given up on this soon: its address is probably wrong."""

CONNECT_SECONDS = 15.0
BODY_BYTES = 64 * 1024 * 1024
"""The largest page: 10,000 rows of 6 kB each. Decoded, a page takes several times as much."""

PULL_SECONDS = 4 * 3600.0
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class BearerAuth(httpx.Auth):
    """A bearer token in the Authorization header (RFC 6750 section 2.1). Spaces around it are not part of it.

    Raises PullFailedError 'wrong-credentials' for a token that no header can carry.
    """

    def __init__(self, token: str) -> None:
        word = token.strip()
        if not word or not word.isascii() or not word.isprintable() or " " in word:
            raise PullFailedError(
                "wrong-credentials",
                "the bearer token is empty or has characters that no token has; copy it into the credentials file anew",
            )
        self._authorization = f"Bearer {word}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header."""
        request.headers["Authorization"] = self._authorization
        yield request


class ProviderHttp:
    """HTTP for one pull of one district. Use it as an asynchronous context manager.

    `auth` goes to `base_url`'s own scheme, host and port and nowhere else; an adapter that has fetched a new token
    assigns it. Each try passes through it again, so that a signature is fresh. One request is tried again on 408, 429,
    5xx (not 501), lost connections, silence and truncated bodies until `retry_seconds` are over, with exponential
    backoff and jitter, and never before the provider's reset time. Redirects are not followed. After `pull_seconds` no
    request is begun or waited for any more, however slowly the provider goes on answering.
    """

    def __init__(
        self,
        base_url: str,
        *,
        limits: HostLimits,
        request_seconds: float,
        retry_seconds: float,
        requests_per_pull: int,
        auth: httpx.Auth | None = None,
        ca_file: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        body_bytes: int = BODY_BYTES,
        pull_seconds: float = PULL_SECONDS,
    ) -> None:
        self.auth = auth
        self._origin = origin(_parse(base_url))
        self._limits = limits
        self._clock = limits.clock
        self._retry_seconds = retry_seconds
        self._requests_left = self._requests_per_pull = requests_per_pull
        self._body_bytes = body_bytes
        self._pull_seconds = pull_seconds
        self._pull_ends = self._clock.monotonic() + pull_seconds
        self._answered = False
        self._wait = wait_exponential_jitter(initial=1, max=60, jitter=1)
        trust = _trust(ca_file)
        self._transport = transport or Network(
            trust,
            connect_seconds=min(CONNECT_SECONDS, request_seconds),
            silence_seconds=request_seconds,
        )

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    async def get(
        self,
        url: str,
        params: Sequence[tuple[str, str]] = (),
        *,
        auth: httpx.Auth | None = None,
        may_shrink: bool = False,
    ) -> httpx.Response:
        """Give the answer to a GET: 200 with its whole body, or 204.

        `params` are added to the query that `url` has, percent-encoded after RFC 3986. Without `auth` of its own the
        url must be on the district's server. With `may_shrink` a 502 raises PageTooHeavyError at once instead of
        being tried again, for adapters that can ask for less.

        Raises UnauthorizedError, TooManyRecordsError, PageTooHeavyError, or another PullFailedError.
        """
        target = _parse(url)
        if params:
            query = target.query + (b"&" if target.query else b"") + urlencode(params, quote_via=quote).encode()
            target = target.copy_with(query=query)
        return await self._patiently(target, auth, may_shrink, None)

    async def post_form(self, url: str, form: dict[str, str], auth: httpx.Auth | None) -> httpx.Response:
        """Give the answer to a form sent to a token endpoint, which may be on any host. Raises as `get` does."""
        return await self._patiently(_parse(url), auth or httpx.Auth(), False, form)

    async def _patiently(
        self, url: httpx.URL, auth: httpx.Auth | None, may_shrink: bool, form: dict[str, str] | None
    ) -> httpx.Response:
        if auth is None:
            if origin(url) != self._origin:
                raise PullFailedError(
                    "incomplete",
                    f"the provider sent us on to {url.host}, which is not the district's server "
                    f"({self._origin}); credentials are not sent to another host",
                )
            auth = self.auth or httpx.Auth()
        started = self._clock.monotonic()

        until = min(started + self._retry_seconds, self._pull_ends)

        def too_late(state: RetryCallState) -> bool:
            last = until if self._answered else min(until, started + FIRST_CONTACT_SECONDS)
            return self._clock.monotonic() + state.upcoming_sleep > last

        retrying = AsyncRetrying(
            sleep=self._clock.sleep,
            retry=retry_if_exception_type(PassingError),
            wait=self._next_wait,
            stop=too_late,
            retry_error_callback=self._give_up,
        )
        send = self._try_once
        return await retrying(send, url, auth, may_shrink, form, until)

    def _next_wait(self, state: RetryCallState) -> float:
        backoff = self._wait(state)
        error = state.outcome.exception() if state.outcome else None
        return max(backoff, error.reset_in) if isinstance(error, PassingError) else backoff

    async def _try_once(
        self, url: httpx.URL, auth: httpx.Auth, may_shrink: bool, form: dict[str, str] | None, until: float
    ) -> httpx.Response:
        host = url.netloc.decode()
        async with self._limits.slot(host, until):
            self._count_request(url.host)
            request = httpx.Request("GET" if form is None else "POST", url, headers=_HEADERS, data=form)
            request = next(auth.auth_flow(request))
            where = f"{request.method} {address(url)}"
            seconds = max(until - self._clock.monotonic(), 0.0)
            try:
                with _translated(where, url.host):
                    async with asyncio.timeout(seconds):
                        response = await self._transport.handle_async_request(request)
                        response.request = request
                        self._answered = True
                        try:
                            return await self._accept(response, where, may_shrink)
                        finally:
                            await response.aclose()
            except TimeoutError as error:
                text = f"{where} was still not answered in full after {seconds:.1f} seconds"
                raise PassingError("provider-unavailable", text) from error
            except PassingError as error:
                if error.code == "rate-limited":
                    # A senseless reset time must not close the host for the other districts for ever.
                    self._limits.close(host, min(error.reset_in, self._retry_seconds))
                raise

    def _count_request(self, host: str) -> None:
        if self._clock.monotonic() >= self._pull_ends:
            raise PullFailedError(
                "incomplete",
                f"this pull of {host} has gone on for {self._pull_seconds:.0f} seconds and is still not at the end; "
                "raise the district's page size or ROLLCALL_PULL_SECONDS if the provider really is that slow",
            )
        if self._requests_left == 0:
            raise PullFailedError(
                "incomplete",
                f"this pull has made {self._requests_per_pull} requests to {host} and is still not at the end; "
                "raise the district's page size or ROLLCALL_REQUESTS_PER_PULL if the district really is that large",
            )
        self._requests_left -= 1

    def _give_up(self, state: RetryCallState) -> httpx.Response:
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, PassingError):  # pragma: no cover - tenacity retries nothing else
            raise TypeError("only a passing failure is tried again")
        asked = f"; it asks for {error.reset_in:.0f} seconds of rest" if error.reset_in else ""
        tries = "once" if state.attempt_number == 1 else f"{state.attempt_number} times"
        advice = "sync the district again later"
        if not self._answered:
            advice = f"check the district's url, or {advice}"
        raise PullFailedError(error.code, f"{error.text}{asked} (tried {tries}); {advice}") from error

    async def _accept(self, response: httpx.Response, where: str, may_shrink: bool) -> httpx.Response:
        if response.status_code not in (200, 204):
            raise refusal(response, self._clock.unix(), may_shrink=may_shrink)
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.aiter_bytes():
            chunks.append(chunk)
            size += len(chunk)
            if size > self._body_bytes:
                raise PageTooHeavyError(
                    "incomplete",
                    f"the answer to {where} is larger than {self._body_bytes} bytes; lower the district's page size",
                )
        body = b"".join(chunks)
        if response.status_code == 200 and is_json(response) and not body[-64:].rstrip().endswith((b"}", b"]")):
            raise PassingError("incomplete", f"the answer to {where} breaks off after {len(body)} bytes")
        return httpx.Response(
            response.status_code,
            headers=[(name, value) for name, value in response.headers.multi_items() if name not in _ABOUT_THE_WIRE],
            content=body.removeprefix(BYTE_ORDER_MARK),
            request=response.request,
        )


_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": "Rollcall"}
_ABOUT_THE_WIRE = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})


@contextmanager
def _translated(where: str, host: str) -> Iterator[None]:
    """Turn httpx's errors into ours; the request's address stands in the text, never its query."""
    try:
        yield
    except httpx.RequestError as error:
        for cause in _causes(error):
            if isinstance(cause, ssl.SSLCertVerificationError):
                text = f"the certificate of {host} is not trusted ({cause.verify_message}); check the district's url, "
                raise PullFailedError("misconfigured", text + "or give the server's CA with --ca-file") from error
            if isinstance(cause, socket.gaierror) and cause.errno in _NO_SUCH_NAME:
                text = f"there is no server named {host}; check the district's url"
                raise PullFailedError("misconfigured", text) from error
        if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
            raise PullFailedError("misconfigured", f"{where} cannot be sent; check the district's url") from error
        raise PassingError("provider-unavailable", f"{where} failed: {_trouble(error)}") from error


def _trouble(error: httpx.RequestError) -> str:
    match error:
        case httpx.ConnectTimeout():
            return "the server does not answer"
        case httpx.ConnectError():
            return f"no connection to the server{_reason(error)}"
        case httpx.TimeoutException():
            return "the server was silent for too long"
        case httpx.DecodingError():
            return "its compressed answer cannot be unpacked"
        case _:
            return "the connection broke off in the middle"


def _reason(error: httpx.ConnectError) -> str:
    for cause in _causes(error):
        match cause:
            case ConnectionRefusedError():
                return ", nothing listens there"
            case socket.gaierror():
                return ", its name cannot be looked up now"
            case ssl.SSLError():
                return ", it does not speak TLS as https does"
    return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _parse(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise PullFailedError("misconfigured", f"the url cannot be read ({error}); check the district's url") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise PullFailedError("misconfigured", "the district's url must begin with https:// or http:// and a host")
    return parsed


@functools.cache
def _public_authorities() -> ssl.SSLContext:
    """Trust the public authorities. Reading all of them takes 20 ms, a third of what a small district's pull took."""
    return httpx.create_ssl_context()


def _trust(ca_file: str | None) -> ssl.SSLContext:
    """Trust the file's authorities besides the public ones, which a token endpoint elsewhere may need."""
    if ca_file is None:
        return _public_authorities()
    context = httpx.create_ssl_context()
    try:
        context.load_verify_locations(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise PullFailedError(
            "misconfigured", f"the CA file {ca_file} cannot be used ({type(error).__name__}); give a readable PEM file"
        ) from error
    return context
