"""Reads a district's roster from Clever's Data API: one token, one district, every collection once."""

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import date, datetime, timedelta
from functools import cached_property, partial
from typing import TypeAlias

import httpx

from services.districts import BearerCredentials, CleverClientCredentials, CredentialsError, District
from services.ingest.aside import aside
from services.ingest.providers.ahead import Ahead
from services.ingest.providers.answers import PageTooHeavyError, TooManyRecordsError, UnauthorizedError, json_of
from services.ingest.providers.clever.block_paging import take_blocks
from services.ingest.providers.clever.page_blocks import DigestedPage, decoder, digest_page, digest_page_and_rows
from services.ingest.providers.clever.paging import AnyRow, UnsortedListError, Walk
from services.ingest.providers.clever.roster import CleverRoster
from services.ingest.providers.clever.rows import (
    CourseRow,
    DistrictRow,
    SchoolRow,
    SectionRow,
    TermRow,
    UserRow,
)
from services.ingest.providers.clever.tokens import current_token
from services.ingest.providers.http import BearerAuth, ProviderHttp
from services.ingest.providers.page_process import WorkOnPage, work_here
from services.ingest.remembered_rows import RowMemory
from services.ingest.source import PullFailedError, PullReport, RecordPage

MAX_LIMIT = 10_000
"""The largest page Clever serves; more gives 413 (clever.md section 5)."""

SECTIONS_LIMIT = 1_000
"""Sections carry all of their members, so smaller pages are gentler (section 5)."""

STALE_AFTER = timedelta(days=7)

_Params: TypeAlias = list[tuple[str, str]]

_VERSION = re.compile(r"/v\d+\.\d+$")


class CleverSource:
    """A district on Clever, v3.0 or v3.1, as a `RosterSource`. `http` must be open, and made for the district's url.

    The order of the collections matters: whatever a record may point at is read before it.
    """

    def __init__(
        self,
        district: District,
        http: ProviderHttp,
        *,
        page_size: int = MAX_LIMIT,
        page_records: int = 1000,
        memory: RowMemory | None = None,
        work_on_page: WorkOnPage = work_here,
    ) -> None:
        self._district = district
        self._http = http
        self._page_size = min(page_size, MAX_LIMIT)
        self._page_records = page_records
        self._memory = memory
        self._work_on_page = work_on_page
        base = district.url.rstrip("/")
        path = district.api_path if district.api_path is not None else "" if _VERSION.search(base) else "/v3.0"
        self._base = f"{base}/{path.strip('/')}".rstrip("/")

    async def read(self, today: date, report: PullReport) -> AsyncGenerator[RecordPage, None]:
        """Give the district's records; the promise is `RosterSource.read`'s."""
        await self._authorize()
        await self._check_district(today, report)
        if self._memory is not None:
            self._memory.begin()
        roster = CleverRoster(today, report.defects, self._page_records, self._memory)

        def schools(walk: Walk[SchoolRow], body: bytes | None, _: DigestedPage | None) -> Sequence[RecordPage]:
            return roster.add_schools(walk.take(body))

        def terms(walk: Walk[TermRow], body: bytes | None, _: DigestedPage | None) -> Sequence[RecordPage]:
            return roster.add_terms(walk.take(body))

        def courses(walk: Walk[CourseRow], body: bytes | None, _: DigestedPage | None) -> Sequence[RecordPage]:
            return roster.add_courses(walk.take(body))

        def users(walk: Walk[UserRow], body: bytes | None, digested: DigestedPage | None) -> Sequence[RecordPage]:
            return roster.add_users(take_blocks(walk, body, digested, roster.users.around))

        def sections(walk: Walk[SectionRow], body: bytes | None, digested: DigestedPage | None) -> Sequence[RecordPage]:
            return roster.add_sections(take_blocks(walk, body, digested, roster.sections.around))

        limit = self._page_size
        for reading in (
            self._read("schools", SchoolRow, schools, report, limit=limit),
            self._read("terms", TermRow, terms, report, limit=limit),
            self._read("courses", CourseRow, courses, report, limit=limit),
            self._read("users", UserRow, users, report, limit=limit, in_blocks=True),
            self._read("sections", SectionRow, sections, report, limit=min(limit, SECTIONS_LIMIT), in_blocks=True),
        ):
            async with aclosing(reading):
                async for page in reading:
                    yield page
        roster.count_shared_emails()

    async def _authorize(self) -> None:
        credentials = self._credentials
        if isinstance(credentials, BearerCredentials):
            self._http.auth = BearerAuth(credentials.bearer.get_secret_value())
        else:
            self._http.auth = await current_token(self._http, credentials)

    @cached_property
    def _credentials(self) -> BearerCredentials | CleverClientCredentials:
        try:
            credentials = self._district.credentials()
        except CredentialsError as error:
            raise PullFailedError("misconfigured", str(error)) from error
        if isinstance(credentials, BearerCredentials | CleverClientCredentials):
            return credentials
        raise PullFailedError(
            "misconfigured",
            f'Clever is read with a bearer token, so district {self._district.district} needs {{"bearer"}}, or '
            '{"clever_client_id", "clever_client_secret", "clever_district_id"}, in its credentials file',
        )

    async def _check_district(self, today: date, report: PullReport) -> None:
        """Check that the token sees exactly one district, and ours, and note how fresh its data are."""
        rows: list[DistrictRow] = []

        def districts(walk: Walk[DistrictRow], body: bytes | None, _: DigestedPage | None) -> Sequence[RecordPage]:
            rows.extend(walk.take(body).rows)
            return ()  # a district is no record

        async for _ in self._read("districts", DistrictRow, districts, report, limit=None):
            pass
        if len(rows) != 1:
            raise PullFailedError(
                "not-a-roster",
                f"{self._base}/districts lists {len(rows)} districts; a district's token sees exactly one, so use the "
                "token of one district that shares with our application",
            )
        row = rows[0]
        credentials = self._credentials
        if isinstance(credentials, CleverClientCredentials) and row.id != credentials.clever_district_id:
            raise PullFailedError(
                "wrong-credentials",
                f"the token that Clever gave for district {credentials.clever_district_id} reads district {row.id}",
            )
        if row.state == "paused":
            report.defects["provider-paused"] += 1
        try:
            synced = datetime.fromisoformat(row.last_sync).date() if row.last_sync else None
        except ValueError:
            report.defects["date-unreadable"] += 1
        else:
            if synced is not None and today - synced > STALE_AFTER:
                report.defects["provider-stale"] += 1

    async def _read(
        self,
        collection: str,
        row_type: type[AnyRow],
        take: Callable[[Walk[AnyRow], bytes | None, DigestedPage | None], Sequence[RecordPage]],
        report: PullReport,
        *,
        limit: int | None,
        in_blocks: bool = False,
    ) -> AsyncGenerator[RecordPage, None]:
        """Walk through a collection, giving what `take` makes of each answer; its proof is in the report in the end.

        The pages after the one that is worked on are asked for meanwhile, where its ends already name the next.
        """
        url = f"{self._base}/{collection}"
        walk = Walk(url, row_type, report.defects, limit)
        asked_for_one_page = limit == MAX_LIMIT

        def next_of(_: _Params, response: httpx.Response) -> _Params | None:
            return walk.guess_next(response.content)

        digest_body = digest_page_and_rows if self._memory is None or self._memory.is_empty else digest_page

        async def digest(response: httpx.Response) -> DigestedPage | None:
            return await self._work_on_page(digest_body, decoder, collection, response.content) if in_blocks else None

        async with Ahead(partial(self._get, url), next_of, digest) as ahead:
            while walk.params is not None:
                try:
                    response, digested = await ahead.get(walk.params)
                except (TooManyRecordsError, PageTooHeavyError):
                    if not walk.lower_limit():
                        raise
                    continue
                body = None if response.status_code == 204 else json_of(response)
                try:
                    pages = await aside(len(body or b""), take, walk, body, digested)
                except UnsortedListError:
                    if asked_for_one_page:
                        raise _unsorted(url) from None
                    walk, asked_for_one_page = Walk(url, row_type, report.defects, MAX_LIMIT), True
                    continue
                for page in pages:
                    yield page
        report.proofs.append(walk.proof())

    async def _get(self, url: str, params: list[tuple[str, str]]) -> httpx.Response:
        """Ask with the district's token; where it is no longer accepted, once more with its current one."""
        try:
            return await self._http.get(url, params)
        except UnauthorizedError:
            credentials = self._credentials
            if isinstance(credentials, BearerCredentials):
                raise
        self._http.auth = await current_token(self._http, credentials)
        try:
            return await self._http.get(url, params)
        except UnauthorizedError as error:
            raise PullFailedError(
                "disconnected",
                f"Clever no longer accepts the token of district {credentials.clever_district_id}, and has no newer "
                "one: the district has disconnected from our application; ask it to reconnect",
            ) from error


def _unsorted(url: str) -> PullFailedError:
    return PullFailedError(
        "incomplete",
        f"{url} gives its rows in no order, and on more than one page of at most {MAX_LIMIT:,}, so rows may be "
        "missing; Clever lists ids in ascending order. Nothing is changed by this pull",
    )
