"""What a provider's answer means: usable, refused for good, or worth another try (the pure part of the HTTP client)."""

from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx

from services.ingest.source import PullFailedError


class UnauthorizedError(PullFailedError):
    """401: the provider does not accept these credentials. A fresh token may help, once."""


class TooManyRecordsError(PullFailedError):
    """413: the provider does not serve so many records in one page. A smaller page may help."""


class PageTooHeavyError(PullFailedError):
    """The page is more than the provider can make (502) or we want to hold. A smaller page may help."""


class PassingError(PullFailedError):
    """A failure that may be over soon; `reset_in` is how long the provider asked us to wait, in seconds."""

    def __init__(self, code: str, text: str, reset_in: float = 0.0) -> None:
        super().__init__(code, text)
        self.reset_in = reset_in


def is_json(response: httpx.Response) -> bool:
    """Tell whether the answer calls itself JSON (application/json or another type ending in +json)."""
    kind = _media_type(response).lower()
    return kind == "application/json" or kind.endswith("+json")


def _media_type(response: httpx.Response) -> str:
    value: str = response.headers.get("content-type", "")
    return value.partition(";")[0].strip()


def json_of(response: httpx.Response) -> bytes:
    """Give the body of an answer that calls itself JSON.

    Raises PullFailedError 'not-a-roster' for anything else: with a wrong path or kind of token, providers answer with
    an HTML page, sometimes under 200 (clever.md section 6).
    """
    if is_json(response):
        return response.content
    kind = _media_type(response)[:80] or "no content type"
    raise PullFailedError(
        "not-a-roster",
        f"GET {address(response.request.url)} answered {response.status_code} with {kind} where JSON was expected; "
        "check the district's url, API path and kind of credentials",
    )


_REFUSALS: dict[int, tuple[type[PullFailedError], str, str]] = {
    401: (
        UnauthorizedError,
        "wrong-credentials",
        "the provider does not accept the district's credentials; put the current ones into its credentials file",
    ),
    403: (
        PullFailedError,
        "wrong-credentials",
        "the credentials may not read this; ask the district to share it, or check the scope",
    ),
    404: (
        PullFailedError,
        "not-found",
        "nothing is there for these credentials; check the district's url and API path, and that it still shares "
        "with us",
    ),
    413: (TooManyRecordsError, "misconfigured", "the page size is above the provider's maximum"),
    501: (PullFailedError, "provider-unavailable", "the provider does not implement this"),
}


def refusal(response: httpx.Response, now: float, *, may_shrink: bool = False) -> PullFailedError:
    """Judge an answer that is neither 200 nor 204: what it means, and whether trying again may help.

    `now` is in Unix seconds. Sources: clever.md section 6, oneroster.md section 7.
    """
    status = response.status_code
    said = f"{response.request.method} {address(response.request.url)} answered {status}{_request_id(response)}"
    if status == 429:
        text = f"{said}: the provider's rate limit is used up"
        return PassingError("rate-limited", text, seconds_to_reset(response.headers, now))
    if status == 502 and may_shrink:
        return PageTooHeavyError("provider-unavailable", f"{said}: the page may be too heavy for the provider")
    if status == 408 or (status >= 500 and status != 501):
        # Clever sends its rate-limit headers with every answer, so here they say nothing about when to try again.
        rest = seconds_of_retry_after(response.headers, now) if status == 503 else 0.0
        return PassingError("provider-unavailable", f"{said}: the provider has trouble of its own", rest)
    if 300 <= status < 400:
        to = _redirect_target(response)
        text = f"a redirect{to}, which is not followed; set the district's url to the final address"
        return PullFailedError("misconfigured", f"{said}: {text}")
    refused = (PullFailedError, "misconfigured", "the provider refuses the request as it stands")
    kind, code, text = _REFUSALS.get(status, refused)
    return kind(code, f"{said}: {text}")


def seconds_to_reset(headers: httpx.Headers, now: float) -> float:
    """Give how long a 429 asks us to wait: the longer of X-RateLimit-Reset and Retry-After, 0 if neither.

    `now` is in Unix seconds; the answer's own Date is preferred to it, so that a clock that is wrong does no harm.
    """
    wait = seconds_of_retry_after(headers, now)
    reset = headers.get("x-ratelimit-reset", "").strip()
    if not reset.isdecimal():
        return wait
    # Clever sends Unix seconds; others send the seconds that are left.
    left = float(reset) - _their_time(headers, now) if float(reset) > 1_000_000_000 else float(reset)
    return max(wait, left)


def seconds_of_retry_after(headers: httpx.Headers, now: float) -> float:
    """Give how long Retry-After (seconds or a date, RFC 9110 section 10.2.3) asks us to wait, 0 without one."""
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    at = _http_date(value)
    return 0.0 if at is None else max(at - _their_time(headers, now), 0.0)


def _their_time(headers: httpx.Headers, now: float) -> float:
    return _http_date(headers.get("date", "")) or now


def _http_date(value: str) -> float | None:
    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _redirect_target(response: httpx.Response) -> str:
    try:
        return f" to {address(response.request.url.join(response.headers['location']))}"
    except (KeyError, httpx.InvalidURL):
        return ""


def _request_id(response: httpx.Response) -> str:
    """Give the id to quote to the provider's support, where there is one that looks like an id."""
    for name in ("x-request-id", "clever-request-id"):
        value = response.headers.get(name, "")
        if value and len(value) <= 64 and value.replace("-", "").isalnum():
            return f" (request {value})"
    return ""


def origin(url: httpx.URL) -> str:
    """Give the url's scheme, host and port, without user or password."""
    return f"{url.scheme}://{url.netloc.decode()}"


def address(url: httpx.URL) -> str:
    """Give the url without user, password and query, which may hold secrets."""
    return f"{origin(url)}{url.path}"
