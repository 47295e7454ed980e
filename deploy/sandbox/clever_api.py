"""Clever's Data API v3.0 and v3.1, and its list of district tokens (clever.md sections 2 to 6)."""

import base64
import time
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.sandbox import credentials
from deploy.sandbox.answers import HTML, Asked, Page, RefusedError, Struck, cut, dress, reset_headers
from deploy.sandbox.collection import Collection
from deploy.sandbox.ids import clever_id
from deploy.sandbox.registry import Registry, SandboxEntry, UnknownDistrictError

MAX_LIMIT = 10_000
DEFAULT_LIMIT = 100
_VERSIONS = ("v3.0", "v3.1")
_COLLECTIONS = ("districts", "schools", "terms", "courses", "sections", "users")


def routes(registry: Registry) -> list[Route]:
    """Give the routes below /clever. A district's API is at /clever/{district}/v3.0, its links start at /v3.0."""
    api = _CleverApi(registry)
    return [
        Route("/clever/oauth/tokens", api.tokens),
        Route("/clever/{district}/{version}/{collection}", api.collection),
        Route("/clever/{district}/{version}/{collection}/{id}", api.one),
    ]


class _CleverApi:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def tokens(self, request: Request) -> Response:
        """List the tokens of the districts that share with our application."""
        known = f"{credentials.CLEVER_CLIENT_ID}:{credentials.CLEVER_CLIENT_SECRET}"
        if request.headers.get("authorization") != f"Basic {base64.b64encode(known.encode()).decode()}":
            return _message(401, "invalid client")
        if request.query_params.get("owner_type") != "district":
            return _message(400, "owner_type must be district")
        wanted = request.query_params.get("district")
        listed = []
        for entry in self._registry:
            slug = entry.definition.district
            owner = clever_id(slug, "district", 1)
            if entry.definition.provider != "clever" or wanted not in {None, owner}:
                continue
            struck = entry.faults.strike("tokens", 1)
            if "empty" in struck:
                continue
            listed.append(
                {
                    "id": clever_id(slug, "district", 2 + entry.generation),
                    "created": f"{entry.definition.anchor}T06:00:00.000Z",
                    "owner": {"type": "district", "id": owner},
                    "access_token": credentials.clever_token(slug, entry.generation),
                    "scopes": ["read:district_admins_basic", "read:students_basic", "read:teachers_basic"],
                }
            )
        uri = f"/oauth/tokens?{request.url.query}"
        return _json({"data": listed, "links": [{"rel": "self", "uri": uri}]})

    async def collection(self, request: Request) -> Response:
        """Give one page of a collection."""
        try:
            entry, headers = self._admit(request)
            asked = await _asked_for(request, entry)
        except RefusedError as refused:
            return refused.answer
        name = request.path_params["collection"]
        struck = entry.faults.strike(name, asked.page)
        entry.requests[name] += 1
        if status := struck.get("status"):
            extra = reset_headers(status) if status.status == 429 else {}
            body = b"" if status.status == 429 else msgspec.json.encode({"message": "the sandbox was asked to fail"})
            return Response(body, status.status, headers | extra, "application/json; charset=utf-8")
        page = cut(entry, asked, struck)
        if "no-content" in struck and not page.rows:
            return Response(None, 204, headers)
        return dress(struck, _body(request, page, asked.collection, struck), headers)

    async def one(self, request: Request) -> Response:
        """Give one record with its links."""
        try:
            entry, headers = self._admit(request)
        except RefusedError as refused:
            return refused.answer
        collections = await entry.collections(request.path_params["version"])
        row = collections[request.path_params["collection"]].one(request.path_params["id"])
        if row is None:
            return _message(404, "Resource not found", headers)
        return _json({"data": row, "links": [{"rel": "self", "uri": _uri(request)}]}, headers)

    def _admit(self, request: Request) -> tuple[SandboxEntry, dict[str, str]]:
        """Give the district that the request may read, and what every answer says about the rate limit.

        Raises RefusedError with the answer to a request for something else, one too many, or with another token.
        """
        known = request.path_params["version"] in _VERSIONS and request.path_params["collection"] in _COLLECTIONS
        try:
            entry = self._registry.find(request.path_params["district"])
        except UnknownDistrictError as error:
            raise RefusedError(_message(404, str(error))) from error
        if not known:
            page = HTML % f"Cannot GET {_uri(request)}"
            raise RefusedError(Response(page, 404, media_type="text/html; charset=utf-8"))
        used, headers = _count_in_window(entry)
        if used > entry.definition.requests_per_minute:
            entry.requests["limited"] += 1
            raise RefusedError(Response(b"", 429, headers))
        token = credentials.clever_token(entry.definition.district, entry.generation)
        if request.headers.get("authorization") != f"Bearer {token}":
            entry.requests["unauthorized"] += 1
            raise RefusedError(_message(401, "unauthorized", headers))
        return entry, headers


async def _asked_for(request: Request, entry: SandboxEntry) -> Asked:
    """Read limit, cursor and role. Raises RefusedError with 400 or 413."""
    name, query = request.path_params["collection"], request.query_params
    collections = await entry.collections(request.path_params["version"])
    role = query.get("role") if name == "users" else None
    collection = collections.get(f"{name}?role={role}" if role else name)
    if collection is None:
        raise RefusedError(_message(400, "role must be one of student, teacher, staff, district_admin, contact"))
    if name == "districts":
        return Asked(collection, 0, 1)
    given = query.get("limit", str(DEFAULT_LIMIT))
    if not given.isdecimal() or int(given) < 1:
        raise RefusedError(_message(400, "limit must be a number from 1 on"))
    limit = int(given)
    if limit > MAX_LIMIT:
        raise RefusedError(_message(413, f"limit must not be above {MAX_LIMIT}"))
    if before := query.get("ending_before"):
        end = collection.before(before)
        return Asked(collection, max(0, end - limit), max(1, min(limit, end)))
    after = query.get("starting_after")
    return Asked(collection, collection.after(after) if after else 0, limit)


def _body(request: Request, page: Page, collection: Collection, struck: Struck) -> bytes:
    """Wrap a page's rows: each with its uri, and the links of the page."""
    if "bare-list" in struck:
        return page.body
    path = _uri(request).partition("?")[0]
    records = msgspec.json.decode(page.body, type=list[msgspec.Raw])
    ids = (msgspec.json.decode(record, type=_WithId).id for record in records)
    data = [{"data": record, "uri": f"{path}/{row_id}"} for record, row_id in zip(records, ids, strict=True)]
    links = [{"rel": "self", "uri": _uri(request)}]
    if request.query_params.get("starting_after") and page.rows:
        links.append({"rel": "prev", "uri": _uri(request, ending_before=collection.id_of(page.start))})
    if "stuck" in struck:
        links.append({"rel": "next", "uri": _uri(request)})
    elif ("endless" in struck and len(collection)) or (page.rows and page.ends_at < len(collection)):
        last = collection.id_of(max(0, page.ends_at - 1))
        links.append({"rel": "next", "uri": _uri(request, starting_after=last)})
    if "paused" in struck:
        data = [{"data": msgspec.json.decode(record) | {"state": "paused"}} for record in records]
    return msgspec.json.encode({"items" if "no-envelope" in struck else "data": data, "links": links})


class _WithId(msgspec.Struct):
    id: str


def _uri(request: Request, **cursor: str) -> str:
    """Give the request's address as Clever writes it: from the version on, without a host, with another cursor."""
    path = request.url.path.removeprefix(f"/clever/{request.path_params['district']}")
    query = dict(request.query_params)
    if cursor:
        query = {name: value for name, value in query.items() if name not in {"starting_after", "ending_before"}}
    query |= cursor
    return f"{path}?{urlencode(query)}" if query else path


def _count_in_window(entry: SandboxEntry) -> tuple[int, dict[str, str]]:
    """Count the request in its minute (a fixed window); give how many there were, and the headers that say so."""
    minute = int(time.time() // 60)
    used = entry.window[1] + 1 if entry.window[0] == minute else 1
    entry.window = (minute, used)
    allowed = entry.definition.requests_per_minute
    return used, {
        "X-RateLimit-Bucket": "bearer",
        "X-RateLimit-Limit": str(allowed),
        "X-RateLimit-Remaining": str(max(0, allowed - used)),
        "X-RateLimit-Reset": str((minute + 1) * 60),
        "X-Request-Id": f"sandbox-{minute}-{used}",
    }


def _json(content: object, headers: dict[str, str] | None = None, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, headers, "application/json; charset=utf-8")


def _message(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return _json({"message": text}, headers, status)
