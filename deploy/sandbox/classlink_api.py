"""ClassLink's proxy: the list of applications, and each one's OneRoster 1.1 (oneroster.md section 2)."""

from urllib.parse import unquote

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.sandbox import credentials
from deploy.sandbox.answers import Struck, dress, reset_headers
from deploy.sandbox.oneroster_api import failure, serve
from deploy.sandbox.registry import Registry, SandboxEntry

DEFAULT_LIMIT = 100


def routes(registry: Registry) -> list[Route]:
    """Give the routes below /classlink, those with the older `proxy/v1p0` before the id among them."""
    proxy = _Proxy(registry)
    found = [
        Route("/classlink/applications", proxy.applications),
        Route("/classlink/applications/{application_id}/server", proxy.server),
    ]
    for prefix in ("/classlink", "/classlink/proxy/v1p0"):
        base = f"{prefix}/{{application_id}}/ims/oneroster/v1p1/{{collection}}"
        found += [Route(base, proxy.data), Route(f"{base}/{{sourced_id}}", proxy.data)]
    return found


class _Proxy:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def _shared(self) -> list[SandboxEntry]:
        return [entry for entry in self._registry if entry.definition.provider == "classlink"]

    async def applications(self, request: Request) -> Response:
        """List the districts that share with us; `limit` and `offset` are honoured, no count is given."""
        if request.headers.get("authorization") != f"Bearer {credentials.CLASSLINK_PARTNER_KEY}":
            return failure(401, "unauthorisedrequest", "the partner key is not accepted")
        rows = [_switched_off()]
        struck: Struck = {}
        for entry in self._shared():
            struck = entry.faults.strike("applications", 1) or struck
            if "empty" not in struck:
                rows.append(_application(entry))
        if status := struck.get("status"):
            return Response(b"", status.status, reset_headers(status) if status.status == 429 else {})
        query = request.query_params
        offset, limit = int(query.get("offset", "0")), int(query.get("limit", str(DEFAULT_LIMIT)))
        answer = {"status": 1, "applications": rows[offset : offset + limit]}
        return dress(struck, msgspec.json.encode(answer), {})

    async def server(self, request: Request) -> Response:
        """Tell where a district's own server is, and the key with which it can be read directly."""
        if request.headers.get("authorization") != f"Bearer {credentials.CLASSLINK_PARTNER_KEY}":
            return failure(401, "unauthorisedrequest", "the partner key is not accepted")
        entry = self._find(request)
        if entry is None:
            return failure(404, "unknownobject", "there is no such application")
        district = entry.definition.district
        server = {
            "client_id": credentials.oauth_key(district),
            "client_secret": credentials.oauth_secret(district),
            "endpoint_url": str(request.url.replace(path=f"/oneroster/{district}", query="")),
        }
        answer = {"status": 1, "server": server, "message": ""}
        return Response(msgspec.json.encode(answer), media_type="application/json")

    async def data(self, request: Request) -> Response:
        """Answer as the district's server does, for whoever has the application's bearer."""
        entry = self._find(request)
        if entry is None:
            return failure(404, "unknownobject", "there is no such application")
        bearer = credentials.application_bearer(entry.definition.district, entry.generation)
        if request.headers.get("authorization") != f"Bearer {bearer}":
            entry.requests["unauthorized"] += 1
            return failure(401, "unauthorisedrequest", "the bearer is not accepted")
        return await serve(request, entry, "v1p1")

    def _find(self, request: Request) -> SandboxEntry | None:
        """Find the application: its id comes percent-escaped, and is to be put into the path just so."""
        given = request.path_params["application_id"]
        for entry in self._shared():
            if given == unquote(credentials.application_id(entry.definition.district)):
                return entry
        return None


def _application(entry: SandboxEntry) -> dict[str, object]:
    district = entry.definition.district
    return {
        "id": credentials.tenant_id(district),
        "name": "Rollcall",
        "tenant_name": entry.definition.name,
        "tenant_id": credentials.tenant_id(district),
        "tenant_status": "Active",
        "application_id": f"app-{district}",
        "oneroster_application_id": credentials.application_id(district),
        "bearer": credentials.application_bearer(district, entry.generation),
        "enabled": "true",
    }


def _switched_off() -> dict[str, object]:
    """Give a district that has switched our application off: it is listed, and must be left alone."""
    return {
        "id": "1",
        "name": "Rollcall",
        "tenant_name": "Closed Valley Schools",
        "tenant_id": "1",
        "tenant_status": "Inactive",
        "application_id": "app-closed-valley",
        "oneroster_application_id": "closed-valleyQm%3D",
        "bearer": None,
        "enabled": "false",
    }
