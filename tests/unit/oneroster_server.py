"""A OneRoster server for tests: a transport that serves a small district, and does as badly as it is told."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import httpx

from schemas.records import Record
from services.districts import District
from services.ingest.providers.hosts import Clock, HostLimits
from services.ingest.providers.open import open_source
from services.ingest.remembered_rows import RowMemory
from services.ingest.source import PullReport, RecordPage
from services.settings import Settings
from tests.unit.record_pages import records_of

TODAY = date(2026, 10, 1)
HOST = "https://roster.example.org"
V1P1 = "/ims/oneroster/v1p1"


def ref(sourced_id: str, kind: str) -> dict[str, str]:
    """A reference as servers give it: its href points at another host, and must never be asked."""
    return {"href": f"https://elsewhere.example.net/{kind}/{sourced_id}", "sourcedId": sourced_id, "type": kind}


def base(sourced_id: str) -> dict[str, Any]:
    return {"sourcedId": sourced_id, "status": "active", "dateLastModified": "2026-09-30T04:00:00.000Z"}


def small_district(students: int = 7) -> dict[str, list[dict[str, Any]]]:
    """One school, one term, one class with a teacher and all students; and a guardian."""
    people = [
        ("t1", "teacher"),
        *((f"u{number:03}", "student") for number in range(students)),
        ("v1", "guardian"),
    ]
    return {
        "orgs": [base("s1") | {"name": "Oak School", "type": "school", "identifier": None}],
        "academicSessions": [
            base("fall") | {"title": "Fall", "type": "term", "startDate": "2026-08-01", "endDate": "2026-12-18"}
        ],
        "courses": [base("course") | {"title": "Algebra I", "courseCode": "A1"}],
        "users": [
            base(sourced_id)
            | {
                "enabledUser": "true",
                "givenName": f"Given{sourced_id}",
                "familyName": f"Family{sourced_id}",
                "email": f"{sourced_id}@x.example.org",
                "password": "secret-password",
                "sms": "555-0100",
                "phone": "555-0101",
                "agents": [ref("v1", "user")],
                "role": role,
                "orgs": [ref("s1", "org")],
                "grades": ["05"],
            }
            for sourced_id, role in people
        ],
        "classes": [
            base("c1")
            | {
                "title": "Algebra",
                "school": ref("s1", "org"),
                "course": ref("course", "course"),
                "terms": [ref("fall", "academicSession")],
            }
        ],
        "enrollments": [
            base(f"c1-{sourced_id}")
            | {
                "user": ref(sourced_id, "user"),
                "class": ref("c1", "class"),
                "school": ref("s1", "org"),
                "role": role,
                "primary": "true" if role == "teacher" else "false",
            }
            for sourced_id, role in people
            if role != "guardian"
        ],
    }


@dataclass
class OneRosterServer:
    """Serves `rows`. `twist` may replace any answer: it is given the request and the ordinary answer."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=small_district)
    path: str = V1P1
    clamp: int = 10_000
    says_total: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    twist: Callable[[httpx.Request, httpx.Response], httpx.Response] = lambda request, ordinary: ordinary
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.twist(request, self._answer(request))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path, _, collection = request.url.path.rpartition("/")
        if path != self.path or collection not in self.rows:
            return httpx.Response(404, json={"imsx_codeMajor": "failure"})
        everything = sorted(self.rows[collection], key=lambda row: str(row.get("sourcedId")))
        limit, offset = int(request.url.params["limit"]), int(request.url.params["offset"])
        rows = everything[offset : offset + min(limit, self.clamp)]
        headers = dict(self.headers)
        if self.says_total:
            headers["X-Total-Count"] = str(len(everything))
        return httpx.Response(200, json={collection: rows}, headers=headers)

    def asked(self, collection: str) -> list[httpx.Request]:
        return [request for request in self.requests if request.url.path.endswith(f"/{collection}")]


def collection_of(request: httpx.Request) -> str:
    return request.url.path.rpartition("/")[2]


@dataclass
class Pull:
    """What a pull gave."""

    records: dict[str, Record]
    kept: list[str]
    report: PullReport


def district(tmp_path: Path, credentials: dict[str, str] | None = None, **fields: Any) -> District:
    """A district whose credentials file holds `credentials` (a bearer unless said otherwise)."""
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps(credentials or {"bearer": "secret-token"}))
    known: dict[str, Any] = {"district": "oak", "name": "Oak", "provider": "oneroster", "url": HOST}
    return District(**(known | {"credentials_file": str(file)} | fields))


async def _no_sleep(_: float) -> None:
    await asyncio.sleep(0)


def pull(
    of: District,
    handler: Callable[[httpx.Request], httpx.Response],
    today: date = TODAY,
    pages: list[RecordPage] | None = None,
    memory_folder: Path | None = None,
    **settings: Any,
) -> Pull:
    """Read a district's whole roster through the public seam; where it ends well, the memory is kept.

    `pages` is filled as they come, failure or not.
    """
    given = [] if pages is None else pages

    async def read() -> Pull:
        report = PullReport()
        limits = HostLimits(4, Clock(sleep=_no_sleep))
        known = Settings(**{"retry_seconds": 5, **settings})
        memory = RowMemory(memory_folder, of) if memory_folder is not None else None
        try:
            async with open_source(of, limits, known, httpx.MockTransport(handler), memory=memory) as source:
                async for page in source.read(today, report):
                    given.append(page)
            if memory is not None:
                memory.keep()
        finally:
            if memory is not None:
                memory.close()
        records = {record.id: record for page in given for record in records_of(page)}
        return Pull(records, [sourced_id for page in given for sourced_id in page.kept], report)

    return asyncio.run(read())
