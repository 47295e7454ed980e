"""The sandbox's credentials. They open nothing but made-up data, are the same everywhere, and are no secrets."""

import hashlib

CLEVER_CLIENT_ID = "sandbox-clever-client"
CLEVER_CLIENT_SECRET = "sandbox-only-clever-client"  # noqa: S105 - opens nothing but made-up data
CLASSLINK_CLIENT_ID = "sandbox-classlink-client"
CLASSLINK_CLIENT_SECRET = "sandbox-only-classlink-client"  # noqa: S105 - opens nothing but made-up data
IDENTITY_CLIENT_ID = "sandbox-identity-client"
IDENTITY_CLIENT_SECRET = "sandbox-only-identity-client-of-32-bytes-or-more"  # noqa: S105 - opens nothing
CLASSLINK_PARTNER_KEY = "sandbox-only-classlink-partner"


def clever_token(district: str, generation: int = 0) -> str:
    """Give the district's Clever token, 40 hexadecimal digits; each rotation makes another one."""
    return hashlib.sha256(f"sandbox-only {district} {generation}".encode()).hexdigest()[:40]


def application_bearer(district: str, generation: int = 0) -> str:
    """Give the bearer of the district's ClassLink application."""
    return f"sandbox-only-application-{district}-{generation}"


def application_id(district: str) -> str:
    """Give the district's ClassLink application id as it comes: percent-escaped already, to be used verbatim."""
    return f"{district}Qm%3D"


def tenant_id(district: str) -> str:
    """Give the district's ClassLink tenant id."""
    return str(int(hashlib.sha256(district.encode()).hexdigest()[:6], 16))


def oneroster_bearer(district: str) -> str:
    """Give the static bearer of a plain OneRoster server."""
    return f"sandbox-only-bearer-{district}"


def oauth_key(district: str) -> str:
    """Give the OAuth 1 consumer key, which is also the OAuth 2 client id."""
    return f"sandbox-key-{district}"


def oauth_secret(district: str) -> str:
    """Give the OAuth 1 secret, which is also the OAuth 2 client secret. It has characters that must be escaped."""
    return f"sandbox only/{district}&+="
