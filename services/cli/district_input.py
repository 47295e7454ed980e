"""Checks what was typed about a district, before anything is registered."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from services.cli.failures import WrongUsageError
from services.districts import (
    BearerCredentials,
    CleverClientCredentials,
    Credentials,
    CredentialsError,
    District,
    OAuth1Credentials,
    OAuth2Credentials,
    ProviderName,
)

ACCEPTED: dict[ProviderName, tuple[type[Credentials], ...]] = {
    "clever": (BearerCredentials, CleverClientCredentials),
    "classlink": (BearerCredentials, OAuth1Credentials),
    "oneroster": (BearerCredentials, OAuth1Credentials, OAuth2Credentials),
    "oneroster-csv": (),
}
"""The credentials that each provider takes; none of them answers without, and a package has no use for them."""

_OPTIONS = {"district": "ID", "credentials_file": "--credentials"}


def checked_district(values: dict[str, Any]) -> District:
    """Make a district of what was typed, with its files as absolute paths, as the workers run elsewhere.

    Raises WrongUsageError that names the option and says what it may be.
    """
    paths = ["credentials_file", "ca_file", *(["url"] if values["provider"] == "oneroster-csv" else [])]
    located = {name: str(Path(values[name]).expanduser().resolve()) for name in paths if values.get(name)}
    try:
        district = District.model_validate({**values, **located})
    except ValidationError as error:
        raise WrongUsageError("bad-district", "; ".join(_problems(error))) from None
    _check_url(district)
    _check_credentials(district)
    if district.ca_file is not None and not Path(district.ca_file).is_file():
        raise WrongUsageError("bad-district", f"--ca-file: there is no file {district.ca_file}")
    return district


def _problems(error: ValidationError) -> list[str]:
    sentences = []
    for problem in error.errors(include_url=False):
        field = str(problem["loc"][0])
        option = _OPTIONS.get(field, f"--{field.replace('_', '-')}")
        text = problem["msg"].removeprefix("Value error, ")
        if field == "district":
            text = (
                f"{problem['input']!r} is not a district id; use up to 63 lower-case letters, digits and hyphens, "
                "such as springfield"
            )
        sentences.append(f"{option}: {text}")
    return sentences


def _check_url(district: District) -> None:
    if district.provider == "oneroster-csv":
        package = Path(district.url)
        if not (package.is_dir() or package.is_file()):
            raise WrongUsageError(
                "bad-district", f"--url: there is no folder or zip {package}; name the OneRoster CSV package itself"
            )
        return
    try:
        parts = urlsplit(district.url)
        wrong = (
            parts.scheme not in ("http", "https") or not parts.hostname or (parts.port is not None and not parts.port)
        )
    except ValueError:
        wrong = True
    if wrong:
        raise WrongUsageError(
            "bad-district", f"--url: {district.url!r} is not an address such as https://api.clever.com"
        )
    if parts.username or parts.password:
        raise WrongUsageError("bad-district", "--url: leave user and password out; they belong into --credentials")


def _check_credentials(district: District) -> None:
    accepted = ACCEPTED[district.provider]
    try:
        credentials = district.credentials()
    except CredentialsError as error:
        raise WrongUsageError("bad-credentials", f"--credentials: {error}") from None
    if credentials is None:
        if accepted:
            raise WrongUsageError(
                "bad-credentials",
                f'--credentials is needed: a JSON file, for {district.provider} such as {{"bearer": "…"}}',
            )
    elif not isinstance(credentials, accepted):
        raise WrongUsageError(
            "bad-credentials",
            f"--credentials: {district.provider} takes "
            + (" or ".join(_form(form) for form in accepted) or "none; leave the option out"),
        )


def _form(form: type[Credentials]) -> str:
    required = [f'"{name}"' for name, field in form.model_fields.items() if field.is_required()]
    return "{" + ", ".join(required) + "}"
