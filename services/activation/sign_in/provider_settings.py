"""Which sign-in servers there are: one JSON file, named by ROLLCALL_SIGN_IN_FILE."""

import re
from pathlib import Path
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_SLUG = re.compile(r"[a-z][a-z0-9-]{0,30}")


class SignInFileError(ValueError):
    """The file with the sign-in servers is missing or wrong. The text names the place and never quotes a secret."""


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return value.rstrip("/")
    raise ValueError("must begin with https:// (http:// only on this machine)")


Address: TypeAlias = Annotated[str, AfterValidator(_web_address)]


class _Client(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: Annotated[str, Field(min_length=1)]
    client_secret: SecretStr
    sign_out_url: Address | None = Field(default=None, description="where people sign out of the provider itself")


class CleverSettings(_Client):
    """Our application at Clever."""

    authorize_url: Address = "https://clever.com/oauth/authorize"
    token_url: Address = "https://clever.com/oauth/tokens"  # noqa: S105 - an address
    api_url: Address = "https://api.clever.com"


class ClassLinkSettings(_Client):
    """Our application at ClassLink."""

    authorize_url: Address = "https://launchpad.classlink.com/oauth2/v2/auth"
    token_url: Address = "https://launchpad.classlink.com/oauth2/v2/token"  # noqa: S105 - an address
    info_url: Address = "https://nodeapi.classlink.com/v2/my/info"


class IdentityProviderSettings(_Client):
    """An OpenID Connect provider, by which people open an account that they have. It is trusted to verify emails."""

    name: Annotated[str, Field(min_length=1, description="as people know it")]
    issuer: Address


class SignInSettings(BaseModel):
    """All sign-in servers; with none of them people log in by password alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clever: CleverSettings | None = None
    classlink: ClassLinkSettings | None = None
    identity_providers: dict[str, IdentityProviderSettings] = {}

    @model_validator(mode="after")
    def _names_of_their_own(self) -> "SignInSettings":
        for name in self.identity_providers:
            if not _SLUG.fullmatch(name) or name in {"clever", "classlink", "password"}:
                raise ValueError(f"identity provider {name!r}: use a short lower-case word of its own, such as google")
        return self


def load_sign_in_settings(file: Path) -> SignInSettings:
    """Read the file. Raises SignInFileError."""
    try:
        return SignInSettings.model_validate_json(file.read_bytes())
    except OSError as error:
        raise SignInFileError(
            f"the sign-in file {file} cannot be read ({type(error).__name__}); correct ROLLCALL_SIGN_IN_FILE"
        ) from error
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'file'}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)
        )
        raise SignInFileError(f"the sign-in file {file} is not as docs/sign-in.md says: {wrong}") from None
