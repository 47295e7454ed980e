"""A partner district as it is registered: which provider, where, with which credentials, on which plan."""

from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr, TypeAdapter, ValidationError, field_validator

from schemas.events import DistrictId

ProviderName: TypeAlias = Literal["clever", "classlink", "oneroster", "oneroster-csv"]
PlanName: TypeAlias = Literal["districts", "enterprise-starter"]


class CredentialsError(ValueError):
    """A credentials file is missing or not one of the known forms. The text never quotes a secret."""


class BearerCredentials(BaseModel):
    """A static bearer token (Clever; ClassLink's proxy, whose key lists our applications; some OneRoster servers)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bearer: SecretStr


class OAuth1Credentials(BaseModel):
    """Two-legged OAuth 1.0a: a consumer key and secret, and how they sign."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    oauth1_key: str
    oauth1_secret: SecretStr
    signature_method: Literal["HMAC-SHA256", "HMAC-SHA1"] = "HMAC-SHA256"


class OAuth2Credentials(BaseModel):
    """OAuth 2 client credentials. `style` says whether id and secret go in a Basic header or in the form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: str
    client_secret: SecretStr
    token_url: HttpUrl
    scope: str = ""
    style: Literal["basic", "form"] = "basic"


class CleverClientCredentials(BaseModel):
    """Clever's own client id and secret, with which the district's current token is looked up.

    Source: dev.clever.com, GET /oauth/tokens?owner_type=district&district=…; tokens are replaced on rotation.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    clever_client_id: str
    clever_client_secret: SecretStr
    clever_district_id: str
    tokens_url: HttpUrl = HttpUrl("https://clever.com/oauth/tokens")


Credentials: TypeAlias = BearerCredentials | OAuth1Credentials | OAuth2Credentials | CleverClientCredentials
_credentials: TypeAdapter[Credentials] = TypeAdapter(Credentials)


class District(BaseModel):
    """A registered district. `url` is the provider's base address, or a folder or zip for `oneroster-csv`."""

    model_config = ConfigDict(frozen=True)

    district: DistrictId
    name: Annotated[str, Field(min_length=1)]
    provider: ProviderName
    url: Annotated[str, Field(min_length=1)]
    api_path: str | None = Field(default=None, description="the path below the url; the provider's usual one if absent")
    credentials_file: str | None = None
    ca_file: str | None = Field(default=None, description="a CA bundle to trust for this district's server")
    tenant_id: str | None = Field(
        default=None,
        description="what sign-in knows the district by: Clever's district id, or ClassLink's tenant id; pulls from "
        "ClassLink take our application's id there as well",
    )
    page_size: Annotated[int, Field(ge=1, le=10000)] | None = None
    timezone: str = "America/New_York"
    plan: PlanName = "districts"
    contact: str | None = None
    setting_up: bool = False

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is not a time zone; use a name such as America/Chicago") from error
        return value

    def credentials(self) -> Credentials | None:
        """Read the credentials file, or give None where the district has none.

        Raises CredentialsError where the file cannot be read or is none of the known forms.
        """
        if self.credentials_file is None:
            return None
        try:
            text = Path(self.credentials_file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialsError(
                f"the credentials file {self.credentials_file} of district {self.district} cannot be read "
                f"({type(error).__name__}); name an existing JSON file with `rollcall district update`"
            ) from error
        try:
            return _credentials.validate_json(text)
        except ValidationError:
            raise CredentialsError(
                f"the credentials file {self.credentials_file} of district {self.district} is none of the known forms: "
                '{"bearer"}, {"oauth1_key", "oauth1_secret"}, {"client_id", "client_secret", "token_url"} or '
                '{"clever_client_id", "clever_client_secret", "clever_district_id"}'
            ) from None
