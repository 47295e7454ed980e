"""Who may read a sandbox OneRoster server: OAuth 1.0a two-legged, OAuth 2 client credentials, a static bearer."""

import base64
import binascii
import secrets
import time
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import msgspec
from oauthlib.oauth1 import RequestValidator, SignatureOnlyEndpoint
from starlette.requests import Request
from starlette.responses import Response

from deploy.sandbox import credentials
from deploy.sandbox.registry import SandboxEntry

TOKEN_SECONDS = 21_600
CLOCK_SECONDS = 300


class _Validator(RequestValidator):
    """Knows the one key of a district, and that a nonce is used once."""

    enforce_ssl = False
    allowed_signature_methods = ("HMAC-SHA1", "HMAC-SHA256")
    dummy_client = "nobody"

    def __init__(self, entry: SandboxEntry) -> None:
        super().__init__()
        self._entry = entry

    def check_client_key(self, client_key: str) -> bool:
        return bool(client_key)

    def check_nonce(self, nonce: str) -> bool:
        return len(nonce) >= 8

    def validate_client_key(self, client_key: str, request: Any) -> bool:
        return client_key == credentials.oauth_key(self._entry.definition.district)

    def get_client_secret(self, client_key: str, request: Any) -> str:
        return credentials.oauth_secret(self._entry.definition.district)

    def validate_timestamp_and_nonce(  # noqa: PLR0917 - oauthlib's signature
        self,
        client_key: str,
        timestamp: str,
        nonce: str,
        request: Any,
        request_token: str | None = None,
        access_token: str | None = None,
    ) -> bool:
        fresh = abs(time.time() - int(timestamp)) <= CLOCK_SECONDS and nonce not in self._entry.nonces
        self._entry.nonces.add(nonce)
        return fresh


def may_read(request: Request, entry: SandboxEntry) -> bool:
    """Tell whether the request is signed, or carries a token, as this district's OneRoster server wants it."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme == "Bearer":
        return value == credentials.oneroster_bearer(entry.definition.district) or value in entry.issued_tokens
    if scheme != "OAuth":
        return False
    path = request.scope["raw_path"].decode("ascii").partition("?")[0]
    query = request.scope["query_string"].decode("ascii")
    uri = f"{request.url.scheme}://{request.headers['host']}{path}{f'?{query}' if query else ''}"
    endpoint = SignatureOnlyEndpoint(_Validator(entry))
    valid, _request = endpoint.validate_request(uri, request.method, None, dict(request.headers))
    return bool(valid)


async def issue_token(request: Request, entry: SandboxEntry) -> Response:
    """Answer an OAuth 2 client credentials request (RFC 6749 section 4.4), client in a Basic header or in the form."""
    form = dict(parse_qsl((await request.body()).decode("ascii", errors="replace")))
    client = (form.get("client_id", ""), form.get("client_secret", ""))
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme == "Basic":
        client = _basic(value)
    district = entry.definition.district
    if client != (credentials.oauth_key(district), credentials.oauth_secret(district)):
        return _json({"error": "invalid_client"}, 401)
    if form.get("grant_type") != "client_credentials":
        return _json({"error": "unsupported_grant_type"}, 400)
    token = f"sandbox-only-access-{secrets.token_hex(8)}"
    entry.issued_tokens.add(token)
    entry.requests["token"] += 1
    answer = {"access_token": token, "token_type": "bearer", "expires_in": TOKEN_SECONDS}
    return _json(answer | ({"scope": form["scope"]} if "scope" in form else {}), 200)


def _basic(value: str) -> tuple[str, str]:
    """Read a Basic header; id and secret may be form-encoded in it (RFC 6749 section 2.3.1) or plain."""
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return (unquote_plus(name), unquote_plus(secret)) if "%" in secret else (name, secret)


def _json(content: object, status: int) -> Response:
    return Response(msgspec.json.encode(content), status, {"Cache-Control": "no-store"}, "application/json")
