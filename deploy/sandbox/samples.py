"""The two sample districts of `make run`: springfield on Clever, riverside on ClassLink."""

import json
from datetime import UTC, datetime
from pathlib import Path

from deploy.sandbox import credentials
from deploy.sandbox.defects import usual_defects
from deploy.sandbox.district import DistrictDefinition, NightKind
from deploy.sandbox.ids import clever_id
from services.districts import District

SAMPLE_SCRIPT: tuple[NightKind, ...] = ("first", "ordinary", "mass", "ordinary", "unchanged")
"""Night 3 changes too much and is to be held; what comes after it builds on it."""


def definitions() -> tuple[DistrictDefinition, ...]:
    """Give both districts, with terms around today."""
    today = datetime.now(UTC).date()
    return (
        DistrictDefinition(
            district="springfield",
            name="Springfield Public Schools",
            provider="clever",
            students=1200,
            seed=17,
            anchor=today,
            script=SAMPLE_SCRIPT,
            defects=usual_defects("clever"),
        ),
        DistrictDefinition(
            district="riverside",
            name="Riverside Unified School District",
            provider="classlink",
            students=900,
            seed=29,
            anchor=today,
            script=SAMPLE_SCRIPT,
            defects=usual_defects("classlink"),
        ),
    )


def register(definition: DistrictDefinition, base_url: str, folder: Path, *, setting_up: bool = True) -> District:
    """Write a sandbox district's credentials file into the folder and give the district to register.

    `base_url` is where the sandbox listens. A plain OneRoster district gets OAuth 1 credentials; the files for its
    other ways in are made by `credentials_of`.
    """
    form = {"clever": "bearer", "classlink": "bearer"}.get(definition.provider, "oauth1")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{definition.district}.json"
    file.write_text(json.dumps(credentials_of(definition, base_url, form), indent=2) + "\n", encoding="utf-8")
    file.chmod(0o600)
    return District(
        district=definition.district,
        name=definition.name,
        provider=definition.provider,
        url=url_of(definition, base_url),
        credentials_file=str(file),
        tenant_id=_tenant_id(definition),
        contact=f"data@{definition.district}.example",
        setting_up=setting_up,
    )


def _tenant_id(definition: DistrictDefinition) -> str | None:
    """Give what the provider calls the district when its people sign in."""
    match definition.provider:
        case "clever":
            return clever_id(definition.district, "district", 1)
        case "classlink":
            return credentials.tenant_id(definition.district)
    return None


def url_of(definition: DistrictDefinition, base_url: str) -> str:
    """Give the district's base address at a sandbox."""
    base = base_url.rstrip("/")
    if definition.provider == "classlink":
        return f"{base}/classlink"
    return f"{base}/{'clever' if definition.provider == 'clever' else 'oneroster'}/{definition.district}"


def credentials_of(definition: DistrictDefinition, base_url: str, form: str) -> dict[str, str]:
    """Give what stands in a credentials file: `bearer`, `oauth1`, `oauth1-sha1`, `oauth2-basic`, `oauth2-form`, or
    `clever-client`, which looks the token up. Raises ValueError for another form.
    """
    district, base = definition.district, base_url.rstrip("/")
    key, secret = credentials.oauth_key(district), credentials.oauth_secret(district)
    match form:
        case "bearer":
            bearers = {
                "clever": credentials.clever_token(district),
                "classlink": credentials.CLASSLINK_PARTNER_KEY,
            }
            return {"bearer": bearers.get(definition.provider, credentials.oneroster_bearer(district))}
        case "oauth1" | "oauth1-sha1":
            method = "HMAC-SHA1" if form == "oauth1-sha1" else "HMAC-SHA256"
            return {"oauth1_key": key, "oauth1_secret": secret, "signature_method": method}
        case "oauth2-basic" | "oauth2-form":
            return {
                "client_id": key,
                "client_secret": secret,
                "token_url": f"{base}/oneroster/{district}/token",
                "scope": "https://purl.imsglobal.org/spec/or/v1p2/scope/roster-core.readonly",
                "style": form.removeprefix("oauth2-"),
            }
        case "clever-client":
            return {
                "clever_client_id": credentials.CLEVER_CLIENT_ID,
                "clever_client_secret": credentials.CLEVER_CLIENT_SECRET,
                "clever_district_id": clever_id(district, "district", 1),
                "tokens_url": f"{base}/clever/oauth/tokens",
            }
    raise ValueError(f"{form} is no form of credentials")
