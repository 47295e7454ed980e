"""ClassLink's sign-in server: auth, token and /v2/my/info (oneroster.md section 12)."""

import zlib
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.sandbox import credentials
from deploy.sandbox.registry import Registry
from deploy.sandbox.sign_in_faults import answered
from deploy.sandbox.sign_in_people import SignInPeople
from deploy.sandbox.sign_in_rounds import Rounds, Somebody, refused

_ROLES = {"teachers": "Teacher", "students": "Student"}


def routes(registry: Registry, rounds: Rounds) -> list[Route]:
    """Give the routes; /classlink/launch starts a sign-in as LaunchPad's tile does: without anybody's state."""
    server = _ClassLinkSignIn(registry, rounds)
    return [
        Route("/classlink/oauth2/v2/auth", server.authorize),
        Route("/classlink/launch", server.launch),
        Route("/classlink/logout", server.logout),
        Route("/classlink/oauth2/v2/token", server.token, methods=["POST"]),
        Route("/classlink/v2/my/info", server.info),
    ]


class _ClassLinkSignIn:
    def __init__(self, registry: Registry, rounds: Rounds) -> None:
        self._people = SignInPeople(registry)
        self._rounds = rounds

    async def authorize(self, request: Request) -> Response:
        """Ask who it is, unless that is known, and send them back."""
        query = request.query_params
        if query.get("client_id") != credentials.CLASSLINK_CLIENT_ID or query.get("response_type") != "code":
            return refused(400, {"error": "invalid_client"})
        if "redirect_uri" not in query:
            return refused(400, {"error": "redirect_uri is missing"})
        somebody = self._rounds.signed_in("classlink", request)
        if somebody is None:
            return await self._people.page(request, "ClassLink", "classlink")
        return self._rounds.send_back("classlink", request, somebody)

    async def launch(self, request: Request) -> Response:
        """Send who is chosen by `as` to the `redirect_uri`, with a code and no state."""
        return self._rounds.send_back("classlink", request, Somebody(request.query_params["as"]), with_state=False)

    async def logout(self, _request: Request) -> Response:
        """Sign out of LaunchPad."""
        return self._rounds.sign_out("classlink")

    async def token(self, request: Request) -> Response:
        """Exchange a code; everything comes in a form."""
        fault = self._rounds.faults.strike("classlink", "token")
        given = dict(parse_qsl((await request.body()).decode("ascii", errors="replace")))
        client = (given.get("client_id"), given.get("client_secret"))
        if client != (credentials.CLASSLINK_CLIENT_ID, credentials.CLASSLINK_CLIENT_SECRET):
            return refused(401, {"error": "invalid_client"})
        code = self._rounds.exchange("classlink", given.get("code", ""), given.get("redirect_uri", ""))
        if code is None:
            return refused(400, {"error": "invalid_grant"})
        token = self._rounds.issue("classlink", code.somebody, "c")
        answer = {"access_token": token, "token_type": "bearer", "expires_in": 86_400, "id_token": "not.looked.at"}
        return await answered(fault, answer, ("access_token",))

    async def info(self, request: Request) -> Response:
        """Tell who it is. The SourcedId is empty where the district has no OneRoster at ClassLink."""
        somebody = self._rounds.bearer("classlink", request)
        if somebody is None:
            return refused(401, {"status": 0, "message": "unauthorized"})
        district, kind, id_ = somebody.who.split("/", 2)
        user = somebody.options.get("user") or str(zlib.crc32(somebody.who.encode()))
        answer = {
            "UserId": int(user) if user.isdecimal() else user,
            "TenantId": int(credentials.tenant_id(district)),
            "LoginId": f"login-{user}",
            "SourcedId": id_,
            "Email": "not-the-rostered-one@mail.example",
            "FirstName": "Not",
            "LastName": "Looked At",
            "DisplayName": "Not Looked At",
            "Role": _ROLES.get(kind, "Tenant Administrator"),
            "Role_Level": 1,
            "OrgId": ["1"],
        }
        return await answered(
            self._rounds.faults.strike("classlink", "info"), answer, ("UserId", "TenantId", "SourcedId")
        )
