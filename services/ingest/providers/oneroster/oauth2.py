"""OAuth 2 client credentials: a token from the district's token URL, used until it expires (RFC 6749 section 4.4)."""

import time
from collections.abc import Callable

import httpx
import msgspec

from services.districts import OAuth2Credentials
from services.ingest.providers.http import BearerAuth, ProviderHttp
from services.ingest.providers.oneroster.login import Login
from services.ingest.source import PullFailedError

EARLY_SECONDS = 60.0
"""A token is replaced so long before it expires, so that no request is under way when it does."""

DEFAULT_LIFE_SECONDS = 600.0
"""How long a token is used whose answer does not say how long it lives."""


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float | None = None


_token = msgspec.json.Decoder(_Token, strict=False)


class OAuth2Login(Login):
    """Fetches a token when there is none or it is about to expire, and once more after a 401."""

    def __init__(self, credentials: OAuth2Credentials, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._credentials = credentials
        self._monotonic = monotonic
        self._good_until = float("-inf")

    async def prepare(self, http: ProviderHttp) -> None:
        """Fetch a token where the one in `http.auth` is missing or too old."""
        if self._monotonic() >= self._good_until:
            await self._fetch(http)

    async def renew(self, http: ProviderHttp) -> bool:
        """Fetch a new token in any case."""
        await self._fetch(http)
        return True

    async def _fetch(self, http: ProviderHttp) -> None:
        credentials, secret = self._credentials, self._credentials.client_secret.get_secret_value()
        form = {"grant_type": "client_credentials"}
        if credentials.scope:
            form["scope"] = credentials.scope
        auth: httpx.Auth | None = None
        if credentials.style == "basic":
            auth = httpx.BasicAuth(credentials.client_id, secret)
        else:
            form |= {"client_id": credentials.client_id, "client_secret": secret}
        asked_at = self._monotonic()
        try:
            response = await http.post_form(str(credentials.token_url), form, auth)
        except PullFailedError as error:
            text = (
                f"{error.text} (no token: check the client id, secret, token URL, scope and style of the credentials)"
            )
            raise PullFailedError(error.code, text) from error
        try:
            token = _token.decode(response.content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise PullFailedError(
                "misconfigured",
                f"POST {response.request.url.host}{response.request.url.path} answered without an access_token; "
                "check the token URL in the district's credentials file",
            ) from error
        life = DEFAULT_LIFE_SECONDS if token.expires_in is None else token.expires_in
        self._good_until = asked_at + max(life - EARLY_SECONDS, life / 2)
        http.auth = BearerAuth(token.access_token)
