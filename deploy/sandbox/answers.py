"""Turns a page that was asked for, and the faults that strike it, into what goes over the wire."""

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from deploy.sandbox.collection import Collection, Rows
from deploy.sandbox.faults import Fault, FaultKind
from deploy.sandbox.registry import SandboxEntry

Struck = Mapping[FaultKind, Fault]

HTML = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Error</title>
</head>
<body>
<pre>%s</pre>
</body>
</html>
"""


class RefusedError(Exception):
    """A request that gets another answer than a page of rows."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Asked:
    """A page that was asked for: at most `limit` rows of a collection from the position `start` on."""

    collection: Collection
    start: int
    limit: int
    descending: bool = False

    @property
    def page(self) -> int:
        """Give which page this is, from 1."""
        return self.start // self.limit + 1


@dataclass(frozen=True, slots=True)
class Page:
    """Rows cut out of a collection, as one JSON array. `rows` of them from `start` on; `total` as the provider says."""

    body: bytes
    start: int
    rows: int
    total: int

    @property
    def ends_at(self) -> int:
        """Give the position after the last row."""
        return self.start + self.rows


def cut(entry: SandboxEntry, asked: Asked, struck: Struck) -> Page:
    """Cut a page, in the way that the faults want it."""
    collection, start, limit = asked.collection, asked.start, asked.limit
    size = len(collection)
    if clamped := struck.get("clamped"):
        limit = min(limit, clamped.limit)
    if "empty" in struck:
        return Page(b"[]", start, 0, 0)
    total = size
    if moved := struck.get("moved"):
        start = max(0, start + moved.rows)
        total -= moved.rows
    if "endless" in struck and size:
        start %= size
    stop = min(size, start + limit)
    start = min(start, stop)
    order = size - 1 - np.arange(start, stop) if asked.descending else _order(entry, size, start, stop, struck)
    if order is None:
        body = entry.page(collection, start, stop, lambda: msgspec.json.encode(collection.make(np.arange(start, stop))))
    else:
        body = msgspec.json.encode(collection.make(order))
    return Page(body, start, stop - start, total)


def _order(entry: SandboxEntry, size: int, start: int, stop: int, struck: Struck) -> Rows | None:
    if "shuffled" in struck:
        seed = entry.requests.total()
    elif "unsorted" in struck:
        seed = entry.definition.seed
    else:
        return None
    return np.random.default_rng(seed).permutation(size)[start:stop]


def dress(struck: Struck, body: bytes, headers: Mapping[str, str]) -> Response:
    """Give the answer, good or as bad as the faults on the way to the client make it."""
    if "html" in struck:
        return Response(HTML % "Please sign in", 200, dict(headers), "text/html; charset=utf-8")
    if "empty-body" in struck:
        return Response(b"", 200, dict(headers), "application/json; charset=utf-8")
    answer = Response(body, 200, dict(headers), "application/json; charset=utf-8")
    late = struck.get("hang") or struck.get("slow")
    drip = struck.get("drip")
    if "hang" in struck:
        answer = Response(b"", 503)
    if not (late or drip or "truncated" in struck):
        return answer
    return _Faulty(
        answer,
        wait=late.seconds if late else 0,
        drip=drip.seconds if drip else 0,
        share=0.5 if "truncated" in struck else 1,
    )


def reset_headers(fault: Fault) -> dict[str, str]:
    """Give what a 429 says about when to come again, in both providers' words."""
    return {
        "X-RateLimit-Reset": str(math.ceil(time.time() + fault.seconds)),
        "X-RateLimit-Remaining": "0",
        "Retry-After": str(math.ceil(fault.seconds)),
    }


class _Faulty(Response):
    """An answer sent late, in drops, or broken off. A broken-off one ends with the connection."""

    def __init__(self, answer: Response, *, wait: float, drip: float, share: float) -> None:
        super().__init__(answer.body, answer.status_code, media_type=answer.media_type)
        self.raw_headers = answer.raw_headers
        self._wait = wait
        self._drip = drip
        self._share = share

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _client_gone_within(receive, self._wait)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = bytes(self.body)
        pieces = 10 if self._drip else 1
        size = math.ceil(len(body) * self._share / pieces)
        for piece in range(pieces):
            await _client_gone_within(receive, self._drip / pieces)
            await send(
                {"type": "http.response.body", "body": body[piece * size : (piece + 1) * size], "more_body": True}
            )
        if self._share == 1:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _client_gone_within(receive: Receive, seconds: float) -> None:
    """Wait so long, or until the client hangs up."""
    if not seconds:
        return
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return
