"""An OpenID Connect identity provider, by which people log in to accounts that they have (OpenID Connect Core 1.0)."""

import base64
import hashlib
import time
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.sandbox import credentials
from deploy.sandbox.registry import Registry
from deploy.sandbox.sign_in_faults import SignInFault, answered
from deploy.sandbox.sign_in_people import Choice, choose
from deploy.sandbox.sign_in_rounds import Code, Rounds, Somebody, refused

_TOKEN_SECONDS = 600


def routes(registry: Registry, rounds: Rounds) -> list[Route]:
    """Give the routes below /identity, which is the issuer."""
    server = _IdentityProvider(registry, rounds)
    return [
        Route("/identity/.well-known/openid-configuration", server.discovery),
        Route("/identity/authorize", server.authorize),
        Route("/identity/token", server.token, methods=["POST"]),
        Route("/identity/jwks", server.jwks),
        Route("/identity/logout", server.logout),
    ]


class _IdentityProvider:
    def __init__(self, registry: Registry, rounds: Rounds) -> None:
        self._registry = registry
        self._rounds = rounds
        self._keys: dict[str, RSAKey] = {}

    def _key(self, name: str) -> RSAKey:
        """Give a key, made when first asked for: the provider's own, or a stranger's under the same id."""
        if name not in self._keys:
            self._keys[name] = RSAKey.generate_key(2048, {"kid": "sandbox-1", "use": "sig", "alg": "RS256"})
        return self._keys[name]

    async def discovery(self, request: Request) -> Response:
        """Tell where everything is."""
        issuer = _issuer(request)
        answer = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }
        needed = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
        return await answered(self._rounds.faults.strike("identity", "discovery"), answer, needed)

    async def authorize(self, request: Request) -> Response:
        """Ask who it is, and send them back. `as` is an email; `verified=false` gives it without a word for it."""
        query = request.query_params
        if query.get("client_id") != credentials.IDENTITY_CLIENT_ID or "redirect_uri" not in query:
            return refused(400, {"error": "invalid_client"})
        somebody = self._rounds.signed_in("identity", request)
        if somebody is None or ("as" not in query and query.get("prompt") == "select_account"):
            domains = [entry.definition.district for entry in self._registry]
            people = [Choice(f"home@{domain}.example", f"home@{domain}.example", "") for domain in domains]
            return choose(request, "Sandbox Identity", [("People", people)])
        return self._rounds.send_back("identity", request, somebody)

    async def token(self, request: Request) -> Response:
        """Exchange a code for an id token; the proof key must fit."""
        fault = self._rounds.faults.strike("identity", "token")
        known = f"{credentials.IDENTITY_CLIENT_ID}:{credentials.IDENTITY_CLIENT_SECRET}"
        if request.headers.get("authorization") != f"Basic {base64.b64encode(known.encode()).decode()}":
            return refused(401, {"error": "invalid_client"})
        given = dict(parse_qsl((await request.body()).decode("ascii", errors="replace")))
        code = self._rounds.exchange("identity", given.get("code", ""), given.get("redirect_uri", ""))
        if code is None or not _proven(code, given.get("code_verifier", "")):
            return refused(400, {"error": "invalid_grant"})
        id_token = self._id_token(request, code, fault)
        answer = {"access_token": "not-needed", "token_type": "Bearer", "id_token": id_token}
        return await answered(msgspec.structs.replace(fault, changes={}), answer, ("id_token",))

    async def jwks(self, _request: Request) -> Response:
        """Give the keys."""
        key: Any = self._key("own").as_dict(private=False)
        return await answered(self._rounds.faults.strike("identity", "jwks"), {"keys": [key]}, ("keys",))

    async def logout(self, _request: Request) -> Response:
        """Sign out."""
        return self._rounds.sign_out("identity")

    def _id_token(self, request: Request, code: Code, fault: SignInFault) -> str:
        now = int(time.time())
        claims = {
            "iss": _issuer(request),
            "sub": subject(code.somebody),
            "aud": credentials.IDENTITY_CLIENT_ID,
            "iat": now,
            "exp": now + _TOKEN_SECONDS,
            "nonce": code.began.get("nonce"),
            "email": code.somebody.who,
            "email_verified": code.somebody.options.get("verified") != "false",
        } | fault.changes
        match fault.alg:
            case "none":
                return jwt.encode({"alg": "none"}, claims, OctKey.generate_key(), algorithms=["none"])
            case "HS256":
                key = OctKey.import_key(credentials.IDENTITY_CLIENT_SECRET)
                return jwt.encode({"alg": "HS256", "kid": "sandbox-1"}, claims, key)
            case _:
                signer = self._key("stranger" if fault.alg == "stranger" else "own")
                return jwt.encode({"alg": "RS256", "kid": "sandbox-1"}, claims, signer)


def subject(somebody: Somebody) -> str:
    """Give the identity provider's own id of somebody."""
    return hashlib.sha256(somebody.who.encode()).hexdigest()[:20]


def _proven(code: Code, verifier: str) -> bool:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return code.began.get("code_challenge", challenge) == challenge


def _issuer(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers['host']}/identity"
