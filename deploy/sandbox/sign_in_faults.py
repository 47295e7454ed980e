"""Misbehaviour of the sandbox's sign-in servers on demand: which step's answer goes wrong, and how."""

import asyncio
import copy
import random
from typing import Any, Literal, TypeAlias

import msgspec
from starlette.responses import Response

Server: TypeAlias = Literal["clever", "classlink", "identity"]
Step: TypeAlias = Literal["token", "me", "userinfo", "info", "discovery", "jwks"]


class SignInFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One misbehaviour of `server` at `step`, `times` times.

    `status` and `body` answer instead; `malformed` is a seed by which a right answer is spoilt; `seconds` is how late
    the answer comes; `changes` are put into a right answer (into the id token's claims, at the identity provider's
    token step), and `alg` signs that as 'none', 'HS256' with the client's secret, or 'stranger', by another's key.
    """

    server: Server
    step: Step
    times: int = 1
    status: int | None = None
    body: str | None = None
    malformed: int | None = None
    seconds: float = 0
    changes: dict[str, Any] = {}
    alg: Literal["none", "HS256", "stranger"] | None = None


class SignInFaults:
    """The faults that are still to strike, and how often each step was asked."""

    def __init__(self) -> None:
        self._left: list[tuple[SignInFault, int]] = []
        self.asked: dict[str, int] = {}

    def add(self, fault: SignInFault) -> None:
        """Add a fault."""
        self._left.append((fault, fault.times))

    def strike(self, server: Server, step: Step) -> SignInFault:
        """Count a request, and give the fault that strikes it: one that changes nothing where none does."""
        self.asked[f"{server} {step}"] = self.asked.get(f"{server} {step}", 0) + 1
        for place, (fault, times) in enumerate(self._left):
            if (fault.server, fault.step) == (server, step):
                self._left[place : place + 1] = [(fault, times - 1)] if times > 1 else []
                return fault
        return SignInFault(server=server, step=step)


async def answered(fault: SignInFault, answer: dict[str, Any], needed: tuple[str, ...]) -> Response:
    """Give the answer, spoilt as the fault wants it. `needed` are the fields without which it is worth nothing."""
    if fault.seconds:
        await asyncio.sleep(fault.seconds)
    if fault.malformed is not None:
        return spoilt(fault.malformed, answer, needed)
    if fault.status is not None or fault.body is not None:
        return Response(fault.body or "", fault.status or 200, media_type="application/json")
    changed = answer | fault.changes
    return Response(msgspec.json.encode(changed), 200, {"Cache-Control": "no-store"}, "application/json")


_WHOLE: tuple[tuple[int, bytes], ...] = (
    (200, b""),
    (200, b"null"),
    (200, b"[]"),
    (200, b"{}"),
    (200, b'"ok"'),
    (200, b"NaN"),
    (200, b"<!DOCTYPE html><title>Please sign in</title>"),
    (200, b"[" * 5000),
    (200, b'{"a":' * 5000),
    (200, b"\xff\xfe\x00"),
    (200, b'{"data": {"id": "\\ud800"}}'),
    (200, b" " * 400_000),
    (204, b""),
    (301, b""),
    (400, b'{"error": "invalid_request"}'),
    (404, b"not found"),
    (418, b""),
    (429, b""),
    (500, b"oops"),
    (503, b"{}"),
)
_WORDS: tuple[Any, ...] = (None, "", [], {}, True, 1.5, ["x"], {"id": "x"}, "a\x00b", "a\nb", "x" * 20_000, "\x7f")


def spoilt(seed: int, answer: dict[str, Any], needed: tuple[str, ...]) -> Response:
    """Give an answer that nobody may take for a right one, another for each seed."""
    chance = random.Random(seed)  # noqa: S311 - the same for a seed, and no secret
    if chance.random() < 0.35:
        status, body = chance.choice(_WHOLE)
        return Response(body, status, media_type="application/json")
    if chance.random() < 0.2:
        body = msgspec.json.encode(answer)
        return Response(body[: chance.randrange(1, len(body) - 1)], 200, media_type="application/json")
    made = copy.deepcopy(answer)
    path = chance.choice(needed).split(".")
    parent = made
    for name in path[:-1]:
        parent = parent[name]
    if chance.random() < 0.2:
        del parent[path[-1]]
    else:
        parent[path[-1]] = chance.choice(_WORDS)
    return Response(msgspec.json.encode(made), 200, media_type="application/json")
