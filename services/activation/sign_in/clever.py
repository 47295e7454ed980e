"""Sign-in with Clever (dev.clever.com, "OAuth Implementation"; recorded answers of /v3.0/me).

The id to match is the v3 one: /me gives it where its `canonical` link leads to /v3.x/users/<id>. An older form of /me
carries the role's legacy id and no links; then /userinfo is asked for `multi_role_user_id`. `user_id` is never used.
"""

import re
from typing import Literal

from services.activation.sign_in.provider_settings import CleverSettings
from services.activation.sign_in.providers import (
    KINDS,
    Id,
    Returned,
    RosteredClaim,
    Round,
    StrictAnswer,
    TokenAnswer,
    grant_url,
)
from services.activation.sign_in.sign_in_http import ProviderAnswerError, SignInHttp

_CANONICAL = re.compile(r"/v3\.\d+/users/([^/?#]+)")


class _Link(StrictAnswer):
    rel: str
    uri: str


class _MeData(StrictAnswer):
    id: Id
    district: Id
    type: Id


class _Me(StrictAnswer):
    type: Literal["user"]
    data: _MeData
    links: tuple[_Link, ...] = ()


class _UserInfo(StrictAnswer):
    multi_role_user_id: Id
    sub: Id | None = None
    district: Id
    user_type: str = ""


class Clever:
    """Clever as a sign-in server."""

    def __init__(self, settings: CleverSettings, http: SignInHttp) -> None:
        self._settings = settings
        self._http = http
        self.sign_out_url = settings.sign_out_url

    def authorize_url(self, began: Round, redirect_uri: str) -> str:
        """See `Provider`. Clever takes no proof key."""
        return grant_url(self._settings.authorize_url, self._settings.client_id, began, redirect_uri)

    def who(self, returned: Returned, redirect_uri: str) -> RosteredClaim:
        """See `Provider`."""
        settings = self._settings
        exchange = {"code": returned.code, "grant_type": "authorization_code", "redirect_uri": redirect_uri}
        client = (settings.client_id, settings.client_secret.get_secret_value())
        token = self._http.post("token", settings.token_url, TokenAnswer, json=exchange, basic=client).access_token
        me = self._http.get("me", f"{settings.api_url}/v3.0/me", _Me, bearer=token)
        canonical = [link.uri for link in me.links if link.rel == "canonical"]
        if not canonical:
            return self._from_userinfo(token, me.data)
        found = _CANONICAL.fullmatch(canonical[0])
        if found is None or found[1] != me.data.id:
            raise ProviderAnswerError("provider-answer", "me: its canonical link is not of this user")
        return RosteredClaim(me.data.district, me.data.id, KINDS.get(me.data.type))

    def _from_userinfo(self, token: str, me: _MeData) -> RosteredClaim:
        info = self._http.get("userinfo", f"{self._settings.api_url}/userinfo", _UserInfo, bearer=token)
        if info.district != me.district or info.sub not in {None, info.multi_role_user_id}:
            raise ProviderAnswerError("provider-answer", "userinfo: it does not agree with itself or with /me")
        return RosteredClaim(info.district, info.multi_role_user_id, KINDS.get(info.user_type or me.type))

    def close(self) -> None:
        """See `Provider`."""
        self._http.close()
