"""Posts to a webhook, signed as Standard Webhooks 1.0 says, so that libraries for it verify them.

Source: standard-webhooks/standard-webhooks, `spec/standard-webhooks.md`: the headers webhook-id, webhook-timestamp and
webhook-signature; the signature is `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`.
"""

import base64
import binascii
import hashlib
import hmac
import json

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from services import clock
from services.guard.notices.carriers import MisconfiguredError, NotDeliveredError
from services.guard.notices.parcels import Due, Parcel
from services.guard.notices.rendering import desk_link, headline

_SECONDS = 15


class WebhookCarrier:
    """Posts each notice as JSON."""

    by_webhook = True

    def __init__(self, url: str, secret: str | None, desk_url: str | None) -> None:
        """Raises MisconfiguredError where the address or the secret cannot be used."""
        if not _is_web_address(url):
            raise MisconfiguredError("ROLLCALL_WEBHOOK_URL is not an http or https address; correct it or leave it out")
        self._url = url
        self._key = signing_key(secret)
        self._desk_url = desk_url

    async def deliver(self, parcel: Parcel) -> None:
        """Post the notice and wait for a 2xx answer. See `carriers.Carrier`."""
        (one,) = parcel.contents
        body = self._body(one)
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(httpx.TransportError),
                wait=wait_exponential_jitter(multiplier=0.2, max=2),
                stop=stop_after_attempt(3),
                reraise=True,
            ):
                with attempt:
                    async with httpx.AsyncClient(timeout=_SECONDS) as client:
                        answer = await client.post(self._url, content=body, headers=self._headers(one, body))
        except httpx.HTTPError as error:
            raise NotDeliveredError(f"the webhook did not answer ({type(error).__name__})", away=True) from None
        if not answer.is_success:
            text = f"the webhook answered {answer.status_code}"
            raise NotDeliveredError(text, away=answer.is_server_error or answer.status_code == 429)

    def _body(self, one: Due) -> bytes:
        notice = one.notice
        document = {
            "type": f"notice.{notice.code}",
            "timestamp": notice.noticed_at.isoformat(),
            "text": f"{headline(one)}. {notice.text}",
            "data": {
                "id": one.notice_id,
                "district": notice.district,
                "district_name": one.district_name,
                "code": notice.code,
                "subject_id": notice.subject_id,
                "link": desk_link(notice, self._desk_url),
            },
        }
        return json.dumps(document, ensure_ascii=False).encode()

    def _headers(self, one: Due, body: bytes) -> dict[str, str]:
        sent_at = int(clock.now().timestamp())
        return {
            "content-type": "application/json",
            "webhook-id": one.notice_id,
            "webhook-timestamp": str(sent_at),
            "webhook-signature": signature(self._key, one.notice_id, sent_at, body),
        }


def _is_web_address(url: str) -> bool:
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.host)


def signature(key: bytes, id_: str, timestamp: int, body: bytes) -> str:
    """Give the signature of a post."""
    signed = hmac.new(key, f"{id_}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def signing_key(secret: str | None) -> bytes:
    """Read a secret of the form whsec_…. Raises MisconfiguredError where it is none, or shorter than 24 bytes."""
    try:
        key = base64.b64decode((secret or "").removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < 24:
        raise MisconfiguredError(
            "ROLLCALL_WEBHOOK_SECRET is not whsec_ and at least 24 bytes in base64; make one with "
            "`echo whsec_$(openssl rand -base64 32)` and give it to the receiver, too"
        )
    return key
