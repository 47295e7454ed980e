"""The sandbox's sign-in servers are as strict as the real ones, or tests with them would prove nothing."""

import base64
from collections.abc import Iterator

import httpx
import pytest

from deploy.sandbox import credentials
from deploy.sandbox.running import running_sandbox
from tests.signing_in import query_of

BACK = "http://127.0.0.1:1/callback"
CLEVER = base64.b64encode(f"{credentials.CLEVER_CLIENT_ID}:{credentials.CLEVER_CLIENT_SECRET}".encode()).decode()
IDENTITY = base64.b64encode(f"{credentials.IDENTITY_CLIENT_ID}:{credentials.IDENTITY_CLIENT_SECRET}".encode()).decode()


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        running_sandbox(tmp_path_factory.mktemp("sandbox")) as control,
        httpx.Client(base_url=control.base_url, verify=False) as client,
    ):
        yield client


def code_of(http: httpx.Client, path: str, client_id: str, **more: str) -> str:
    query = {"response_type": "code", "client_id": client_id, "redirect_uri": BACK, "state": "s", **more}
    return query_of(http.get(path, params=query).headers["location"])["code"]


def clever_code(http: httpx.Client) -> str:
    return code_of(http, "/clever/oauth/authorize", credentials.CLEVER_CLIENT_ID, **{"as": "a/students/b"})


def exchange(http: httpx.Client, code: str, redirect_uri: str = BACK, basic: str = CLEVER) -> httpx.Response:
    given = {"code": code, "grant_type": "authorization_code", "redirect_uri": redirect_uri}
    return http.post("/clever/oauth/tokens", json=given, headers={"Authorization": f"Basic {basic}"})


def test_a_code_is_good_once(http: httpx.Client) -> None:
    code = clever_code(http)
    assert exchange(http, code).json()["access_token"].startswith("il")
    again = exchange(http, code)
    assert (again.status_code, again.json()) == (400, {"error": "invalid grant: invalid code"})


def test_a_code_is_good_for_its_own_client_and_redirect_uri_alone(http: httpx.Client) -> None:
    assert exchange(http, clever_code(http), redirect_uri=f"{BACK}/other").status_code == 400
    assert exchange(http, clever_code(http), basic=IDENTITY).status_code == 401


def test_who_is_asked_with_a_token_of_another_server_is_nobody(http: httpx.Client) -> None:
    token = exchange(http, clever_code(http)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert http.get("/clever/sign-in/v3.0/me", headers=headers).json()["data"]["id"] == "b"
    assert http.get("/classlink/v2/my/info", headers=headers).status_code == 401


@pytest.mark.parametrize(("verifier", "status"), [("v" * 43, 200), ("w" * 43, 400), ("", 400)])
def test_the_identity_provider_wants_the_proof_key_that_the_round_began_with(
    http: httpx.Client, verifier: str, status: int
) -> None:
    more = {"as": "x@mail.example", "code_challenge": "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"}
    code = code_of(http, "/identity/authorize", credentials.IDENTITY_CLIENT_ID, **more)
    form = {"code": code, "redirect_uri": BACK, "code_verifier": verifier}
    answer = http.post("/identity/token", data=form, headers={"Authorization": f"Basic {IDENTITY}"})
    assert answer.status_code == status
