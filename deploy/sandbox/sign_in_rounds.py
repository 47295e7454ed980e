"""What the sandbox's sign-in servers have in common: who signs in, codes, tokens, faults, and the control of them."""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from deploy.sandbox.sign_in_faults import Server, SignInFault, SignInFaults

CODE_SECONDS: dict[Server, int] = {"clever": 60, "classlink": 300, "identity": 60}


@dataclass(frozen=True, slots=True)
class Somebody:
    """Who signs in, as the list of people has it: `who` is district/kind/id, or an email at the identity provider."""

    who: str
    options: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Code:
    """A code: for whom, sent where, until when, with what the round began with."""

    server: Server
    somebody: Somebody
    redirect_uri: str
    until: float
    began: dict[str, str]


class SignInCommand(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to do: faults to add, and whether every code that is out is over now."""

    add_faults: list[SignInFault] = []
    expire_codes: bool = False


class Rounds:
    """Every code and token that is out, of all three servers."""

    def __init__(self) -> None:
        self.faults = SignInFaults()
        self._codes: dict[str, Code] = {}
        self._tokens: dict[str, tuple[Server, Somebody]] = {}

    def routes(self) -> list[Route]:
        """Give the route of the control: GET tells how often each step was asked, POST gives a command."""
        return [Route("/sign-in-control", self._control, methods=["GET", "POST"])]

    def send_back(self, server: Server, request: Request, somebody: Somebody, *, with_state: bool = True) -> Response:
        """Send the browser back with a new code; the server knows it from now on."""
        query = request.query_params
        code = secrets.token_urlsafe(24)
        began = {name: query[name] for name in ("nonce", "code_challenge") if name in query}
        until = time.monotonic() + CODE_SECONDS[server]
        self._codes[code] = Code(server, somebody, query["redirect_uri"], until, began)
        back = {"code": code} | ({"state": query["state"]} if with_state and "state" in query else {})
        response = RedirectResponse(f"{query['redirect_uri']}?{urlencode(back)}", status_code=302)
        response.set_cookie(_cookie(server), _packed(somebody), httponly=True, samesite="lax")
        return response

    def signed_in(self, server: Server, request: Request) -> Somebody | None:
        """Give who is asked for by `as`, else who is signed in at this server already."""
        if "as" in request.query_params:
            query = request.query_params
            return Somebody(query["as"], {name: query[name] for name in ("user", "verified") if name in query})
        kept = request.cookies.get(_cookie(server))
        if kept is None:
            return None
        who, _, options_text = kept.partition("|")
        return Somebody(who, dict(part.split("=", 1) for part in options_text.split("&") if part))

    @staticmethod
    def sign_out(server: Server) -> Response:
        """Forget who is signed in at this server."""
        response = Response("You are signed out.\n", media_type="text/plain")
        response.delete_cookie(_cookie(server))
        return response

    def exchange(self, server: Server, code: str, redirect_uri: str) -> Code | None:
        """Give what a code stands for, once and in its time; None for any other."""
        found = self._codes.pop(code, None)
        fits = found is not None and found.server == server and found.redirect_uri == redirect_uri
        return found if fits and found is not None and found.until > time.monotonic() else None

    def issue(self, server: Server, somebody: Somebody, prefix: str) -> str:
        """Give a token by which the server knows somebody."""
        token = f"{prefix}{secrets.token_hex(20)}"
        self._tokens[token] = (server, somebody)
        return token

    def bearer(self, server: Server, request: Request) -> Somebody | None:
        """Give whose token the request carries."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        of, somebody = self._tokens.get(token, (None, None))
        return somebody if scheme == "Bearer" and of == server else None

    async def _control(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                command = msgspec.json.decode(await request.body(), type=SignInCommand)
            except msgspec.DecodeError as error:
                return Response(msgspec.json.encode({"error": str(error)}), 400, media_type="application/json")
            for fault in command.add_faults:
                self.faults.add(fault)
            if command.expire_codes:
                self._codes.clear()
        return Response(msgspec.json.encode({"asked": self.faults.asked}), media_type="application/json")


def refused(status: int, content: Any) -> Response:
    """Give a server's refusal."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def _cookie(server: Server) -> str:
    return f"sandbox_{server}"


def _packed(somebody: Somebody) -> str:
    return f"{somebody.who}|{'&'.join(f'{name}={value}' for name, value in somebody.options.items())}"
