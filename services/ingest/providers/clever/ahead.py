"""Asks Clever for the next pages, and digests them, while one is worked on."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Self, TypeAlias

import httpx

from services.ingest.aside import SHORT_BYTES
from services.ingest.providers.clever.page_blocks import DigestedPage

Params: TypeAlias = list[tuple[str, str]]

MOST_AHEAD = 2
"""So many pages may wait in memory: one that is being digested, and one that is being asked for."""


class Answer(NamedTuple):
    """An answer of Clever's, digested where that was wanted."""

    response: httpx.Response
    digested: DigestedPage | None


class Ahead:
    """The answers to a collection's requests, some asked for before their turn; never more than one at a time.

    `next_of` guesses by a page what will be asked for after it. What was asked for and is not what is read next is
    thrown away; so is what is under way when the context ends.
    """

    def __init__(
        self,
        get: Callable[[Params], Awaitable[httpx.Response]],
        next_of: Callable[[bytes], Params | None],
        digest: Callable[[bytes], Awaitable[DigestedPage | None]] | None = None,
    ) -> None:
        self._get = get
        self._next_of = next_of
        self._digest = digest
        self._asked: deque[tuple[Params, asyncio.Task[Answer]]] = deque()
        self._next: Params | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._throw_away()

    async def get(self, params: Params) -> Answer:
        """Give the answer to this. Raises what asking for it raised."""
        if not self._asked or self._asked[0][0] != params:
            await self._throw_away()
            self._ask(params)
        _, asked = self._asked.popleft()
        self._ask_next()
        try:
            answer = await asked
        finally:
            asked.cancel()
        self._ask_next()
        return answer

    def _ask(self, params: Params) -> None:
        self._next = None
        self._asked.append((params, asyncio.create_task(self._answer(params))))

    def _ask_next(self) -> None:
        if self._next is not None and len(self._asked) < MOST_AHEAD:
            self._ask(self._next)

    async def _answer(self, params: Params) -> Answer:
        response = await self._get(params)
        body = response.content if response.status_code == httpx.codes.OK else b""
        self._next = self._next_of(body)
        if len(body) > SHORT_BYTES:  # else it is worked on at once, and may show that the guess was wrong
            self._ask_next()
        return Answer(response, await self._digest(body) if self._digest is not None else None)

    async def _throw_away(self) -> None:
        answers = [answer for _, answer in self._asked]
        self._asked.clear()
        self._next = None
        for answer in answers:
            answer.cancel()
        await asyncio.gather(*answers, return_exceptions=True)
