"""What every sign-in server is to us: where a round begins, and who came back from it."""

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, TypeAlias

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from pydantic import BaseModel, ConfigDict, Field

Id: TypeAlias = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""An id as a provider gives it: taken as it is, byte for byte, never trimmed, never empty."""


Token: TypeAlias = Annotated[str, Field(min_length=1, max_length=16_384, pattern=r"^[\x21-\x7e]+$")]
"""An access or id token: what a header can carry."""

MaybeId: TypeAlias = Annotated[str, Field(max_length=1024, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""An id that may be empty, which then stands for nobody."""


class StrictAnswer(BaseModel):
    """An answer of a provider: what we use must be there and of its type; what we do not use is not looked at."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class TokenAnswer(StrictAnswer):
    """What a code is exchanged for at Clever and at ClassLink."""

    access_token: Token


KINDS: dict[str, Literal["teachers", "students"]] = {"student": "students", "teacher": "teachers"}
"""Which kind of rostered person a role is, in small letters; the others are not rostered."""


@dataclass(frozen=True, slots=True)
class Round:
    """A round to a provider: the secrets of its beginning."""

    state: str
    nonce: str
    code_verifier: str


@dataclass(frozen=True, slots=True)
class Returned:
    """What came back from a round that was claimed: the code, and what it must agree with."""

    code: str
    code_verifier: str
    nonce_digest: bytes


@dataclass(frozen=True, slots=True)
class RosteredClaim:
    """Clever's or ClassLink's word on who it is. `tenant` is the district as they call it; ids are exact."""

    tenant: str
    subject: str
    kind: Literal["teachers", "students"] | None
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class AccountClaim:
    """An identity provider's word on who it is. `email` is there only where the provider has verified it."""

    issuer: str
    subject: str
    email: str | None


class Provider(Protocol):
    """One sign-in server."""

    sign_out_url: str | None

    def authorize_url(self, began: Round, redirect_uri: str) -> str:
        """Give where the browser goes. Raises ProviderAnswerError where that must be asked for and is not told."""

    def who(self, returned: Returned, redirect_uri: str) -> RosteredClaim | AccountClaim:
        """Exchange the code, once, and give who it is. Raises ProviderAnswerError."""

    def close(self) -> None:
        """Close the connections."""


def grant_url(address: str, client_id: str, began: Round, redirect_uri: str, **more: str) -> str:
    """Give an authorization request (RFC 6749 section 4.1.1)."""
    return str(
        prepare_grant_uri(
            address, client_id, response_type="code", redirect_uri=redirect_uri, state=began.state, **more
        )
    )


def pkce(began: Round) -> dict[str, str]:
    """Give the proof key's part of an authorization request (RFC 7636 section 4.3)."""
    challenge = str(create_s256_code_challenge(began.code_verifier))
    return {"code_challenge": challenge, "code_challenge_method": "S256"}
