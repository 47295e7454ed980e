"""Sign-in with an OpenID Connect provider (OpenID Connect Core 1.0, Discovery 1.0): which account do you have?

The id token is checked by joserfc (signature, algorithm) and Authlib (iss, aud, azp, exp, iat); the nonce must be the
one of this very round. Only asymmetric algorithms count: 'none' and those keyed with our secret never do.
"""

import threading
import time
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import ValidationError

from services.activation.sign_in.provider_settings import Address, IdentityProviderSettings
from services.activation.sign_in.providers import (
    AccountClaim,
    Id,
    Returned,
    Round,
    StrictAnswer,
    Token,
    grant_url,
    pkce,
)
from services.activation.sign_in.sign_in_http import ProviderAnswerError, SignInHttp
from services.activation.sign_in.tokens import digest

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
_KEPT_SECONDS = 3600
_CLOCK_SECONDS = 60
_KEYS_AGAIN_SECONDS = 60
"""Keys are fetched anew for an unknown one, as providers rotate them, but not for every forged token."""


class _Discovery(StrictAnswer):
    issuer: str
    authorization_endpoint: Address
    token_endpoint: Address
    jwks_uri: Address
    code_challenge_methods_supported: tuple[str, ...] = ()
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Tokens(StrictAnswer):
    id_token: Token


class _Keys(StrictAnswer):
    keys: list[dict[str, Any]]


class _Claims(StrictAnswer):
    sub: Id
    nonce: str
    email: Id | None = None
    email_verified: bool = False


class IdentityProvider:
    """An OpenID Connect provider."""

    def __init__(self, settings: IdentityProviderSettings, http: SignInHttp) -> None:
        self._settings = settings
        self._http = http
        self._lock = threading.Lock()
        self._discovered: tuple[float, _Discovery] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self.sign_out_url = settings.sign_out_url

    def authorize_url(self, began: Round, redirect_uri: str) -> str:
        """See `Provider`."""
        found = self._discovery()
        more = pkce(began) if "S256" in found.code_challenge_methods_supported else {}
        return grant_url(
            found.authorization_endpoint,
            self._settings.client_id,
            began,
            redirect_uri,
            scope="openid email",
            nonce=began.nonce,
            prompt="select_account",  # somebody else may be signed in there at a shared computer
            **more,
        )

    def who(self, returned: Returned, redirect_uri: str) -> AccountClaim:
        """See `Provider`."""
        found, settings = self._discovery(), self._settings
        secret = settings.client_secret.get_secret_value()
        form = {
            "code": returned.code,
            "grant_type": "authorization_code",
            "redirect_uri": redirect_uri,
            "code_verifier": returned.code_verifier,
        }
        basic = "client_secret_basic" in found.token_endpoint_auth_methods_supported
        if not basic:
            form |= {"client_id": settings.client_id, "client_secret": secret}
        client = (settings.client_id, secret) if basic else None
        token = self._http.post("token", found.token_endpoint, _Tokens, form=form, basic=client).id_token
        claims = self._checked(token, found)
        if digest(claims.nonce) != returned.nonce_digest:
            raise ProviderAnswerError("provider-answer", "id_token: its nonce is not of this sign-in")
        email = claims.email if claims.email_verified else None
        return AccountClaim(settings.issuer, claims.sub, email)

    def _checked(self, token: str, found: _Discovery) -> _Claims:
        try:
            decoded = self._decoded(token, found)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                options={
                    "iss": {"essential": True, "value": found.issuer},
                    "aud": {"essential": True, "value": self._settings.client_id},
                },
                params={"client_id": self._settings.client_id},
            )
            claims.validate(leeway=_CLOCK_SECONDS)
            return _Claims.model_validate(dict(claims))
        except ValidationError:
            raise ProviderAnswerError("provider-answer", "id_token: its claims are not of their types") from None
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            # What libraries raise on hostile tokens is not only their own errors.
            raise ProviderAnswerError("provider-answer", f"id_token: {type(error).__name__}") from None

    def _decoded(self, token: str, found: _Discovery) -> jwt.Token:
        fetched_at, keys = self._key_set(found, newer_than=0)
        try:
            return jwt.decode(token, keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            if time.monotonic() - fetched_at < _KEYS_AGAIN_SECONDS:
                raise
            return jwt.decode(token, self._key_set(found, newer_than=fetched_at)[1], algorithms=ALGORITHMS)

    def _key_set(self, found: _Discovery, newer_than: float) -> tuple[float, KeySet]:
        with self._lock:
            kept = self._keys
            if kept is None or kept[0] <= newer_than or time.monotonic() - kept[0] > _KEPT_SECONDS:
                answer = self._http.get("jwks", found.jwks_uri, _Keys)
                kept = self._keys = (time.monotonic(), KeySet.import_key_set({"keys": answer.keys}))
            return kept

    def _discovery(self) -> _Discovery:
        with self._lock:
            if self._discovered is None or time.monotonic() - self._discovered[0] > _KEPT_SECONDS:
                url = f"{self._settings.issuer}/.well-known/openid-configuration"
                found = self._http.get("discovery", url, _Discovery)
                if found.issuer.rstrip("/") != self._settings.issuer:
                    raise ProviderAnswerError("provider-answer", "discovery: it is another issuer's")
                self._discovered = (time.monotonic(), found)
            return self._discovered[1]

    def close(self) -> None:
        """See `Provider`."""
        self._http.close()
