"""Sign-in with ClassLink (its OAuth 2 documentation; /v2/my/info as live answers have it).

People are matched by (TenantId as text, SourcedId), exactly. An empty SourcedId is a district without OneRoster at
ClassLink: nobody is ever matched by it. UserId is ClassLink's own; it is not in the roster.
"""

from typing import Annotated

from pydantic import Field

from services.activation.sign_in.provider_settings import ClassLinkSettings
from services.activation.sign_in.providers import (
    KINDS,
    Id,
    MaybeId,
    Returned,
    RosteredClaim,
    Round,
    StrictAnswer,
    TokenAnswer,
    grant_url,
)
from services.activation.sign_in.sign_in_http import ProviderAnswerError, SignInHttp


class _MyInfo(StrictAnswer):
    user_id: Annotated[int | Id, Field(alias="UserId")]
    tenant_id: Annotated[int | Id, Field(alias="TenantId")]
    sourced_id: Annotated[MaybeId | None, Field(alias="SourcedId")] = None
    role: Annotated[str, Field(alias="Role")] = ""


class ClassLink:
    """ClassLink as a sign-in server."""

    def __init__(self, settings: ClassLinkSettings, http: SignInHttp) -> None:
        self._settings = settings
        self._http = http
        self.sign_out_url = settings.sign_out_url

    def authorize_url(self, began: Round, redirect_uri: str) -> str:
        """See `Provider`. ClassLink documents no proof key."""
        settings = self._settings
        return grant_url(settings.authorize_url, settings.client_id, began, redirect_uri, scope="profile oneroster")

    def who(self, returned: Returned, redirect_uri: str) -> RosteredClaim:
        """See `Provider`. Raises ProviderAnswerError 'no-roster-id' for an empty SourcedId."""
        settings = self._settings
        form = {
            "code": returned.code,
            "grant_type": "authorization_code",
            "redirect_uri": redirect_uri,
            "client_id": settings.client_id,
            "client_secret": settings.client_secret.get_secret_value(),
        }
        token = self._http.post("token", settings.token_url, TokenAnswer, form=form).access_token
        info = self._http.get("my/info", settings.info_url, _MyInfo, bearer=token)
        if not (info.sourced_id or "").strip():
            raise ProviderAnswerError("no-roster-id", "my/info: SourcedId is empty")
        kind = KINDS.get(info.role.lower())
        return RosteredClaim(str(info.tenant_id), str(info.sourced_id), kind, str(info.user_id))

    def close(self) -> None:
        """See `Provider`."""
        self._http.close()
