"""Servers that are only like Clever's: the exact whole roster comes of each, or a clear sentence."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingest.providers import page_rows
from services.ingest.providers.clever import paging
from services.ingest.snapshot_pages import cut_pages
from services.ingest.source import PullFailedError
from tests.unit.clever_server import (
    HOST,
    CleverServer,
    Pull,
    encoded,
    next_link,
    page_of,
    pull_of,
    read,
    small_district,
    student,
    student_id,
)

Twist = Callable[[httpx.Request, httpx.Response], httpx.Response]


def collection_of(request: httpx.Request) -> str:
    return request.url.path.rpartition("/")[2]


def links_of(answer: httpx.Response, change: Callable[[dict[str, str]], Any]) -> httpx.Response:
    """The answer, each of its links changed."""
    if answer.status_code != 200:
        return answer
    body = answer.json()
    return httpx.Response(200, json=body | {"links": [change(link) for link in body["links"]]})


def null_where_there_is_no_next(_: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
    body = ordinary.json()
    if not any(link["rel"] == "next" for link in body["links"]):
        body["links"].append({"rel": "next", "uri": None})
    return httpx.Response(200, json=body)


def zipped(_: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    return httpx.Response(200, content=gzip.compress(ordinary.content), headers=headers)


@pytest.mark.parametrize(
    "twist",
    [
        pytest.param(null_where_there_is_no_next, id="a next link to null on the last page"),
        pytest.param(
            lambda _, ordinary: links_of(ordinary, lambda link: link | {"uri": ""}), id="next links to nowhere"
        ),
        pytest.param(
            lambda _, ordinary: links_of(ordinary, lambda link: link | {"uri": link["uri"].replace("/v3.0", "/v9/x")}),
            id="next links below another path",
        ),
        pytest.param(zipped, id="compressed"),
    ],
)
def test_an_odd_server_is_read_exactly_as_clever_is(tmp_path: Path, twist: Twist) -> None:
    result = read(CleverServer(clamp=2, twist=twist), tmp_path)
    assert encoded(result) == encoded(pull_of(tmp_path))
    assert not result.report.defects


@pytest.mark.parametrize(
    ("district", "path"),
    [
        ({"url": f"{HOST}/v3.1"}, "/v3.1"),
        ({"url": f"{HOST}/v3.1/"}, "/v3.1"),
        ({"url": f"{HOST}/proxy/clever/"}, "/proxy/clever/v3.0"),
        ({"url": f"{HOST}/proxy", "api_path": "/rosters/v3.1/"}, "/proxy/rosters/v3.1"),
        ({"url": f"{HOST}/proxy", "api_path": ""}, "/proxy"),
    ],
)
def test_a_server_below_any_path_is_read_exactly_as_clever_is(
    tmp_path: Path, district: dict[str, Any], path: str
) -> None:
    result = read(CleverServer(path=path, clamp=2), tmp_path, **district)
    assert encoded(result) == encoded(pull_of(tmp_path))


def test_fields_of_v3_1_that_rollcall_does_not_use_change_nothing(tmp_path: Path) -> None:
    rows = small_district()
    for user in rows["users"]:
        user["lms_status"] = {"synced_in_lms": True}
        for role in user["roles"].values():
            role |= {"gifted_status": "Y", "disability": {"disability_code": "x"}, "home_language_code": "en"}
    rows["districts"][0] |= {"lms_type": "canvas", "last_attendance_sync": None}
    assert encoded(read(CleverServer(rows, path="/v3.1"), tmp_path, url=f"{HOST}/v3.1")) == encoded(pull_of(tmp_path))


def without_end(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
    if collection_of(request) != "users":
        return ordinary
    first = int(request.url.params.get("starting_after", "0"), 16) + 1
    users = [student(number) for number in range(first, first + 50)]
    return page_of(users, next_link(f"/v3.0/users?limit=50&starting_after={users[-1]['id']}"))


def test_a_list_whose_every_page_is_new_is_given_up_on_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "MOST_ROWS", 1000)
    with pytest.raises(PullFailedError, match="more than a district has: it has no end") as failed:
        read(CleverServer(twist=without_end), tmp_path)
    assert failed.value.code == "incomplete"


def test_a_page_of_far_too_many_rows_is_refused_before_it_takes_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_rows, "MOST_PAGE_ROWS", 5)
    with pytest.raises(PullFailedError, match=r"/users answered with 6 rows at once.*in pages") as failed:
        read(CleverServer(), tmp_path)
    assert failed.value.code == "incomplete"


def serving(user: bytes) -> CleverServer:
    """A Clever whose only user is these bytes."""

    def twist(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        if collection_of(request) != "users":
            return ordinary
        body = b'{"data": [{"data": ' + user + b'}], "links": []}'
        return httpx.Response(200, content=body, headers={"content-type": "application/json"})

    return CleverServer(twist=twist)


@pytest.mark.parametrize(
    "user",
    [
        b'{"id": "0000000000000000000000f", "roles": {}, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"id": "00000000000000000000000\xff", "roles": {}}',
    ],
    ids=["too deep", "an id that is not UTF-8"],
)
def test_a_page_that_cannot_be_decoded_fails_the_pull(tmp_path: Path, user: bytes) -> None:
    with pytest.raises(PullFailedError) as failed:
        read(serving(user), tmp_path)
    assert failed.value.code == "not-a-roster"


def test_a_person_with_a_value_that_is_not_utf_8_is_kept_as_applied(tmp_path: Path) -> None:
    result = read(serving(b'{"id": "%s", "roles": {"student": {"grade": "\xff"}}}' % student_id(15).encode()), tmp_path)
    assert result.kept("students") == [student_id(15)]
    assert result.students == []


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["", "\x00", "2026-02-30", "13/31/2026", "Y", "5", 10**30]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    (collection, (key,)) for collection, rows in small_district().items() for key in rows[0] if key not in {"id"}
] + [("users", ("roles", "student", key)) for key in [*student(1)["roles"]["student"], "preferred_name"]]


def put(row: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for key in path[:-1]:
        row = row[key]
    row[path[-1]] = value


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.sampled_from(FIELDS), value=JSON)
def test_a_value_of_any_type_in_any_field_is_read_kept_or_refused_and_never_a_fault(
    tmp_path: Path, where: tuple[str, tuple[str, ...]], value: object
) -> None:
    collection, path = where
    rows = small_district()
    put(rows[collection][0], path, value)
    try:
        result: Pull = read(CleverServer(rows), tmp_path)
    except PullFailedError:
        return
    for page in result.pages:
        cut_pages(page, 10)
    if collection == "users":
        others = {record.id for record in result.students}
        assert {student_id(number) for number in range(2, 6)} <= others, "what is odd about one costs no other"
