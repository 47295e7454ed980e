"""Reads a district's roster from a OneRoster 1.1 or 1.2 server, collection by collection, each proved whole."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import date, timedelta
from functools import partial
from typing import NamedTuple, TypeAlias

import httpx
import structlog

from services.ingest.providers.ahead import Ahead
from services.ingest.providers.answers import PageTooHeavyError, TooManyRecordsError, UnauthorizedError, address
from services.ingest.providers.http import ProviderHttp
from services.ingest.providers.oneroster.assembler import OneRosterAssembler
from services.ingest.providers.oneroster.decode import (
    CLASSES,
    COURSES,
    ENROLLMENTS,
    ORGS,
    SESSIONS,
    USERS,
    AnyWire,
    Collection,
    DecodedPage,
    Rows,
    decode_at_once,
)
from services.ingest.providers.oneroster.login import Login
from services.ingest.providers.oneroster.paging import CollectionReading, ListShiftedError
from services.ingest.providers.page_process import WorkOnPage, work_here
from services.ingest.remembered_rows import RowMemory
from services.ingest.source import PullFailedError, PullReport, RecordPage, RosterMovedError

LARGEST_PAGE = 10_000
"""The most rows that any known provider gives at once (ClassLink)."""

READINGS = 3
"""How often a roster whose lists shift under way is read before the pull fails."""

STALE_AFTER = timedelta(days=14)
"""How old the newest change of a whole roster may be before that is reported: a blackout, or a stuck import."""

_MANY_DIGITS = 16

_Decoded: TypeAlias = DecodedPage[Rows] | None

log = structlog.get_logger()


class OneRosterSource:
    """A RosterSource over a OneRoster server. `http` must be open.

    `root` is the address above the collections (…/ims/oneroster/v1p1). `end_date_is_exclusive` is true for 1.2. No
    `href` and no `Link` is ever followed: every address is made from `root`, which comes from the settings.
    """

    def __init__(
        self,
        http: ProviderHttp,
        root: str,
        *,
        page_size: int,
        page_records: int,
        end_date_is_exclusive: bool,
        login: Login | None = None,
        memory: RowMemory | None = None,
        work_on_page: WorkOnPage = work_here,
    ) -> None:
        self._server = _Server(http, root.rstrip("/"), login or Login())
        self._page_size = page_size
        self._page_records = page_records
        self._end_date_is_exclusive = end_date_is_exclusive
        self._memory = memory
        self._work_on_page = work_on_page

    async def read(self, today: date, report: PullReport) -> AsyncGenerator[RecordPage, None]:
        """Give the district's records once every collection is whole; the promise is `RosterSource.read`'s.

        A list that shifts from page to page is read again: with pages as large as they come, so that it may fit into
        one, then with pages a little smaller, so that a record that really comes twice does not lie across two.
        """
        limit = self._page_size
        for reading in range(1, READINGS + 1):
            report.proofs.clear()
            report.defects.clear()
            if self._memory is not None:
                self._memory.begin()
            assembler = OneRosterAssembler(
                today,
                report,
                end_date_is_exclusive=self._end_date_is_exclusive,
                page_records=self._page_records,
                memory=self._memory,
            )
            try:
                await _Pull(self._server, self._work_on_page, limit, today, report).collect(assembler)
                break
            except ListShiftedError as error:
                if reading == READINGS:
                    raise PullFailedError(
                        "incomplete",
                        f"{error.text}; it was read {READINGS} times. Sync the district again later, or raise its page "
                        "size so that the list fits into one page",
                    ) from error
                log.info("list_shifted", reason=error.text, reading=reading)
                limit = LARGEST_PAGE if reading == 1 else max(1, error.rows_in_a_page * 3 // 4)
        pages = assembler.finish()
        while (page := await asyncio.to_thread(next, pages, None)) is not None:
            yield page


class _Asked(NamedTuple):
    """Which rows of a collection to ask for."""

    limit: int
    offset: int


class _Server:
    """The server that `root` is on, logged in to as the district's credentials have it."""

    def __init__(self, http: ProviderHttp, root: str, login: Login) -> None:
        self._root = root
        self._http = http
        self._login = login

    async def get(self, collection: str, *, limit: int, offset: int) -> httpx.Response:
        """Ask for some rows of a collection, in the order of their ids; after a 401 once more where that may help."""
        url = f"{self._root}/{collection}"
        params = [("limit", str(limit)), ("offset", str(offset)), ("sort", "sourcedId"), ("orderBy", "asc")]
        await self._login.prepare(self._http)
        try:
            return await self._ask(url, params, limit)
        except UnauthorizedError:
            if not await self._login.renew(self._http):
                raise
        return await self._ask(url, params, limit)

    async def _ask(self, url: str, params: list[tuple[str, str]], limit: int) -> httpx.Response:
        try:
            return await self._http.get(url, params, may_shrink=limit > 1)
        except PullFailedError as error:
            if error.code != "not-found" or ("offset", "0") not in params:
                raise
            raise PullFailedError(
                "not-found",
                f"{address(httpx.URL(url))} answered 404, so there is no OneRoster server for these credentials: check "
                "the district's url and its API path, which names the version (/ims/oneroster/v1p1, or "
                "/ims/oneroster/rostering/v1p2)",
            ) from error


class _Pull:
    """One reading of every collection. Decoding and assembling run in a thread, so that the event loop stays free."""

    def __init__(self, server: _Server, work_on_page: WorkOnPage, limit: int, today: date, report: PullReport) -> None:
        self._server = server
        self._work_on_page = work_on_page
        self._limit = limit
        self._today = today
        self._report = report
        self._revision: str | None = None
        self._obfuscated = False
        self._newest = ""

    async def collect(self, assembler: OneRosterAssembler) -> None:
        """Read all six collections into the assembler, in its order."""
        await self._read(ORGS, assembler.add_orgs)
        await self._read(SESSIONS, assembler.add_sessions)
        await self._read(COURSES, assembler.add_courses)
        await self._read(USERS, assembler.add_user_rows)
        await self._read(CLASSES, assembler.add_classes)
        await self._read(ENROLLMENTS, assembler.add_enrollment_columns)
        if self._newest and self._newest < (self._today - STALE_AFTER).isoformat():
            self._report.defects["provider-stale"] += 1

    async def _read(self, collection: Collection[AnyWire, Rows], take: Callable[[Rows], object]) -> None:
        reading = CollectionReading(collection.name, self._limit)

        async def get(asked: _Asked) -> httpx.Response:
            return await self._server.get(collection.name, limit=asked.limit, offset=asked.offset)

        async def decode(response: httpx.Response) -> DecodedPage[Rows] | None:
            return await self._work_on_page(decode_at_once, collection.pages, collection.name, response.content)

        async with Ahead(get, partial(_next_of, reading), decode) as ahead:
            while reading.end is None:
                answer = await self._page(collection, reading, ahead)
                if answer is None:
                    return
                response, decoded = answer
                self._check_headers(response)
                if response.status_code == httpx.codes.NO_CONTENT:
                    reading.accept((), _total(response))
                    continue
                where = f"GET {address(response.request.url)}"
                page = decoded
                if page is None:
                    page = await asyncio.to_thread(
                        collection.decode_one_by_one, response.content, where, self._report.defects
                    )
                collection.check(page, where)
                raw = page.raw(response.content) if page.ids else b""
                await asyncio.gather(
                    asyncio.to_thread(self._take, reading, page, _total(response), take),
                    asyncio.to_thread(reading.digest, raw),
                )
        self._report.proofs.append(reading.proof())

    def _take(
        self, reading: CollectionReading, page: DecodedPage[Rows], total: int | None, take: Callable[[Rows], object]
    ) -> None:
        reading.accept(page.ids, total)
        take(page.rows)
        self._newest = max(self._newest, page.newest)

    async def _page(
        self, collection: Collection[AnyWire, Rows], reading: CollectionReading, ahead: Ahead[_Asked, _Decoded[Rows]]
    ) -> tuple[httpx.Response, _Decoded[Rows]] | None:
        """Ask for the next page, for half of it where it is too heavy. None: this server has no such collection."""
        while True:
            try:
                return await ahead.get(_Asked(reading.limit, reading.offset))
            except (PageTooHeavyError, TooManyRecordsError):
                if not reading.ask_for_less():
                    raise
            except PullFailedError as error:
                if error.code == "not-found" and not collection.required and reading.offset == 0:
                    return None
                if reading.total_is_reached and error.code in {"not-found", "misconfigured"}:
                    return httpx.Response(httpx.codes.NO_CONTENT), None
                if error.code == "not-found" and reading.offset > 0:
                    raise reading.refused_in_the_middle() from error
                raise

    def _check_headers(self, response: httpx.Response) -> None:
        """Notice a roster that changes under way, and names that the provider masks (sections 3 and 5)."""
        revision = response.headers.get("x-perm-rev")
        if revision is not None:
            if self._revision is not None and revision != self._revision:
                raise RosterMovedError(
                    f"{address(response.request.url)}: the roster changed while it was read (x-perm-rev)"
                )
            self._revision = revision
        obfuscated = response.headers.get("x-obfuscated", "").strip()
        if obfuscated and not self._obfuscated:
            self._obfuscated = True
            self._report.defects["names-obfuscated"] += 1
            log.warning("names_obfuscated", url=address(response.request.url), x_obfuscated=obfuscated[:200])


def _next_of(reading: CollectionReading, asked: _Asked, response: httpx.Response) -> _Asked | None:
    """Guess what comes after an answer, where it is plain that there is more and where it begins.

    That is so where a total says that there is more, and this page has as many rows as the one before.
    """
    total, offset = _total(response), asked.offset + reading.last_rows
    return _Asked(asked.limit, offset) if total is not None and asked.offset < offset < total else None


def _total(response: httpx.Response) -> int | None:
    total = response.headers.get("x-total-count", "").strip()
    return int(total) if total.isascii() and total.isdigit() and len(total) < _MANY_DIGITS else None
