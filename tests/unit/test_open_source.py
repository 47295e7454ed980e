"""Which adapter a district gets, and what is said where its settings do not fit its provider."""

from pathlib import Path

import httpx
import pytest

from services.ingest.source import PullFailedError
from tests.unit.oneroster_server import district, pull

OAUTH2 = {"client_id": "a", "client_secret": "very-secret", "token_url": "https://login.example.org/token"}
CLEVER = {"clever_client_id": "a", "clever_client_secret": "very-secret", "clever_district_id": "b"}


def unreachable(request: httpx.Request) -> httpx.Response:
    raise AssertionError("nothing is asked before the settings fit")


@pytest.mark.parametrize(
    ("provider", "credentials"),
    [("oneroster", CLEVER), ("classlink", OAUTH2), ("classlink", CLEVER), ("clever", OAUTH2)],
)
def test_credentials_of_another_providers_form_are_misconfigured(
    tmp_path: Path, provider: str, credentials: dict[str, str]
) -> None:
    with pytest.raises(PullFailedError, match="credentials file") as failed:
        pull(district(tmp_path, credentials, provider=provider), unreachable)
    assert failed.value.code == "misconfigured"
    assert "oak" in failed.value.text
    assert "very-secret" not in failed.value.text


@pytest.mark.parametrize("provider", ["oneroster", "classlink", "clever"])
def test_a_district_without_credentials_is_misconfigured(tmp_path: Path, provider: str) -> None:
    with pytest.raises(PullFailedError, match="credentials file") as failed:
        pull(district(tmp_path, provider=provider, credentials_file=None), unreachable)
    assert failed.value.code == "misconfigured"


@pytest.mark.parametrize("provider", ["oneroster", "classlink", "clever"])
def test_a_credentials_file_that_cannot_be_read_is_misconfigured(tmp_path: Path, provider: str) -> None:
    missing = district(tmp_path, provider=provider, credentials_file=str(tmp_path / "gone.json"))
    with pytest.raises(PullFailedError, match=r"gone\.json") as failed:
        pull(missing, unreachable)
    assert failed.value.code == "misconfigured"


def test_a_csv_package_is_read_without_credentials(tmp_path: Path) -> None:
    with pytest.raises(PullFailedError, match="nowhere"):
        pull(district(tmp_path, provider="oneroster-csv", url=str(tmp_path / "nowhere")), unreachable)
