"""Each misbehaviour as a client meets it."""

import time
from collections.abc import Iterator
from typing import get_args

import httpx
import pytest

from deploy.sandbox import credentials
from deploy.sandbox.control import SandboxControl
from deploy.sandbox.control_api import NewDistrict
from deploy.sandbox.faults import FAULTS, Fault, FaultKind
from deploy.sandbox.running import running_sandbox


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxControl]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as control:
        control.create_district(NewDistrict(district="oak", provider="clever", students=100))
        control.create_district(NewDistrict(district="ash", provider="classlink", students=100))
        yield control


@pytest.fixture
def sandbox(running: SandboxControl) -> Iterator[SandboxControl]:
    yield running
    running.clear_faults("oak")
    running.clear_faults("ash")


def clever(sandbox: SandboxControl, query: str = "limit=10", timeout: float = 5) -> httpx.Response:
    headers = {"Authorization": f"Bearer {credentials.clever_token('oak')}"}
    return httpx.get(f"{sandbox.base_url}/clever/oak/v3.0/users?{query}", headers=headers, timeout=timeout)


def classlink(sandbox: SandboxControl, query: str = "limit=10") -> httpx.Response:
    headers = {"Authorization": f"Bearer {credentials.application_bearer('ash')}"}
    base = f"{sandbox.base_url}/classlink/{credentials.application_id('ash')}/ims/oneroster/v1p1"
    return httpx.get(f"{base}/users?{query}", headers=headers, timeout=5)


def ids(answer: httpx.Response) -> list[str]:
    return [row["sourcedId"] for row in answer.json()["users"]]


def next_of(answer: httpx.Response) -> str | None:
    return next((link["uri"] for link in answer.json()["links"] if link["rel"] == "next"), None)


def strike(sandbox: SandboxControl, kind: FaultKind, **more: object) -> None:
    for district in ("oak", "ash"):
        sandbox.add_fault(district, Fault(kind=kind, collection="users", **more))  # type: ignore[arg-type]


def test_a_fault_strikes_its_page_its_number_of_times_and_no_other_collection(sandbox: SandboxControl) -> None:
    strike(sandbox, "status", status=502, page=2, times=2)
    assert classlink(sandbox).status_code == 200
    assert [classlink(sandbox, "limit=10&offset=10").status_code for _ in range(3)] == [502, 502, 200]
    assert clever(sandbox, "role=student&limit=10").status_code == 200


def test_a_fault_can_wait_for_some_requests_first(sandbox: SandboxControl) -> None:
    strike(sandbox, "status", status=500, skip=1, times=1)
    assert [clever(sandbox).status_code for _ in range(3)] == [200, 500, 200]


def test_a_429_says_when_to_come_again(sandbox: SandboxControl) -> None:
    strike(sandbox, "status", status=429, seconds=7)
    for answer in (clever(sandbox), classlink(sandbox)):
        assert answer.status_code == 429
        assert 5 < float(answer.headers["x-ratelimit-reset"]) - time.time() < 9
        assert answer.headers["retry-after"] == "7"


def test_a_truncated_answer_ends_with_the_connection(sandbox: SandboxControl) -> None:
    strike(sandbox, "truncated")
    with pytest.raises(httpx.RemoteProtocolError):
        clever(sandbox)


def test_a_hanging_provider_says_nothing_until_the_client_gives_up(sandbox: SandboxControl) -> None:
    strike(sandbox, "hang", seconds=60)
    with pytest.raises(httpx.ReadTimeout):
        clever(sandbox, timeout=0.3)


def test_a_slow_and_a_dripping_provider_give_the_whole_answer_in_the_end(sandbox: SandboxControl) -> None:
    whole = clever(sandbox).json()
    strike(sandbox, "slow", seconds=0.2, times=1)
    started = time.monotonic()
    assert clever(sandbox).json() == whole
    assert time.monotonic() - started >= 0.2
    strike(sandbox, "drip", seconds=0.2, times=1)
    assert clever(sandbox).json() == whole


def test_html_and_empty_bodies_come_as_200(sandbox: SandboxControl) -> None:
    strike(sandbox, "html", times=1)
    page = clever(sandbox)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    sandbox.clear_faults("ash")
    strike(sandbox, "empty-body", times=1)
    for answer in (clever(sandbox), classlink(sandbox)):
        assert (answer.status_code, answer.content) == (200, b"")


def test_an_empty_collection_has_no_rows_and_no_next_page(sandbox: SandboxControl) -> None:
    strike(sandbox, "empty")
    assert clever(sandbox).json()["data"] == []
    assert next_of(clever(sandbox)) is None
    assert (ids(classlink(sandbox)), classlink(sandbox).headers["x-total-count"]) == ([], "0")


def test_a_stuck_provider_gives_the_same_page_for_ever(sandbox: SandboxControl) -> None:
    strike(sandbox, "stuck")
    assert next_of(clever(sandbox)) == "/v3.0/users?limit=10"
    assert ids(classlink(sandbox, "limit=10&offset=30")) == ids(classlink(sandbox))


def test_an_endless_provider_always_has_more(sandbox: SandboxControl) -> None:
    strike(sandbox, "endless")
    assert next_of(clever(sandbox, "limit=10000")) is not None
    assert ids(classlink(sandbox, "limit=10&offset=100000"))


def test_rows_that_go_while_paging_shift_what_follows_and_change_total_and_revision(sandbox: SandboxControl) -> None:
    before = classlink(sandbox, "limit=30")
    strike(sandbox, "moved", page=2, rows=1)
    after = classlink(sandbox, "limit=10&offset=10")
    assert ids(after) == ids(before)[11:21]
    assert int(after.headers["x-total-count"]) == int(before.headers["x-total-count"]) - 1
    assert after.headers["x-perm-rev"] != before.headers["x-perm-rev"]
    assert ids(classlink(sandbox, "limit=10&offset=20"))[0] == ids(before)[21]


def test_rows_that_come_while_paging_bring_an_earlier_one_again(sandbox: SandboxControl) -> None:
    before = classlink(sandbox, "limit=20")
    strike(sandbox, "moved", page=2, rows=-1)
    assert ids(classlink(sandbox, "limit=10&offset=10"))[0] == ids(before)[9]


def test_a_shuffled_list_differs_from_answer_to_answer_and_an_unsorted_one_does_not(sandbox: SandboxControl) -> None:
    strike(sandbox, "unsorted", times=2)
    first, second = ids(classlink(sandbox)), ids(classlink(sandbox))
    assert first == second != sorted(first)
    sandbox.clear_faults("ash")
    strike(sandbox, "shuffled")
    assert ids(classlink(sandbox)) != ids(classlink(sandbox))


def test_a_clamped_limit_gives_fewer_rows_without_a_word(sandbox: SandboxControl) -> None:
    strike(sandbox, "clamped", limit=3)
    assert len(ids(classlink(sandbox))) == 3
    assert len(clever(sandbox).json()["data"]) == 3


def test_totals_can_be_missing_or_differ_from_page_to_page(sandbox: SandboxControl) -> None:
    strike(sandbox, "total-changes", times=2)
    totals = [classlink(sandbox, f"limit=10&offset={offset}").headers["x-total-count"] for offset in (0, 10)]
    assert totals[0] != totals[1]
    strike(sandbox, "no-total")
    assert "x-total-count" not in classlink(sandbox).headers


def test_an_empty_page_can_come_as_204(sandbox: SandboxControl) -> None:
    strike(sandbox, "no-content")
    assert classlink(sandbox).status_code == 200
    assert classlink(sandbox, "offset=100000").status_code == 204


def test_a_list_can_come_bare_or_under_an_unknown_key(sandbox: SandboxControl) -> None:
    strike(sandbox, "bare-list", times=1)
    assert isinstance(clever(sandbox).json(), list)
    assert isinstance(classlink(sandbox).json(), list)
    strike(sandbox, "no-envelope")
    assert "data" not in clever(sandbox).json()
    assert "users" not in classlink(sandbox).json()


def test_a_district_can_be_paused_and_fields_obfuscated(sandbox: SandboxControl) -> None:
    sandbox.add_fault("oak", Fault(kind="paused", collection="districts"))
    headers = {"Authorization": f"Bearer {credentials.clever_token('oak')}"}
    answer = httpx.get(f"{sandbox.base_url}/clever/oak/v3.0/districts", headers=headers).json()
    assert answer["data"][0]["data"]["state"] == "paused"
    strike(sandbox, "obfuscated")
    assert classlink(sandbox).headers["x-obfuscated"]


def test_requests_are_counted_by_collection(sandbox: SandboxControl) -> None:
    sandbox.reset_requests("oak")
    clever(sandbox)
    clever(sandbox, "role=teacher")
    assert sandbox.state("oak").requests == {"users": 2}


def test_every_fault_is_described() -> None:
    assert set(FAULTS) == set(get_args(FaultKind))
