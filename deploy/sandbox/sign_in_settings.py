"""The file of sign-in servers for an installation that uses the sandbox's: what ROLLCALL_SIGN_IN_FILE names."""

import json
from pathlib import Path
from typing import Any

from deploy.sandbox import credentials


def sign_in_settings(sandbox: str) -> dict[str, Any]:
    """Give what stands in the file; `sandbox` is where the sandbox listens."""
    base = sandbox.rstrip("/")
    return {
        "clever": {
            "client_id": credentials.CLEVER_CLIENT_ID,
            "client_secret": credentials.CLEVER_CLIENT_SECRET,
            "authorize_url": f"{base}/clever/oauth/authorize",
            "token_url": f"{base}/clever/oauth/tokens",
            "api_url": f"{base}/clever/sign-in",
            "sign_out_url": f"{base}/clever/oauth/logout",
        },
        "classlink": {
            "client_id": credentials.CLASSLINK_CLIENT_ID,
            "client_secret": credentials.CLASSLINK_CLIENT_SECRET,
            "authorize_url": f"{base}/classlink/oauth2/v2/auth",
            "token_url": f"{base}/classlink/oauth2/v2/token",
            "info_url": f"{base}/classlink/v2/my/info",
            "sign_out_url": f"{base}/classlink/logout",
        },
        "identity_providers": {
            "identity": {
                "name": "Sandbox Identity",
                "issuer": f"{base}/identity",
                "client_id": credentials.IDENTITY_CLIENT_ID,
                "client_secret": credentials.IDENTITY_CLIENT_SECRET,
                "sign_out_url": f"{base}/identity/logout",
            }
        },
    }


def write_sign_in_file(sandbox: str, file: Path) -> Path:
    """Write the file, for its owner alone, and give it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(json.dumps(sign_in_settings(sandbox), indent=2) + "\n", encoding="utf-8")
    return file
