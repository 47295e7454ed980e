"""Two-legged OAuth 1.0a: every request is signed by the district's key and secret (RFC 5849 section 3)."""

from collections.abc import Generator

import httpx
from oauthlib.oauth1 import Client

from services.districts import OAuth1Credentials


class OAuth1Auth(httpx.Auth):
    """Signs a GET of the exact address that is sent, with a fresh nonce and time on every try, retries included."""

    def __init__(self, credentials: OAuth1Credentials) -> None:
        self._signer = Client(
            credentials.oauth1_key,
            client_secret=credentials.oauth1_secret.get_secret_value(),
            signature_method=credentials.signature_method,
        )

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the Authorization header."""
        _, headers, _ = self._signer.sign(str(request.url), http_method="GET")
        request.headers["Authorization"] = headers["Authorization"]
        yield request
