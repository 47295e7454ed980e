"""Asks Clever for the next page while one is worked on."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self, TypeAlias

import httpx

Params: TypeAlias = list[tuple[str, str]]


class Ahead:
    """The answers to a collection's requests, of which one may be asked for before its turn; never more than one.

    What was asked for and is not what is read next is thrown away; so is what is under way when the context ends.
    """

    def __init__(self, get: Callable[[Params], Awaitable[httpx.Response]]) -> None:
        self._get = get
        self._asked: tuple[Params, asyncio.Task[httpx.Response]] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._throw_away()

    def ask(self, params: Params) -> None:
        """Ask for this now. The one before must have been given."""
        self._asked = params, asyncio.create_task(self._answer(params))

    async def get(self, params: Params) -> httpx.Response:
        """Give the answer to this. Raises what asking for it raised."""
        if self._asked is not None and self._asked[0] == params:
            (_, answer), self._asked = self._asked, None
            try:
                return await answer
            finally:
                answer.cancel()
        await self._throw_away()
        return await self._get(params)

    async def _answer(self, params: Params) -> httpx.Response:
        return await self._get(params)

    async def _throw_away(self) -> None:
        if self._asked is not None:
            (_, answer), self._asked = self._asked, None
            answer.cancel()
            await asyncio.gather(answer, return_exceptions=True)
