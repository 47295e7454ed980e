"""OneRoster servers that are not like the specification: the exact whole roster comes of each, or a clear sentence."""

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.records import Class, Record
from services.ingest.providers import page_rows
from services.ingest.providers.oneroster import paging
from services.ingest.snapshot_pages import cut_pages
from services.ingest.source import PullFailedError, RecordPage
from tests.unit.oneroster_server import HOST, V1P1, OneRosterServer, base, collection_of, district, pull, small_district

STUDENTS = 60
Twist = Callable[[httpx.Request, httpx.Response], httpx.Response]


def whole_roster(tmp_path: Path) -> dict[str, Record]:
    """What an ordinary server gives."""
    return pull(district(tmp_path), OneRosterServer(small_district(STUDENTS))).records


def serve(twist: Twist, *, clamp: int = 10, says_total: bool = True) -> OneRosterServer:
    return OneRosterServer(small_district(STUDENTS), clamp=clamp, says_total=says_total, twist=twist)


def offset_of(request: httpx.Request) -> int:
    return int(request.url.params["offset"])


def rows_of(response: httpx.Response) -> list[Any]:
    """The rows of an ordinary answer; none of the 404 for a collection that is not there."""
    return next((rows for rows in response.json().values() if isinstance(rows, list)), [])


def beyond_the_end(answer: httpx.Response) -> Twist:
    return lambda request, ordinary: ordinary if rows_of(ordinary) else answer


def with_total(total: str | None, *, from_offset: int = 0, of: str | None = None) -> Twist:
    def twist(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        if offset_of(request) < from_offset or of not in (None, collection_of(request)):
            return ordinary
        return httpx.Response(200, json=ordinary.json(), headers={} if total is None else {"X-Total-Count": total})

    return twist


def unsorted_but_steady(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
    collection = collection_of(request)
    rows = small_district(STUDENTS)[collection]
    random.Random(7).shuffle(rows)
    return httpx.Response(200, json={collection: rows[offset_of(request) : offset_of(request) + 10]})


def everything_always(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
    rows = small_district(STUDENTS)[collection_of(request)]
    return httpx.Response(200, json={collection_of(request): rows}, headers={"X-Total-Count": str(len(rows))})


def as_plain_text(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
    content = b"\xef\xbb\xbf" + ordinary.content
    return httpx.Response(200, content=content, headers={"Content-Type": "text/plain; charset=utf-8"})


@pytest.mark.parametrize(
    ("twist", "says_total"),
    [
        pytest.param(lambda _, ordinary: ordinary, True, id="limits clamped to 10"),
        pytest.param(lambda _, ordinary: ordinary, False, id="clamped, without totals"),
        pytest.param(beyond_the_end(httpx.Response(204)), False, id="204 beyond the end"),
        pytest.param(beyond_the_end(httpx.Response(204)), True, id="204 beyond the total"),
        pytest.param(beyond_the_end(httpx.Response(404)), True, id="404 beyond the total"),
        pytest.param(beyond_the_end(httpx.Response(400)), True, id="400 beyond the total"),
        pytest.param(beyond_the_end(httpx.Response(416)), True, id="416 beyond the total"),
        pytest.param(with_total(None, from_offset=1), True, id="a total on the first page only"),
        pytest.param(with_total("1,234"), False, id="a total with a comma"),
        pytest.param(with_total("62.0"), False, id="a total with a point"),
        pytest.param(with_total("many"), False, id="a total in words"),
        pytest.param(with_total("-1"), False, id="a total below zero"),
        pytest.param(with_total("9" * 5000), False, id="a total of 5000 digits"),
        pytest.param(unsorted_but_steady, False, id="sort ignored"),
        pytest.param(as_plain_text, True, id="text with a byte order mark"),
    ],
)
def test_an_odd_server_is_read_exactly_as_an_ordinary_one(tmp_path: Path, twist: Twist, says_total: bool) -> None:
    result = pull(district(tmp_path), serve(twist, says_total=says_total))
    assert result.records == whole_roster(tmp_path)
    assert not result.kept
    assert not result.report.defects


def instead(of: str, body: object) -> Twist:
    return lambda request, ordinary: httpx.Response(200, json=body) if collection_of(request) == of else ordinary


def without_end(request: httpx.Request, _: httpx.Response) -> httpx.Response:
    first = offset_of(request)
    return httpx.Response(200, json={collection_of(request): [base(f"x{first + n}") for n in range(100)]})


def redirect(to: str) -> Twist:
    return lambda *_: httpx.Response(301, headers={"Location": to})


@pytest.mark.parametrize(
    ("twist", "code", "says"),
    [
        pytest.param(instead("users", [base("u1")]), "not-a-roster", "a bare list", id="a bare list"),
        pytest.param(instead("users", {"Users": [base("u1")]}), "not-a-roster", "without 'users'", id="misspelt key"),
        pytest.param(instead("users", {"user": [base("u1")]}), "not-a-roster", "without 'users'", id="singular key"),
        pytest.param(
            instead("users", {"users": {"user": [base("u1")]}}), "not-a-roster", "not an array", id="a list one deeper"
        ),
        pytest.param(instead("users", {"users": [[base("u1")]]}), "not-a-roster", "not an object", id="nested list"),
        pytest.param(
            with_total("10", of="users"), "incomplete", "more than the 10 records", id="a total that counts one page"
        ),
        pytest.param(with_total("0"), "incomplete", "more than the 0 records", id="a total of nothing"),
        pytest.param(with_total("70", of="users"), "incomplete", "ends after 62 of 70", id="a total too large"),
        pytest.param(
            with_total("99", from_offset=10), "incomplete", "the total went from", id="a total of its own on each page"
        ),
        pytest.param(everything_always, "incomplete", "repeats its pages", id="limit and offset ignored"),
        pytest.param(without_end, "incomplete", "it has no end", id="a list without end"),
        pytest.param(redirect("https://other.example.net/x"), "misconfigured", "other.example.net/x", id="other host"),
        pytest.param(redirect("/login"), "misconfigured", f"a redirect to {HOST}/login", id="another path"),
        pytest.param(redirect("http://["), "misconfigured", "which is not followed", id="a redirect to nowhere"),
        pytest.param(lambda *_: httpx.Response(206, json={"orgs": []}), "misconfigured", "answered 206", id="206"),
    ],
)
def test_a_server_that_cannot_be_read_whole_is_refused_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, twist: Twist, code: str, says: str
) -> None:
    monkeypatch.setattr(paging, "MOST_ROWS_OF_OTHERS", 2000)
    pages: list[RecordPage] = []
    with pytest.raises(PullFailedError, match=says) as failed:
        pull(district(tmp_path), serve(twist), pages=pages)
    assert failed.value.code == code
    assert pages == []
    assert not {"GivenNobody", "secret-token"} & set(failed.value.text.split())


def test_a_page_of_far_too_many_rows_is_refused_before_it_takes_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_rows, "MOST_PAGE_ROWS", 50)
    with pytest.raises(PullFailedError, match=r"62 rows at once.*in pages") as failed:
        pull(district(tmp_path), serve(lambda _, ordinary: ordinary, clamp=1000))
    assert failed.value.code == "incomplete"


def test_404_in_the_middle_of_a_list_without_a_total_is_no_end(tmp_path: Path) -> None:
    with pytest.raises(PullFailedError, match="answers 404 from row 1 on") as failed:
        pull(district(tmp_path), serve(beyond_the_end(httpx.Response(404)), says_total=False))
    assert failed.value.code == "incomplete"


@pytest.mark.parametrize(
    "shape",
    [
        {"url": f"{HOST}/"},
        {"url": f"{HOST}{V1P1}"},
        {"url": f"{HOST}{V1P1}//"},
        {"url": HOST, "api_path": f"{V1P1}/"},
        {"url": f"{HOST}/ims/", "api_path": "oneroster/v1p1"},
        {"url": f"{HOST}:443", "api_path": "/ims/oneroster/v1p1"},
        {"url": f"{HOST.upper().replace('HTTPS', 'https')}"},
    ],
)
def test_the_address_may_be_split_between_url_and_path_anywhere(tmp_path: Path, shape: dict[str, Any]) -> None:
    server = OneRosterServer(small_district(STUDENTS))
    assert pull(district(tmp_path, **shape), server).records == whole_roster(tmp_path)
    assert {request.url.path.rpartition("/")[0] for request in server.requests} == {V1P1}


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ({"url": f"{HOST}/?tenant=7"}, "query"),
        ({"url": HOST, "api_path": "ims/oneroster/v1p1?key=1"}, "query"),
        ({"url": f"{HOST}/#users"}, "fragment"),
        ({"url": "https://me:very-secret@roster.example.org"}, "credentials file"),
    ],
)
def test_an_address_that_no_path_fits_behind_is_refused_before_anything_is_asked(
    tmp_path: Path, shape: dict[str, Any], says: str
) -> None:
    server = OneRosterServer()
    with pytest.raises(PullFailedError, match=says) as failed:
        pull(district(tmp_path, **shape), server)
    assert failed.value.code == "misconfigured"
    assert "very-secret" not in failed.value.text
    assert server.requests == []


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["", "NULL", "0", "\x00", "2026-02-30", "9/31/2026", "true", "s1", "u001", 10**30, -1]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["sourcedId", "role", "org", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = [
    (collection, row, key)
    for collection, rows in small_district(2).items()
    for row, fields in enumerate(rows)
    for key in [*fields, "roles", "enabledUser", "beginDate", "endDate", "preferredFirstName", "schoolYear"]
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.sampled_from(FIELDS), value=JSON)
def test_a_value_of_any_type_in_any_field_is_read_counted_or_refused_and_never_a_fault(
    tmp_path: Path, where: tuple[str, int, str], value: Any
) -> None:
    collection, row, key = where
    rows = small_district(2)
    rows[collection][row][key] = value
    try:
        result = pull(district(tmp_path), OneRosterServer(rows))
    except PullFailedError:
        return
    for record in result.records.values():
        assert cut_pages(RecordPage(f"{record.type}s" if record.type != "class" else "classes", [record]), 10)  # type: ignore[arg-type]
    if collection == "users" and row != 1:
        assert "u000" in result.records, "what is odd about one person costs no other"


@pytest.mark.parametrize(
    "body", [b'{"users": [' + b'{"x":' * 100_000, b"[" * 100_000, b'{"users": [{"sourcedId": "\\ud800"}]}']
)
def test_json_that_is_deep_broken_or_no_unicode_is_refused(tmp_path: Path, body: bytes) -> None:
    def twist(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        return httpx.Response(200, content=body) if collection_of(request) == "users" else ordinary

    with pytest.raises(PullFailedError) as failed:
        pull(district(tmp_path), serve(twist))
    assert failed.value.code == "not-a-roster"


def test_a_person_listed_in_two_orders_of_pages_is_listed_once(tmp_path: Path) -> None:
    rows = small_district(STUDENTS)
    reverse = copy.deepcopy(rows)
    for collection in reverse.values():
        collection.reverse()

    def newest_first(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        listed = reverse[collection_of(request)][offset_of(request) : offset_of(request) + 10]
        return httpx.Response(200, content=json.dumps({collection_of(request): listed}))

    result = pull(district(tmp_path), serve(newest_first))
    assert result.records == whole_roster(tmp_path)
    class_ = result.records["c1"]
    assert isinstance(class_, Class)
    assert len(class_.students) == STUDENTS
