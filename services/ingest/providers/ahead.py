"""Asks a provider for the next pages of a list, and has them worked on, while one is taken."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, Self, TypeVar

import httpx

from services.ingest.aside import SHORT_BYTES

MOST_AHEAD = 2
"""So many pages may wait in memory: one that is being worked on, and one that is being asked for."""

Asked = TypeVar("Asked")
Worked = TypeVar("Worked")


class Ahead(Generic[Asked, Worked]):
    """The answers to a list's requests, some asked for before their turn; never more than one at a time.

    `next_of` guesses by an answer what will be asked for after it, and `work` is done on every answer. What was asked
    for and is not what is read next is thrown away; so is what is under way when the context ends.
    """

    def __init__(
        self,
        get: Callable[[Asked], Awaitable[httpx.Response]],
        next_of: Callable[[Asked, httpx.Response], Asked | None],
        work: Callable[[httpx.Response], Awaitable[Worked]],
    ) -> None:
        self._get = get
        self._next_of = next_of
        self._work = work
        self._asked: deque[tuple[Asked, asyncio.Task[tuple[httpx.Response, Worked]]]] = deque()
        self._next: Asked | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._throw_away()

    async def get(self, asked: Asked) -> tuple[httpx.Response, Worked]:
        """Give the answer to this, and what working on it gave. Raises what either raised."""
        if not self._asked or self._asked[0][0] != asked:
            await self._throw_away()
            self._ask(asked)
        _, answer = self._asked.popleft()
        self._ask_next()
        try:
            answered = await answer
        finally:
            answer.cancel()
        self._ask_next()
        return answered

    def _ask(self, asked: Asked) -> None:
        self._next = None
        self._asked.append((asked, asyncio.create_task(self._answer(asked))))

    def _ask_next(self) -> None:
        if self._next is not None and len(self._asked) < MOST_AHEAD:
            self._ask(self._next)

    async def _answer(self, asked: Asked) -> tuple[httpx.Response, Worked]:
        response = await self._get(asked)
        self._next = self._next_of(asked, response)
        if len(response.content) > SHORT_BYTES:  # else it is taken at once, and may show that the guess was wrong
            self._ask_next()
        return response, await self._work(response)

    async def _throw_away(self) -> None:
        answers = [answer for _, answer in self._asked]
        self._asked.clear()
        self._next = None
        for answer in answers:
            answer.cancel()
        await asyncio.gather(*answers, return_exceptions=True)
