"""Clever's sign-in server: authorize, token, /me and /userinfo (clever.md, "Single sign-on")."""

import base64
import zlib

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.sandbox import credentials
from deploy.sandbox.ids import clever_id
from deploy.sandbox.registry import Registry
from deploy.sandbox.sign_in_faults import answered
from deploy.sandbox.sign_in_people import SignInPeople
from deploy.sandbox.sign_in_rounds import Rounds, Somebody, refused

_TYPES = {"teachers": "teacher", "students": "student"}


def routes(registry: Registry, rounds: Rounds) -> list[Route]:
    """Give the routes; /clever/portal starts a sign-in as Clever's portal does: without anybody's state."""
    server = _CleverSignIn(registry, rounds)
    return [
        Route("/clever/oauth/authorize", server.authorize),
        Route("/clever/portal", server.portal),
        Route("/clever/oauth/logout", server.logout),
        Route("/clever/oauth/tokens", server.token, methods=["POST"]),
        Route("/clever/sign-in/v3.0/me", server.me),
        Route("/clever/sign-in/userinfo", server.userinfo),
    ]


class _CleverSignIn:
    def __init__(self, registry: Registry, rounds: Rounds) -> None:
        self._people = SignInPeople(registry)
        self._rounds = rounds

    async def authorize(self, request: Request) -> Response:
        """Ask who it is, unless that is known, and send them back."""
        query = request.query_params
        if query.get("client_id") != credentials.CLEVER_CLIENT_ID or query.get("response_type") != "code":
            return refused(400, {"error": "invalid_client"})
        if "redirect_uri" not in query:
            return refused(400, {"error": "redirect_uri is missing"})
        somebody = self._rounds.signed_in("clever", request)
        if somebody is None:
            return await self._people.page(request, "Clever", "clever")
        return self._rounds.send_back("clever", request, somebody)

    async def portal(self, request: Request) -> Response:
        """Send who is chosen by `as` to the `redirect_uri`, with a code and no state."""
        return self._rounds.send_back("clever", request, Somebody(request.query_params["as"]), with_state=False)

    async def logout(self, _request: Request) -> Response:
        """Sign out of Clever."""
        return self._rounds.sign_out("clever")

    async def token(self, request: Request) -> Response:
        """Exchange a code, with the client in a Basic header and the rest in JSON."""
        fault = self._rounds.faults.strike("clever", "token")
        known = f"{credentials.CLEVER_CLIENT_ID}:{credentials.CLEVER_CLIENT_SECRET}"
        if request.headers.get("authorization") != f"Basic {base64.b64encode(known.encode()).decode()}":
            return refused(401, {"error": "invalid client"})
        try:
            given = msgspec.json.decode(await request.body(), type=dict[str, str])
        except msgspec.DecodeError:
            return refused(400, {"error": "invalid request"})
        code = self._rounds.exchange("clever", given.get("code", ""), given.get("redirect_uri", ""))
        if code is None or given.get("grant_type") != "authorization_code":
            return refused(400, {"error": "invalid grant: invalid code"})
        token = self._rounds.issue("clever", code.somebody, "il")
        return await answered(fault, {"access_token": token, "token_type": "bearer"}, ("access_token",))

    async def me(self, request: Request) -> Response:
        """Tell who it is, in the form with links."""
        somebody = self._rounds.bearer("clever", request)
        if somebody is None:
            return refused(401, {"message": "unauthorized"})
        district, kind, id_ = somebody.who.split("/", 2)
        owner = clever_id(district, "district", 1)
        answer = {
            "type": "user",
            "data": {"id": id_, "district": owner, "type": _TYPES.get(kind, kind), "authorized_by": "district"},
            "links": [
                {"rel": "self", "uri": "/me"},
                {"rel": "canonical", "uri": f"/v3.0/users/{id_}"},
                {"rel": "district", "uri": f"/v3.0/districts/{owner}"},
            ],
        }
        needed = ("type", "data", "data.id", "data.district", "data.type")
        needed = ("type", "data", "data.id", "data.district", "data.type")
        return await answered(self._rounds.faults.strike("clever", "me"), answer, needed)

    async def userinfo(self, request: Request) -> Response:
        """Tell who it is, in OpenID Connect's words; `user_id` is the legacy id, which is not the roster's."""
        somebody = self._rounds.bearer("clever", request)
        if somebody is None:
            return refused(401, {"message": "unauthorized"})
        district, kind, id_ = somebody.who.split("/", 2)
        owner = clever_id(district, "district", 1)
        answer = {
            "sub": id_,
            "user_id": legacy_id(id_),
            "multi_role_user_id": id_,
            "user_type": _TYPES.get(kind, kind),
            "district": owner,
            "district_id": owner,
            "email": "not-the-rostered-one@mail.example",
            "email_verified": False,
        }
        return await answered(
            self._rounds.faults.strike("clever", "userinfo"), answer, ("multi_role_user_id", "district", "sub")
        )


def legacy_id(id_: str) -> str:
    """Give the id that a person had before v3 of the API."""
    return f"4e{zlib.crc32(id_.encode()):08x}00000000000000"
