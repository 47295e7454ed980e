"""OneRoster's REST API 1.1 and 1.2 (oneroster.md sections 2 and 4 to 7), for plain servers and ClassLink's proxy."""

from dataclasses import replace
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.sandbox import oauth
from deploy.sandbox.answers import Asked, Page, RefusedError, Struck, cut, dress, reset_headers
from deploy.sandbox.collection import Collection
from deploy.sandbox.registry import Registry, SandboxEntry, UnknownDistrictError

MAX_LIMIT = 10_000
DEFAULT_LIMIT = 100

ENVELOPES = {
    "orgs": "orgs",
    "schools": "orgs",
    "academicSessions": "academicSessions",
    "terms": "academicSessions",
    "gradingPeriods": "academicSessions",
    "courses": "courses",
    "classes": "classes",
    "users": "users",
    "students": "users",
    "teachers": "users",
    "enrollments": "enrollments",
    "demographics": "demographics",
}
"""Each collection's envelope key, which goes by kind and not by path."""

_SINGULAR = {"orgs": "org", "academicSessions": "academicSession", "courses": "course", "classes": "class"} | {
    "users": "user",
    "enrollments": "enrollment",
    "demographics": "demographics",
}


def routes(registry: Registry) -> list[Route]:
    """Give the routes below /oneroster: 1.1, 1.2 and the token endpoint of each district."""

    async def answer(request: Request) -> Response:
        entry = _entry(registry, request)
        if entry is None:
            return failure(404, "unknownobject", f"there is no district {request.path_params['district']}")
        if not oauth.may_read(request, entry):
            entry.requests["unauthorized"] += 1
            return failure(401, "unauthorisedrequest", "the signature or the token is not accepted")
        return await serve(request, entry, "v1p1" if "/v1p1/" in request.url.path else "v1p2")

    async def token(request: Request) -> Response:
        entry = _entry(registry, request)
        if entry is None:
            return failure(404, "unknownobject", f"there is no district {request.path_params['district']}")
        return await oauth.issue_token(request, entry)

    found = [Route("/oneroster/{district}/token", token, methods=["POST"])]
    for base in ("ims/oneroster/v1p1", "ims/oneroster/rostering/v1p2"):
        found.append(Route(f"/oneroster/{{district}}/{base}/{{collection}}", answer))
        found.append(Route(f"/oneroster/{{district}}/{base}/{{collection}}/{{sourced_id}}", answer))
    return found


def _entry(registry: Registry, request: Request) -> SandboxEntry | None:
    try:
        return registry.find(request.path_params["district"])
    except UnknownDistrictError:
        return None


async def serve(request: Request, entry: SandboxEntry, version: Literal["v1p1", "v1p2"]) -> Response:
    """Answer for a collection or one of its records, whoever asks."""
    name = request.path_params["collection"]
    if name not in ENVELOPES:
        return failure(404, "unknownobject", f"there is no collection {name}")
    collection = (await entry.collections(version))[name]
    if "sourced_id" in request.path_params:
        return _one(name, collection.one(request.path_params["sourced_id"]))
    try:
        asked = _asked_for(request, collection)
    except RefusedError as refused:
        return refused.answer
    struck = entry.faults.strike(name, asked.page)
    entry.requests[name] += 1
    if status := struck.get("status"):
        answer = failure(status.status, "server_busy" if status.status == 429 else "internal_server_error", "as asked")
        answer.headers.update(reset_headers(status) if status.status == 429 else {})
        return answer
    page = cut(entry, replace(asked, start=0) if "stuck" in struck else asked, struck)
    if "no-content" in struck and not page.rows:
        return Response(None, 204)
    return dress(struck, _body(ENVELOPES[name], page, struck), _headers(request, entry, asked, page, struck))


def _one(name: str, row: Any | None) -> Response:
    if row is None:
        return failure(404, "unknownobject", f"there is no such record in {name}")
    return _json(msgspec.json.encode({_SINGULAR[ENVELOPES[name]]: row}))


def _asked_for(request: Request, collection: Collection) -> Asked:
    """Read limit and offset. A limit above the maximum is clamped without a word. Raises RefusedError with 400."""
    limit, offset = request.query_params.get("limit", str(DEFAULT_LIMIT)), request.query_params.get("offset", "0")
    if not (limit.isdecimal() and offset.isdecimal() and int(limit)):
        raise RefusedError(failure(400, "invalid_selection_field", "limit and offset must be whole numbers"))
    descending = request.query_params.get("orderBy") == "desc"
    return Asked(collection, int(offset), min(int(limit), MAX_LIMIT), descending)


def _body(envelope: str, page: Page, struck: Struck) -> bytes:
    if "bare-list" in struck:
        return page.body
    return b'{"%s":%s}' % (b"items" if "no-envelope" in struck else envelope.encode(), page.body)


def _headers(request: Request, entry: SandboxEntry, asked: Asked, page: Page, struck: Struck) -> dict[str, str]:
    headers: dict[str, str] = {}
    if "no-total" not in struck:
        headers["X-Total-Count"] = str(page.total + (asked.page if "total-changes" in struck else 0))
        if page.ends_at < page.total:
            query = dict(request.query_params) | {"limit": str(asked.limit), "offset": str(asked.start + page.rows)}
            # The link names another host, as ClassLink's hrefs do; nobody may follow it.
            address = f"https://{entry.definition.district}-v2.rosterserver.example{request.url.path}"
            headers["Link"] = f'<{address}?{urlencode(query)}>; rel="next"'
    if entry.definition.provider == "classlink":
        headers["x-count"] = str(page.rows)
        headers["x-endpoint"] = request.path_params["collection"]
        headers["x-perm-rev"] = str(entry.night * 1000 + ("moved" in struck))
        headers["x-obfuscated"] = "givenName,familyName,email" if "obfuscated" in struck else ""
    return headers


def failure(status: int, code: str, text: str) -> Response:
    """Give an error in OneRoster's words (imsx_StatusInfo)."""
    field = {"imsx_codeMinorFieldName": "TargetEndSystem", "imsx_codeMinorFieldValue": code}
    info = {
        "imsx_codeMajor": "failure",
        "imsx_severity": "error",
        "imsx_description": text,
        "imsx_CodeMinor": {"imsx_codeMinorField": [field]},
    }
    return _json(msgspec.json.encode(info), status)


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json; charset=utf-8")
