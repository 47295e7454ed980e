"""Clever's errors, rate limits and tokens: what each answer means for a pull (clever.md sections 2 and 6)."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.ingest.source import PullFailedError
from tests.unit.clever_server import DISTRICT, HOST, TOKENS, CleverServer, page_of, read, student_id
from tests.unit.fake_provider import UNIX_AT_START, FakeTime

CLIENT = {
    "clever_client_id": "our-id",
    "clever_client_secret": "our-secret",
    "clever_district_id": DISTRICT,
    "tokens_url": TOKENS,
}


def at(collection: str, *answers: httpx.Response) -> CleverServer:
    """A Clever that answers the first requests for a collection so, the last one for ever."""
    left = list(answers)

    def twist(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        if not request.url.path.endswith(f"/{collection}"):
            return ordinary
        if len(left) == 1:
            return httpx.Response(left[0].status_code, headers=left[0].headers, content=left[0].content)
        return left.pop(0)

    return CleverServer(twist=twist)


def failure(server: Any, tmp_path: Path, **how: Any) -> PullFailedError:
    with pytest.raises(PullFailedError) as caught:
        read(server, tmp_path, **how)
    return caught.value


def once(collection: str, answer: httpx.Response) -> CleverServer:
    """A Clever that answers the first request for a collection so, and goes on as ever."""
    left = [answer]
    return CleverServer(
        twist=lambda request, ordinary: left.pop() if left and request.url.path.endswith(f"/{collection}") else ordinary
    )


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize("status", [400, 501])
def test_a_request_that_clever_refuses_is_not_repeated(tmp_path: Path, status: int) -> None:
    server = at("users", httpx.Response(status, json={"message": "bad parameter"}))
    failure(server, tmp_path)
    assert len(server.asked("users")) == 1


@pytest.mark.parametrize("collection", ["districts", "schools", "terms", "courses", "users", "sections"])
def test_404_never_means_that_everybody_left(tmp_path: Path, collection: str) -> None:
    server = CleverServer()
    del server.rows[collection]
    error = failure(server, tmp_path)
    assert error.code == "not-found"
    assert f"{HOST}/v3.0/{collection}" in error.text


def test_after_413_the_limit_is_lowered_and_the_page_asked_for_again(tmp_path: Path) -> None:
    server = CleverServer()
    server.twist = lambda request, ordinary: (
        httpx.Response(413, json={}) if int(request.url.params.get("limit", "0")) > 3 else ordinary
    )
    pull = read(server, tmp_path, page_size=8)
    assert len(pull.students) == 5
    assert [request.url.query.decode() for request in server.asked("users")] == [
        "limit=8",
        "limit=4",
        "limit=2",
        f"limit=2&starting_after={student_id(2)}",
        f"limit=2&starting_after={student_id(4)}",
    ]


def test_a_server_that_refuses_every_limit_fails_the_pull(tmp_path: Path) -> None:
    server = at("users", httpx.Response(413, json={}))
    assert "page size" in failure(server, tmp_path).text
    assert server.asked("users")[-1].url.query == b"limit=1"


def test_after_429_nothing_is_asked_before_x_ratelimit_reset(tmp_path: Path) -> None:
    time = FakeTime()
    headers = {
        "x-ratelimit-limit": "1200",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": str(UNIX_AT_START + 42),
        "x-ratelimit-bucket": "bearer",
    }
    pull = read(once("users", httpx.Response(429, headers=headers)), tmp_path, time=time)
    assert len(pull.students) == 5
    assert 42 <= time.now - 1000 <= 43


@pytest.mark.parametrize("status", [500, 502, 503])
def test_clevers_own_faults_are_waited_out(tmp_path: Path, status: int) -> None:
    pull = read(once("sections", httpx.Response(status)), tmp_path)
    assert len(pull.classes) == 1


@pytest.mark.parametrize("status", [500, 502, 503])
def test_faults_of_clevers_that_last_fail_the_pull(tmp_path: Path, status: int) -> None:
    error = failure(at("sections", httpx.Response(status)), tmp_path)
    assert error.code == "provider-unavailable"


def test_an_error_quotes_clevers_request_id(tmp_path: Path) -> None:
    server = at("users", httpx.Response(400, headers={"clever-request-id": "3ae65caf-fbb2"}))
    assert "3ae65caf-fbb2" in failure(server, tmp_path).text


def test_an_html_page_under_200_is_refused(tmp_path: Path) -> None:
    error = failure(at("users", httpx.Response(200, html="<html>Sign in</html>")), tmp_path)
    assert error.code == "not-a-roster"
    assert f"{HOST}/v3.0/users answered 200 with text/html" in error.text


@pytest.mark.parametrize(
    "body",
    ['{"links": []}', '{"data": null}', '{"data": {}}', "[]", '{"users": []}', '{"data": [], }', '{"data": [{}]}'],
)
def test_a_200_that_is_no_page_of_clevers_is_refused(tmp_path: Path, body: str) -> None:
    answer = httpx.Response(200, content=body, headers={"content-type": "application/json"})
    error = failure(at("users", answer), tmp_path)
    assert error.code == "not-a-roster"
    assert "/v3.0/users" in error.text


def test_an_empty_200_fails_the_pull(tmp_path: Path) -> None:
    empty = httpx.Response(200, headers={"content-type": "application/json"})
    assert failure(at("users", empty), tmp_path).code == "incomplete"


@pytest.mark.parametrize("collection", ["terms", "courses", "users", "sections"])
def test_204_is_an_empty_collection(tmp_path: Path, collection: str) -> None:
    pull = read(at(collection, httpx.Response(204)), tmp_path)
    (proof,) = [proof for proof in pull.report.proofs if proof.collection == collection]
    assert (proof.rows, proof.end) == (0, "no next page")


def test_a_row_without_an_id_fails_the_pull(tmp_path: Path) -> None:
    error = failure(at("users", page_of([{"email": "x@oak.example.org", "roles": {}}], [])), tmp_path)
    assert error.code == "not-a-roster"
    assert "x@oak" not in error.text


# ---------------------------------------------------------------- the district behind the token


@pytest.mark.parametrize("count", [0, 2])
def test_a_token_that_does_not_see_exactly_one_district_is_refused(tmp_path: Path, count: int) -> None:
    server = CleverServer()
    server.rows["districts"] = [{"id": student_id(number)} for number in range(count)]
    error = failure(server, tmp_path)
    assert error.code == "not-a-roster"
    assert f"lists {count} districts" in error.text
    assert server.asked("users") == []


def test_a_paused_district_is_reported_and_read_all_the_same(tmp_path: Path) -> None:
    server = CleverServer()
    server.rows["districts"][0] |= {"state": "paused", "pause_start": "2026-09-01T00:00:00.000Z"}
    pull = read(server, tmp_path)
    assert pull.report.defects["provider-paused"] == 1
    assert len(pull.students) == 5


@pytest.mark.parametrize(
    ("last_sync", "stale"),
    [
        ("2026-09-30T16:08:05.652Z", 0),
        ("2026-09-24T16:08:05.652Z", 0),
        ("2026-09-20T16:08:05.652Z", 1),
        ("", 0),
        (None, 0),
    ],
)
def test_a_district_whose_data_are_old_is_reported(tmp_path: Path, last_sync: str | None, stale: int) -> None:
    server = CleverServer()
    server.rows["districts"][0]["last_sync"] = last_sync
    assert read(server, tmp_path).report.defects["provider-stale"] == stale


@pytest.mark.parametrize(
    ("district", "path"),
    [
        ({}, "/v3.0"),
        ({"api_path": "/v3.1"}, "/v3.1"),
        ({"api_path": "v3.1/"}, "/v3.1"),
        ({"url": f"{HOST}/"}, "/v3.0"),
        ({"url": f"{HOST}/v3.1"}, "/v3.1"),
        ({"url": f"{HOST}/clever", "api_path": ""}, "/clever"),
    ],
)
def test_the_api_path_is_the_districts_own_or_v3_0(tmp_path: Path, district: dict[str, Any], path: str) -> None:
    assert len(read(CleverServer(path=path), tmp_path, **district).students) == 5


# ---------------------------------------------------------------- tokens


class WithTokens:
    """A Clever with its list of tokens, which may be replaced during the pull."""

    def __init__(self, *tokens: str | None) -> None:
        self.clever = CleverServer(token="current")
        self.asked_for_tokens: list[httpx.Request] = []
        self._tokens = list(tokens)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/oauth/tokens"):
            return self.clever(request)
        self.asked_for_tokens.append(request)
        token = self._tokens.pop(0) if len(self._tokens) > 1 else self._tokens[0]
        other = {"owner": {"type": "district", "id": "0" * 24}, "access_token": "of-another-district"}
        own = {"owner": {"type": "district", "id": DISTRICT}, "access_token": token}
        return httpx.Response(200, json={"data": [other] if token is None else [other, own], "links": []})


def test_the_districts_current_token_is_looked_up_with_our_client_id_and_secret(tmp_path: Path) -> None:
    server = WithTokens("current")
    assert len(read(server, tmp_path, credentials=CLIENT).students) == 5
    (request,) = server.asked_for_tokens
    assert str(request.url) == f"{TOKENS}?owner_type=district&district={DISTRICT}"
    assert request.headers["authorization"] == "Basic " + b64encode(b"our-id:our-secret").decode()
    assert {asked.headers["authorization"] for asked in server.clever.requests} == {"Bearer current"}


def test_a_replaced_token_is_looked_up_once_more_and_the_pull_goes_on(tmp_path: Path) -> None:
    server = WithTokens("before", "current")
    assert len(read(server, tmp_path, credentials=CLIENT).students) == 5
    assert len(server.asked_for_tokens) == 2


def test_a_token_replaced_during_the_pull_is_looked_up_again(tmp_path: Path) -> None:
    server = WithTokens("current", "new", "newest")
    replaced_at = {"/v3.0/terms": "new", "/v3.0/users": "newest"}

    def replace(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        server.clever.token = replaced_at.pop(request.url.path, server.clever.token)
        return ordinary

    server.clever.twist = replace
    assert len(read(server, tmp_path, credentials=CLIENT).classes) == 1
    assert len(server.asked_for_tokens) == 3


def test_a_token_that_stays_refused_means_disconnected(tmp_path: Path) -> None:
    server = WithTokens("before")
    error = failure(server, tmp_path, credentials=CLIENT)
    assert error.code == "disconnected"
    assert len(server.asked_for_tokens) == 2
    assert len(server.clever.requests) == 2


def test_a_district_without_a_token_is_disconnected(tmp_path: Path) -> None:
    error = failure(WithTokens(None), tmp_path, credentials=CLIENT)
    assert error.code == "disconnected"
    assert DISTRICT in error.text


def test_a_client_secret_that_clever_does_not_know_is_wrong_credentials(tmp_path: Path) -> None:
    error = failure(lambda _: httpx.Response(401, json={}), tmp_path, credentials=CLIENT)
    assert error.code == "wrong-credentials"
    assert "our-secret" not in error.text


def test_a_list_of_tokens_that_is_none_is_refused(tmp_path: Path) -> None:
    error = failure(lambda _: httpx.Response(200, json={"tokens": []}), tmp_path, credentials=CLIENT)
    assert error.code == "not-a-roster"


def test_a_token_that_reads_another_district_is_refused(tmp_path: Path) -> None:
    server = WithTokens("current")
    server.clever.rows["districts"][0]["id"] = "0" * 24
    error = failure(server, tmp_path, credentials=CLIENT)
    assert error.code == "wrong-credentials"
    assert server.clever.asked("users") == []


def test_a_static_token_that_is_refused_is_wrong_credentials_and_not_tried_again(tmp_path: Path) -> None:
    server = CleverServer(token="another")
    error = failure(server, tmp_path)
    assert error.code == "wrong-credentials"
    assert "credentials file" in error.text
    assert "district-token" not in error.text
    assert len(server.requests) == 1
