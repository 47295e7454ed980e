"""What the sandbox's providers answer, against the contracts that Clever, OneRoster and ClassLink have."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA1, SIGNATURE_HMAC_SHA256, Client

from deploy.sandbox import credentials, samples
from deploy.sandbox.control import SandboxControl, SandboxError
from deploy.sandbox.control_api import NewDistrict
from deploy.sandbox.ids import clever_id
from deploy.sandbox.running import running_sandbox
from services.districts import BearerCredentials, CleverClientCredentials, OAuth2Credentials

PUPILS = 400


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxControl]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as control:
        control.create_district(NewDistrict(district="oak", provider="clever", students=PUPILS))
        control.create_district(NewDistrict(district="ash", provider="classlink", students=PUPILS))
        control.create_district(NewDistrict(district="fir", provider="oneroster", students=PUPILS))
        yield control


@pytest.fixture
def clever(sandbox: SandboxControl) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {credentials.clever_token('oak')}"}
    with httpx.Client(base_url=f"{sandbox.base_url}/clever/oak", headers=headers) as client:
        yield client


@pytest.fixture
def fir(sandbox: SandboxControl) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {credentials.oneroster_bearer('fir')}"}
    with httpx.Client(base_url=f"{sandbox.base_url}/oneroster/fir", headers=headers) as client:
        yield client


def all_of(client: httpx.Client, uri: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    next_uri: str | None = uri
    while next_uri:
        answer = client.get(next_uri).raise_for_status().json()
        rows += [item["data"] for item in answer["data"]]
        next_uri = next((link["uri"] for link in answer["links"] if link["rel"] == "next"), None)
    return rows


def test_clever_pages_lead_through_every_user_once_in_ascending_order_of_id(clever: httpx.Client) -> None:
    users = all_of(clever, "/v3.0/users?limit=70")
    ids = [user["id"] for user in users]
    assert len(ids) > PUPILS
    assert ids == sorted(set(ids))
    assert all(len(each) == 24 and int(each, 16) for each in ids)


def test_clever_links_repeat_the_limit_and_the_role_and_name_no_host(clever: httpx.Client) -> None:
    answer = clever.get("/v3.1/users", params={"limit": 3, "role": "student"}).json()
    links = {link["rel"]: link["uri"] for link in answer["links"]}
    last = answer["data"][-1]["data"]["id"]
    assert links["self"] == "/v3.1/users?limit=3&role=student"
    assert links["next"] == f"/v3.1/users?limit=3&role=student&starting_after={last}"
    assert answer["data"][-1]["uri"] == f"/v3.1/users/{last}"


def test_clever_gives_people_with_several_roles_in_each_of_their_role_lists(clever: httpx.Client) -> None:
    admins = all_of(clever, "/v3.0/users?role=district_admin")
    teachers = {user["id"] for user in all_of(clever, "/v3.0/users?role=teacher")}
    assert [set(user["roles"]) for user in admins] == [{"teacher", "staff", "district_admin"}]
    assert admins[0]["id"] in teachers
    contacts = all_of(clever, "/v3.0/users?role=contact")
    assert contacts
    assert all("first" not in user["name"] for user in contacts)


def test_clever_31_adds_fields_and_30_does_not_have_them(clever: httpx.Client) -> None:
    older, newer = (
        clever.get(f"/{version}/users?limit=1").json()["data"][0]["data"]["roles"]["student"]
        for version in ("v3.0", "v3.1")
    )
    assert newer.keys() - older.keys() == {"preferred_name", "section_504_status"}


def test_clever_lists_exactly_one_district_for_a_token(clever: httpx.Client) -> None:
    [item] = clever.get("/v3.0/districts").json()["data"]
    assert item["data"]["id"] == clever_id("oak", "district", 1)
    assert item["data"]["state"] == "running"


def test_clever_refuses_as_documented(clever: httpx.Client) -> None:
    assert clever.get("/v3.0/users?limit=10001").status_code == 413
    assert clever.get("/v3.0/users?limit=none").status_code == 400
    assert clever.get("/v3.0/users/58da8a43cc70ab00017a1a87").status_code == 404
    wrong = clever.get("/v3.0/users", headers={"Authorization": "Bearer another"})
    assert (wrong.status_code, wrong.json()["message"]) == (401, "unauthorized")
    page = clever.get("/v3.0/students")
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "Cannot GET /v3.0/students" in page.text


def test_clever_gives_one_record_by_its_id(clever: httpx.Client) -> None:
    section = clever.get("/v3.0/sections?limit=1").json()["data"][0]["data"]
    assert clever.get(f"/v3.0/sections/{section['id']}").json()["data"] == section


def test_clever_refuses_more_requests_than_a_minute_allows_and_says_when_to_come_again(
    sandbox: SandboxControl,
) -> None:
    sandbox.create_district(NewDistrict(district="busy", provider="clever", students=20, requests_per_minute=2))
    headers = {"Authorization": f"Bearer {credentials.clever_token('busy')}"}
    # Two minutes may have begun while this runs, each with two requests of its own.
    answers = [httpx.get(f"{sandbox.base_url}/clever/busy/v3.0/terms", headers=headers) for _ in range(5)]
    limited = [answer for answer in answers if answer.status_code == 429]
    assert limited
    assert limited[0].content == b""
    assert float(limited[0].headers["x-ratelimit-reset"]) > datetime.now(UTC).timestamp() - 1


def test_clever_tokens_are_looked_up_with_the_client_and_change_on_rotation(sandbox: SandboxControl) -> None:
    sandbox.create_district(NewDistrict(district="elm", provider="clever", students=20))
    client = (credentials.CLEVER_CLIENT_ID, credentials.CLEVER_CLIENT_SECRET)
    params = {"owner_type": "district", "district": clever_id("elm", "district", 1)}

    def listed() -> str:
        [token] = httpx.get(f"{sandbox.base_url}/clever/oauth/tokens", params=params, auth=client).json()["data"]
        assert token["owner"] == {"type": "district", "id": params["district"]}
        return str(token["access_token"])

    def status(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.get(f"{sandbox.base_url}/clever/elm/v3.0/terms", headers=headers).status_code

    old = listed()
    assert status(old) == 200
    sandbox.rotate_credentials("elm")
    assert status(old) == 401
    assert status(listed()) == 200
    assert httpx.get(f"{sandbox.base_url}/clever/oauth/tokens", params=params, auth=("no", "no")).status_code == 401


@pytest.mark.parametrize("base", ["ims/oneroster/v1p1", "ims/oneroster/rostering/v1p2"])
def test_oneroster_pages_by_offset_give_every_row_once_in_order_and_agree_with_the_total(
    fir: httpx.Client, base: str
) -> None:
    ids: list[str] = []
    total = 1
    while len(ids) < total:
        answer = fir.get(f"/{base}/enrollments", params={"limit": 900, "offset": len(ids)})
        total = int(answer.headers["x-total-count"])
        ids += [row["sourcedId"] for row in answer.json()["enrollments"]]
    assert len(ids) == total > PUPILS
    assert ids == sorted(set(ids))
    descending = fir.get(f"/{base}/enrollments", params={"limit": 10, "sort": "sourcedId", "orderBy": "desc"}).json()
    assert [row["sourcedId"] for row in descending["enrollments"]] == ids[:-11:-1]


def test_oneroster_11_gives_one_role_and_orgs_and_12_a_list_of_roles(fir: httpx.Client) -> None:
    older = fir.get("/ims/oneroster/v1p1/teachers?limit=1").json()["users"][0]
    newer = fir.get("/ims/oneroster/rostering/v1p2/teachers?limit=1").json()["users"][0]
    assert (older["role"], len(older["orgs"]), older["enabledUser"]) == ("teacher", 1, True)
    assert "orgs" not in newer
    assert newer["roles"][0]["role"] == "teacher"
    assert newer["enabledUser"] == "true"


def test_oneroster_counts_the_last_day_of_a_term_in_and_12_gives_the_day_after(fir: httpx.Client) -> None:
    older, newer = (
        fir.get(f"/ims/oneroster/{path}/terms?limit=1").json()["academicSessions"][0]["endDate"]
        for path in ("v1p1", "rostering/v1p2")
    )
    assert (datetime.fromisoformat(newer) - datetime.fromisoformat(older)).days == 1


def test_oneroster_clamps_a_limit_silently_and_answers_errors_in_its_own_words(fir: httpx.Client) -> None:
    assert fir.get("/ims/oneroster/v1p1/users?limit=999999").status_code == 200
    unknown = fir.get("/ims/oneroster/v1p1/lineItems")
    assert unknown.status_code == 404
    minor = unknown.json()["imsx_CodeMinor"]["imsx_codeMinorField"][0]
    assert minor["imsx_codeMinorFieldValue"] == "unknownobject"
    assert fir.get("/ims/oneroster/v1p1/users/nobody").status_code == 404
    assert fir.get("/ims/oneroster/v1p1/users", headers={"Authorization": "Bearer another"}).status_code == 401


@pytest.mark.parametrize("method", [SIGNATURE_HMAC_SHA1, SIGNATURE_HMAC_SHA256])
def test_oauth_1_accepts_a_signature_over_exactly_the_query_once(sandbox: SandboxControl, method: str) -> None:
    signer = Client(credentials.oauth_key("fir"), credentials.oauth_secret("fir"), signature_method=method)
    wanted = quote("status='active' AND role='a/b'", safe="")
    query = f"limit=3&filter={wanted}"
    address = f"{sandbox.base_url}/oneroster/fir/ims/oneroster/v1p1/users?{query}"
    uri, headers, _body = signer.sign(address)
    assert httpx.get(uri, headers=headers).status_code == 200
    assert httpx.get(uri, headers=headers).status_code == 401, "a nonce is good for one request"
    _uri, headers, _body = signer.sign(address)
    assert httpx.get(address.replace("limit=3", "limit=4"), headers=headers).status_code == 401
    stranger = Client(credentials.oauth_key("fir"), "another secret", signature_method=method)
    assert httpx.get(uri, headers=stranger.sign(address)[1]).status_code == 401


@pytest.mark.parametrize("style", ["basic", "form"])
def test_oauth_2_gives_a_token_to_the_right_client_in_either_style(sandbox: SandboxControl, style: str) -> None:
    definition = sandbox.state("fir").definition
    client = OAuth2Credentials.model_validate(samples.credentials_of(definition, sandbox.base_url, f"oauth2-{style}"))
    form = {"grant_type": "client_credentials", "scope": client.scope}
    secret = client.client_secret.get_secret_value()
    if style == "basic":
        answer = httpx.post(str(client.token_url), data=form, auth=(client.client_id, secret))
    else:
        answer = httpx.post(str(client.token_url), data=form | {"client_id": client.client_id, "client_secret": secret})
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    address = f"{sandbox.base_url}/oneroster/fir/ims/oneroster/rostering/v1p2/orgs"
    assert httpx.get(address, headers=headers).status_code == 200
    refused = httpx.post(str(client.token_url), data=form, auth=(client.client_id, "another"))
    assert (refused.status_code, refused.json()) == (401, {"error": "invalid_client"})


def test_classlink_lists_applications_without_counts_and_serves_each_by_its_escaped_id(
    sandbox: SandboxControl,
) -> None:
    key = {"Authorization": f"Bearer {credentials.CLASSLINK_PARTNER_KEY}"}
    listed = httpx.get(f"{sandbox.base_url}/classlink/applications", headers=key)
    assert "x-total-count" not in listed.headers
    rows = {row["tenant_id"]: row for row in listed.json()["applications"]}
    ash = rows[credentials.tenant_id("ash")]
    assert (ash["enabled"], ash["tenant_status"]) == ("true", "Active")
    assert any(row["enabled"] == "false" for row in rows.values())
    identifier = ash["oneroster_application_id"]
    assert "%" in identifier
    bearer = {"Authorization": f"Bearer {ash['bearer']}"}
    for prefix in ("", "/proxy/v1p0"):
        data = httpx.get(f"{sandbox.base_url}/classlink{prefix}/{identifier}/ims/oneroster/v1p1/orgs", headers=bearer)
        assert data.json()["orgs"]
        assert data.headers["x-perm-rev"]
    twice_escaped = f"{sandbox.base_url}/classlink/{quote(identifier)}/ims/oneroster/v1p1/orgs"
    assert httpx.get(twice_escaped, headers=bearer).status_code == 404
    again = httpx.get(f"{sandbox.base_url}/classlink/{identifier}/ims/oneroster/v1p1/orgs", headers=key)
    assert again.status_code == 401
    beyond = httpx.get(f"{sandbox.base_url}/classlink/applications?offset=100", headers=key)
    assert beyond.json()["applications"] == []


def test_classlink_writes_booleans_as_strings_and_hrefs_to_another_host(sandbox: SandboxControl) -> None:
    bearer = {"Authorization": f"Bearer {credentials.application_bearer('ash')}"}
    base = f"{sandbox.base_url}/classlink/{credentials.application_id('ash')}/ims/oneroster/v1p1"
    rows = httpx.get(f"{base}/enrollments?limit=50", headers=bearer).json()["enrollments"]
    assert {row["primary"] for row in rows} <= {"true", "false"}
    assert all("rosterserver.example" in row["user"]["href"] for row in rows)


def test_a_district_registered_from_the_sandbox_has_credentials_of_a_known_form(
    sandbox: SandboxControl, tmp_path: Path
) -> None:
    for name in ("oak", "ash", "fir"):
        district = samples.register(sandbox.state(name).definition, sandbox.base_url, tmp_path)
        assert district.credentials() is not None
        assert Path(str(district.credentials_file)).stat().st_mode & 0o077 == 0
    oak = sandbox.state("oak").definition
    looked_up = CleverClientCredentials.model_validate(samples.credentials_of(oak, sandbox.base_url, "clever-client"))
    assert looked_up.clever_district_id == clever_id("oak", "district", 1)
    assert BearerCredentials.model_validate(samples.credentials_of(oak, sandbox.base_url, "bearer"))


def test_control_answers_mistakes_with_a_sentence(sandbox: SandboxControl) -> None:
    with pytest.raises(SandboxError, match="no district nowhere"):
        sandbox.state("nowhere")
    with pytest.raises(SandboxError, match="nights count from 1"):
        sandbox.set_night("oak", 0)
    with pytest.raises(SandboxError, match="place-twice"):
        sandbox.create_district(NewDistrict(district="odd", provider="clever", students=20, defects=("place-twice",)))
    assert httpx.post(f"{sandbox.base_url}/control/oak", content=json.dumps({"nights": 3})).status_code == 400
