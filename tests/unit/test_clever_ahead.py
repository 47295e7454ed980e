"""The next page of Clever's is asked for while one is worked on, and that is all that changes."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.districts import District
from services.ingest.defects import DefectCode
from services.ingest.providers.clever.paging import Walk
from services.ingest.providers.clever.rows import UserRow
from services.ingest.providers.hosts import Clock, HostLimits
from services.ingest.providers.open import open_source
from services.ingest.source import PullFailedError, PullReport, RecordPage
from services.settings import Settings
from tests.unit.clever_server import HOST, TODAY, CleverServer, page_of, read, student, student_id, teacher

Server: TypeAlias = CleverServer | Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]
Seen: TypeAlias = Callable[[RecordPage], None]


def many(students: int) -> CleverServer:
    server = CleverServer()
    server.rows["users"] = [*(student(number) for number in range(1, students + 1)), teacher()]
    return server


def read_slowly(server: Server, tmp_path: Path, seen: Seen, *, until: int = 10_000) -> None:
    """Read up to so many pages of records, leaving the loop to whatever is under way after each."""
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps({"bearer": "district-token"}))
    of = District.model_validate(
        {
            "district": "oak",
            "name": "Oak",
            "provider": "clever",
            "url": HOST,
            "credentials_file": str(file),
            "page_size": 2,
        }
    )

    async def pages() -> None:
        limits = HostLimits(4, Clock(sleep=lambda _: asyncio.sleep(0)))
        async with (
            open_source(of, limits, Settings(retry_seconds=1), httpx.MockTransport(server)) as source,
            aclosing(source.read(TODAY, PullReport())) as pages,
        ):
            left = until
            async for page in pages:
                for _ in range(50):
                    await asyncio.sleep(0)
                seen(page)
                left -= 1
                if not left:
                    break
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(pages())


def test_one_page_and_no_more_is_asked_for_while_one_is_worked_on(tmp_path: Path) -> None:
    server, asked = many(7), []
    read_slowly(server, tmp_path, lambda page: asked.append((page.kind, len(server.asked("users")))))
    assert [count for kind, count in asked if kind == "students"] == [2, 3, 4, 4]


def test_no_page_is_asked_for_twice(tmp_path: Path) -> None:
    server = many(7)
    read_slowly(server, tmp_path, lambda page: None)
    queries = [request.url.query.decode() for request in server.asked("users")]
    assert queries == ["limit=2", *(f"limit=2&starting_after={student_id(number)}" for number in (2, 4, 6))]


def test_a_pull_that_is_given_up_leaves_no_request_under_way(tmp_path: Path) -> None:
    server, hanging = many(7), asyncio.Event()

    async def hang(request: httpx.Request) -> httpx.Response:
        answer = server(request)
        if "starting_after" in str(request.url):
            await hanging.wait()
        return answer

    served: list[RecordPage] = []
    read_slowly(hang, tmp_path, served.append, until=2)
    assert len(server.asked("users")) == 2
    assert len(served) == 2


def test_what_was_asked_for_ahead_of_a_page_that_cannot_be_believed_changes_nothing(tmp_path: Path) -> None:
    server = many(7)
    backwards = page_of(
        [student(4), student(3)], [{"rel": "next", "uri": f"/v3.0/users?starting_after={student_id(4)}"}]
    )
    server.twist = lambda request, ordinary: (
        backwards if request.url.params.get("starting_after") == student_id(2) else ordinary
    )
    with pytest.raises(PullFailedError, match="ascending order"):
        read_slowly(server, tmp_path, lambda page: None)


def test_a_next_link_that_is_wrong_fails_the_pull_though_its_page_was_asked_for(tmp_path: Path) -> None:
    server = many(7)
    skipping = page_of(
        [student(1), student(2)], [{"rel": "next", "uri": f"/v3.0/users?starting_after={student_id(4)}"}]
    )
    server.twist = lambda request, ordinary: (
        skipping if request.url.path.endswith("/users") and "starting_after" not in str(request.url) else ordinary
    )
    with pytest.raises(PullFailedError, match="does not go on from its last row"):
        read_slowly(server, tmp_path, lambda page: None)


def test_links_before_the_rows_give_the_same_roster(tmp_path: Path) -> None:
    def turned(_: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        return httpx.Response(200, json=dict(reversed(ordinary.json().items())))

    server = many(7)
    expected = read(many(7), tmp_path, page_size=2)
    server.twist = turned
    assert read(server, tmp_path, page_size=2).of("students") == expected.of("students")


_texts = st.sampled_from(
    ['"links"', '{"rel":"next","uri":"/v3.0/users?starting_after=x"}', "\\", "é", 'a"links":[{', ""]
)


@given(st.lists(_texts, min_size=1, max_size=4), st.booleans(), st.sampled_from([None, [], [{"rel": "self"}]]))
def test_what_a_page_ends_with_is_guessed_as_it_is_taken(names: list[str], goes_on: bool, others: list[object]) -> None:
    rows = [student(number, name={"first": name, "last": name}) for number, name in enumerate(names, 1)]
    links = [*(others or []), {"rel": "next", "uri": f"/v3.0/users?starting_after={rows[-1]['id']}"}]
    body = {"data": [{"data": row} for row in rows], "links": links if goes_on else others}
    defects: dict[DefectCode, int] = {}
    walk = Walk(f"{HOST}/v3.0/users", UserRow, defects, 100)  # type: ignore[arg-type]
    content = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    guess = walk.guess_next(content)
    walk.take(content)
    if goes_on:
        assert guess == walk.params is not None
    else:
        assert guess is None


@given(st.binary(max_size=60), st.integers(0, 30))
def test_no_bytes_are_so_odd_that_guessing_fails(noise: bytes, cut: int) -> None:
    walk = Walk(f"{HOST}/v3.0/users", UserRow, {}, 100)  # type: ignore[arg-type]
    for body in (noise, b'{"data":[],"links":' + noise, b'{"data":[],"links":[{"rel":"next","uri":"//['[:-cut] + noise):
        guess = walk.guess_next(body)
        with suppress(PullFailedError):
            assert guess is None or isinstance(guess, list)
