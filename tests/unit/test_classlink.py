"""ClassLink's proxy: which application is the district's, and when the district counts as disconnected."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.districts import District
from services.ingest.source import PullFailedError
from tests.unit.oneroster_server import HOST, OneRosterServer, pull
from tests.unit.oneroster_server import district as a_district

PATH_ID = "MoYPlyQWmG0%3D"
PARTNER = "Bearer partner-key"


def application(tenant_id: Any = 2222, **fields: Any) -> dict[str, Any]:
    row = {
        "id": 1,
        "tenant_name": "Oak District",
        "tenant_id": tenant_id,
        "application_id": 77,
        "bearer": "district-bearer",
        "name": "Rollcall",
        "oneroster_application_id": PATH_ID,
        "enabled": "true",
        "tenant_status": "Active",
    }
    return row | fields


@dataclass
class Proxy:
    """ClassLink's proxy: the list of applications, in pages, and one district's data behind it."""

    applications: list[dict[str, Any]] = field(
        default_factory=lambda: [application(1111), application(), application("3")]
    )
    path: str = f"/{PATH_ID}/ims/oneroster/v1p1"
    accepted: str = "Bearer district-bearer"
    page: int = 2
    ignores_offset: bool = False
    after_refusal: list[dict[str, Any]] | None = None
    """The list as it is once a request for data has been refused."""
    requests: list[httpx.Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data = OneRosterServer(path=self.path.replace("%3D", "="))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        authorization = request.headers["authorization"]
        if request.url.path == "/applications":
            if authorization != PARTNER:
                return httpx.Response(401)
            offset = 0 if self.ignores_offset else int(request.url.params["offset"])
            limit = min(self.page, int(request.url.params["limit"]))
            return httpx.Response(200, json={"status": 1, "applications": self.applications[offset : offset + limit]})
        if not request.url.raw_path.decode().startswith(self.path):
            return httpx.Response(404)
        if authorization != self.accepted:
            if self.after_refusal is not None:
                self.applications = self.after_refusal
            return httpx.Response(401)
        return self.data(request)

    def lists_read(self) -> int:
        return sum(
            request.url.path == "/applications" and request.url.params["offset"] == "0" for request in self.requests
        )


def district(tmp_path: Path, credentials: dict[str, str] | None = None, **fields: Any) -> District:
    known = {"provider": "classlink", "tenant_id": "2222"}
    return a_district(tmp_path, credentials or {"bearer": "partner-key"}, **(known | fields))


def test_the_district_is_found_by_its_tenant_and_read_with_its_own_bearer_and_escaped_id(tmp_path: Path) -> None:
    proxy = Proxy()
    assert "c1" in pull(district(tmp_path), proxy).records
    data = [request for request in proxy.requests if request.url.path != "/applications"]
    assert {request.headers["authorization"] for request in data} == {"Bearer district-bearer"}
    assert all(request.url.raw_path.startswith(f"/{PATH_ID}/".encode()) for request in data)


def test_users_read_through_the_proxy_are_remembered(tmp_path: Path) -> None:
    folder = tmp_path / "remembered"
    pull(district(tmp_path), Proxy(), memory_folder=folder)
    assert b"u000@x.example.org" in (folder / "oak.rows").read_bytes()


def test_the_list_of_applications_is_read_on_to_an_empty_page(tmp_path: Path) -> None:
    rows = [application(number) for number in range(5)]
    proxy = Proxy([*rows, application()], page=2)
    assert "c1" in pull(district(tmp_path), proxy).records
    offsets = [request.url.params["offset"] for request in proxy.requests if request.url.path == "/applications"]
    assert offsets == ["0", "2", "4", "6"]


def test_the_only_application_is_the_district_where_no_tenant_is_named(tmp_path: Path) -> None:
    assert "c1" in pull(district(tmp_path, tenant_id=None), Proxy([application()])).records


def test_several_applications_and_no_tenant_is_a_question_to_the_operator(tmp_path: Path) -> None:
    with pytest.raises(PullFailedError, match="3 applications") as failed:
        pull(district(tmp_path, tenant_id=None), Proxy())
    assert failed.value.code == "misconfigured"


def test_an_application_can_be_named_by_its_own_id(tmp_path: Path) -> None:
    proxy = Proxy([application(application_id=76), application()])
    assert "c1" in pull(district(tmp_path, tenant_id="77"), proxy).records


def test_a_row_without_a_bearer_is_read_with_the_partner_key(tmp_path: Path) -> None:
    proxy = Proxy([application(bearer=None)], accepted=PARTNER)
    assert "c1" in pull(district(tmp_path), proxy).records


def test_the_path_is_a_setting_with_a_place_for_the_id(tmp_path: Path) -> None:
    proxy = Proxy(path=f"/proxy/v1p0/{PATH_ID}/ims/oneroster/v1p1")
    assert "c1" in pull(district(tmp_path, api_path="proxy/v1p0/{id}/ims/oneroster/v1p1"), proxy).records
    other = Proxy(path=f"/{PATH_ID}/ims/oneroster/rostering/v1p2")
    assert "c1" in pull(district(tmp_path, api_path="ims/oneroster/rostering/v1p2"), other).records


@pytest.mark.parametrize(
    "rows",
    [
        [application(1111)],
        [],
        [application(enabled="false")],
        [application(enabled=False)],
        [application(tenant_status="Suspended")],
    ],
    ids=["missing", "nobody", "switched off", "off as a boolean", "suspended"],
)
def test_a_district_that_the_complete_list_lacks_is_disconnected_and_not_empty(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    proxy = Proxy(rows)
    with pytest.raises(PullFailedError, match="does not share with us") as failed:
        pull(district(tmp_path), proxy)
    assert failed.value.code == "disconnected"
    assert {request.url.path for request in proxy.requests} == {"/applications"}


def test_a_list_without_end_is_not_taken_for_a_complete_one(tmp_path: Path) -> None:
    with pytest.raises(PullFailedError, match="repeats its pages") as failed:
        pull(district(tmp_path, tenant_id="9"), Proxy(ignores_offset=True))
    assert failed.value.code == "incomplete"
    assert "c1" in pull(district(tmp_path), Proxy(ignores_offset=True)).records


def test_a_bearer_that_was_replaced_is_looked_up_once(tmp_path: Path) -> None:
    proxy = Proxy(accepted="Bearer replaced", after_refusal=[application(bearer="replaced")])
    assert "c1" in pull(district(tmp_path), proxy).records
    assert proxy.lists_read() == 2


@pytest.mark.parametrize("bearer", ["district-bearer", "another"])
def test_a_bearer_that_is_refused_with_no_better_one_listed_is_disconnected(tmp_path: Path, bearer: str) -> None:
    proxy = Proxy(accepted="Bearer nobody's", after_refusal=[application(bearer=bearer)])
    with pytest.raises(PullFailedError, match="refuses the bearer") as failed:
        pull(district(tmp_path), proxy)
    assert failed.value.code == "disconnected"
    assert proxy.lists_read() == 2


def test_a_partner_key_that_is_refused_is_wrong_credentials_and_not_a_disconnected_district(tmp_path: Path) -> None:
    with pytest.raises(PullFailedError) as failed:
        pull(district(tmp_path, {"bearer": "old-key"}), Proxy())
    assert failed.value.code == "wrong-credentials"


def test_an_answer_that_is_no_list_of_applications_fails_the_pull(tmp_path: Path) -> None:
    with pytest.raises(PullFailedError, match="list of applications") as failed:
        pull(district(tmp_path), lambda request: httpx.Response(200, json={"message": "Hello"}))
    assert failed.value.code == "not-a-roster"


@pytest.mark.parametrize("path_id", [None, "", "../other", "a/b", "a?b"])
def test_an_application_without_a_usable_path_id_is_refused(tmp_path: Path, path_id: str | None) -> None:
    with pytest.raises(PullFailedError, match="usable oneroster_application_id") as failed:
        pull(district(tmp_path), Proxy([application(oneroster_application_id=path_id)]))
    assert failed.value.code == "not-a-roster"


def test_a_districts_own_key_and_secret_go_to_its_server_directly(tmp_path: Path) -> None:
    server = OneRosterServer()
    direct = district(tmp_path, {"oauth1_key": "key", "oauth1_secret": "secret"}, url=HOST, tenant_id=None)
    assert "c1" in pull(direct, server).records
    assert all(request.headers["authorization"].startswith("OAuth ") for request in server.requests)
