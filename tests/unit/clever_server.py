"""A Clever for tests: a transport that serves a small district, and does as badly as it is told."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import httpx

from schemas.records import Class, Record, School, Student, Teacher, encode_record
from services.districts import District
from services.ingest.providers.hosts import HostLimits
from services.ingest.providers.open import open_source
from services.ingest.remembered_rows import RowMemory
from services.ingest.source import PullReport, RecordPage
from services.settings import Settings
from tests.unit.fake_provider import FakeTime
from tests.unit.record_pages import records_of

TODAY = date(2026, 10, 1)
HOST = "https://api.clever.example.org"
TOKENS = "https://clever.example.org/oauth/tokens"
Rows: TypeAlias = dict[str, list[dict[str, Any]]]

DISTRICT, SCHOOL, TERM, COURSE, TEACHER, SECTION = (letter * 24 for letter in "abcdef")


def student_id(number: int) -> str:
    return f"{number:024x}"


def student(number: int, **changes: Any) -> dict[str, Any]:
    """A student as the wire has one, with much that Rollcall must not take."""
    role = {
        "school": SCHOOL,
        "schools": [SCHOOL],
        "sis_id": f"10{number}",
        "student_number": f"n{number}",
        "grade": "5",
        "dob": "2/11/2015",
        "gender": "F",
        "race": "Asian",
        "frl_status": "Free",
        "location": {"address": "", "zip": "11201"},
        "credentials": {"district_username": f"user{number}"},
        "legacy_id": f"{number + 5000:024x}",
        "enrollments": [],
        "ext": {},
    }
    return person(
        student_id(number), f"s{number}@oak.example.org", {"student": role | changes.pop("role", {})}, changes
    )


def teacher(id_: str = TEACHER, **changes: Any) -> dict[str, Any]:
    role = {"school": SCHOOL, "schools": [SCHOOL], "teacher_number": "77", "title": "Ms", "legacy_id": "9" * 24}
    return person(id_, f"{id_[:4]}@oak.example.org", {"teacher": role | changes.pop("role", {})}, changes)


def person(id_: str, email: str, roles: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": id_,
        "district": DISTRICT,
        "created": "2023-04-12T23:05:01.315Z",
        "last_modified": "2026-09-30T16:07:32.551Z",
        "email": email,
        "name": {"first": "Ada", "middle": "K", "last": "Lovelace"},
        "roles": roles,
    } | changes


def section(id_: str = SECTION, **changes: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "district": DISTRICT,
        "school": SCHOOL,
        "name": "Math - Lovelace - 2",
        "sis_id": "587",
        "course": COURSE,
        "term_id": TERM,
        "teacher": TEACHER,
        "teachers": [TEACHER],
        "students": [student_id(number) for number in range(1, 6)],
        "grade": "5",
        "subject": "math",
        "period": "2",
        "section_number": "",
        "ext": {"classroom": "A1"},
        "created": "2023-04-12T23:05:00.310Z",
        "last_modified": "2026-09-30T16:07:31.465Z",
    } | changes


def small_district() -> Rows:
    """One school, one term, one course, five students, a teacher, and one section with all of them."""
    return {
        "districts": [{"id": DISTRICT, "name": "Oak", "state": "running", "last_sync": "2026-09-30T16:08:05.652Z"}],
        "schools": [{"id": SCHOOL, "name": "Oak School", "school_number": "13K", "phone": "555-0100"}],
        "terms": [{"id": TERM, "name": "Fall", "start_date": "2026-08-01", "end_date": "2026-12-18"}],
        "courses": [{"id": COURSE, "name": "Mathematics", "number": "M1"}],
        "users": [*(student(number) for number in range(1, 6)), teacher()],
        "sections": [section()],
    }


@dataclass
class CleverServer:
    """Serves `rows` as they stand, below `path`. `twist` may replace any answer: it gets the request and the answer."""

    rows: Rows = field(default_factory=small_district)
    path: str = "/v3.0"
    token: str = "district-token"
    clamp: int = 10_000
    twist: Callable[[httpx.Request, httpx.Response], httpx.Response] = lambda request, ordinary: ordinary
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.twist(request, self._answer(request))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path, _, collection = request.url.path.rpartition("/")
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return httpx.Response(401, json={"message": "invalid token"})
        if path != self.path or collection not in self.rows:
            return httpx.Response(404, text="<html>Cannot GET</html>", headers={"content-type": "text/html"})
        limit, after = int(request.url.params.get("limit", "100")), request.url.params.get("starting_after", "")
        if limit > 10_000:
            return httpx.Response(413, json={"message": "limit"})
        beyond = [row for row in self.rows[collection] if row["id"] > after]
        rows = beyond[: min(limit, self.clamp)]
        links = [{"rel": "self", "uri": f"{self.path}/{collection}"}]
        if after:
            links.append({"rel": "prev", "uri": f"{self.path}/{collection}?ending_before={after}"})
        if len(beyond) > len(rows):
            links.append(
                {"rel": "next", "uri": f"{self.path}/{collection}?limit={limit}&starting_after={rows[-1]['id']}"}
            )
        return page_of(rows, links)

    def asked(self, collection: str) -> list[httpx.Request]:
        return [request for request in self.requests if request.url.path.endswith(f"/{collection}")]


def page_of(rows: list[dict[str, Any]], links: list[dict[str, str]] | None = None) -> httpx.Response:
    body: dict[str, Any] = {"data": [{"data": row, "uri": f"/v3.0/any/{row.get('id')}"} for row in rows]}
    return httpx.Response(200, json=body if links is None else body | {"links": links})


def next_link(uri: str) -> list[dict[str, str]]:
    return [{"rel": "next", "uri": uri}]


@dataclass
class Pull:
    """What a pull gave, by kind."""

    pages: list[RecordPage]
    report: PullReport
    time: FakeTime

    def of(self, kind: str) -> list[Record]:
        return [record for page in self.pages if page.kind == kind for record in records_of(page)]

    def kept(self, kind: str) -> list[str]:
        return [id_ for page in self.pages if page.kind == kind for id_ in page.kept]

    @property
    def students(self) -> list[Student]:
        return [record for record in self.of("students") if isinstance(record, Student)]

    @property
    def teachers(self) -> list[Teacher]:
        return [record for record in self.of("teachers") if isinstance(record, Teacher)]

    @property
    def schools(self) -> list[School]:
        return [record for record in self.of("schools") if isinstance(record, School)]

    @property
    def classes(self) -> list[Class]:
        return [record for record in self.of("classes") if isinstance(record, Class)]


def read(
    server: Callable[[httpx.Request], httpx.Response],
    tmp_path: Path,
    *,
    today: date = TODAY,
    credentials: dict[str, str] | None = None,
    time: FakeTime | None = None,
    settings: dict[str, Any] | None = None,
    memory_folder: Path | None = None,
    **district: Any,
) -> Pull:
    """Read a district's whole roster through the public seam; where it ends well, the memory is kept."""
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps(credentials or {"bearer": "district-token"}))
    known = {"district": "oak", "name": "Oak", "provider": "clever", "url": HOST, "credentials_file": str(file)}
    of = District.model_validate(known | district)
    pull = Pull([], PullReport(), time or FakeTime())

    async def all_pages() -> None:
        limits = HostLimits(4, pull.time.clock)
        transport = httpx.MockTransport(server)
        memory = RowMemory(memory_folder, of) if memory_folder is not None else None
        try:
            async with open_source(of, limits, Settings(**(settings or {})), transport, memory=memory) as source:
                async for page in source.read(today, pull.report):
                    pull.pages.append(page)
            if memory is not None:
                memory.keep()
        finally:
            if memory is not None:
                memory.close()

    asyncio.run(all_pages())
    return pull


def pull_of(tmp_path: Path, change: Callable[[Rows], None] = lambda rows: None, today: date | None = None) -> Pull:
    server = CleverServer()
    change(server.rows)
    return read(server, tmp_path) if today is None else read(server, tmp_path, today=today)


def with_student(**changes: Any) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        rows["users"][0] = student(1, **changes)

    return change


def with_section(**changes: Any) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        rows["sections"] = [section(**changes)]

    return change


def with_term(**changes: Any) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        rows["terms"] = [{"id": TERM} | changes]

    return change


def encoded(pull: Pull) -> set[bytes]:
    return {encode_record(record) for page in pull.pages for record in records_of(page)}
