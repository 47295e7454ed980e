"""What is made of a large page in another process is what would be made of it here, and nothing depends on that one."""

import asyncio
import json
from typing import Any

import psutil
import pytest

from services.ingest.aside import SHORT_BYTES
from services.ingest.providers.clever.page_blocks import DigestedPage, decoder, digest_page
from services.ingest.providers.oneroster.decode import CLASSES, COURSES, ENROLLMENTS, ORGS, SESSIONS, USERS, Collection
from services.ingest.providers.oneroster.decode import decode_at_once as decode
from services.ingest.providers.page_process import PageProcess
from tests.unit.clever_server import student


def a_large_page() -> bytes:
    data = [{"data": student(number), "uri": f"/v3.0/users/{number:024x}"} for number in range(1, 3000)]
    body = json.dumps({"data": data, "links": []}, separators=(",", ":")).encode()
    assert len(body) > SHORT_BYTES
    return body


def digested(pages: PageProcess, body: bytes, collection: str = "users") -> DigestedPage | None:
    return asyncio.run(pages.work(digest_page, decoder, collection, body))


def child() -> psutil.Process:
    [process] = [each for each in psutil.Process().children() if "page_working" in " ".join(each.cmdline())]
    return process


def test_a_large_page_is_worked_on_by_another_process_which_ends_with_its_user() -> None:
    body = a_large_page()
    with PageProcess() as pages:
        assert digested(pages, body) == digest_page("users", body) is not None
        process = child()
        assert digested(pages, body, "sections") == digest_page("sections", body)
        assert child() == process
    assert not process.is_running()


def test_a_small_page_needs_no_other_process() -> None:
    with PageProcess() as pages:
        assert digested(pages, b"{}") is None
        assert not [each for each in psutil.Process().children() if "page_working" in " ".join(each.cmdline())]


def test_pages_are_worked_on_here_once_the_other_process_has_ended() -> None:
    body = a_large_page()
    with PageProcess() as pages:
        digested(pages, body)
        process = child()
        process.kill()
        process.wait()
        assert digested(pages, body) == digest_page("users", body)
        assert digested(pages, body) == digest_page("users", body)


def test_what_fails_in_the_other_process_fails_here() -> None:
    with PageProcess() as pages, pytest.raises(KeyError):
        digested(pages, a_large_page(), "no-such-collection")


def test_several_pages_at_once_do_not_get_into_each_others_way() -> None:
    bodies = [a_large_page().replace(b"oak", letter * 3) for letter in (b"a", b"b", b"c", b"d")]

    async def all_at_once(pages: PageProcess) -> list[DigestedPage | None]:
        return await asyncio.gather(*(pages.work(digest_page, decoder, "users", body) for body in bodies))

    with PageProcess() as pages:
        assert asyncio.run(all_at_once(pages)) == [digest_page("users", body) for body in bodies]


ROW = {
    "sourcedId": "é" * 600,
    "status": "active",
    "dateLastModified": "2026-10-01T00:00:00Z",
    "title": "A",
    "name": "B",
}
REF = {"href": "x", "sourcedId": "r1", "type": "y"}
FIELDS: dict[str, dict[str, Any]] = {
    "orgs": {"type": "school", "identifier": "7"},
    "academicSessions": {"type": "term", "startDate": "2026-08-01", "endDate": "2026-12-18", "schoolYear": "2027"},
    "courses": {"schoolYear": REF},
    "users": {"enabledUser": True, "givenName": "Ada", "email": "a@x.example", "grades": ["5"], "role": "student"},
    "classes": {"course": REF, "school": REF, "terms": [REF, REF], "grades": ["5"], "subjects": []},
    "enrollments": {"user": REF, "class": REF, "school": REF, "role": "teacher", "primary": "true"},
}


@pytest.mark.parametrize(
    "collection", [ORGS, SESSIONS, COURSES, USERS, CLASSES, ENROLLMENTS], ids=lambda each: each.name
)
def test_onerosters_pages_are_read_in_the_other_process_as_they_are_here(collection: Collection[Any, Any]) -> None:
    row = ROW | FIELDS[collection.name] | ({"orgs": [REF, REF]} if collection is USERS else {})
    rows = [row | {"sourcedId": f"{row['sourcedId']}{number}"} for number in range(2000)]
    body = json.dumps({collection.name: rows}, ensure_ascii=False).encode()
    assert len(body) > SHORT_BYTES
    with PageProcess() as pages:
        page = asyncio.run(pages.work(decode, collection.pages, collection.name, body))
        child()
    expected = collection.decode(body, "GET", {})  # type: ignore[arg-type]
    assert page is not None
    assert page == expected
    assert bytes(page.raw(body)) == bytes(expected.raw(body)) == body[body.index(b"[") + 1 : -2]
    assert type(page.rows) is type(expected.rows)
