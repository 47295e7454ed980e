"""Reads a district's roster from Clever's Data API: one token, one district, every collection once."""

import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import date, datetime, timedelta
from functools import cached_property, partial

import httpx

from services.districts import BearerCredentials, CleverClientCredentials, CredentialsError, District
from services.ingest.aside import aside
from services.ingest.providers.answers import PageTooHeavyError, TooManyRecordsError, UnauthorizedError, json_of
from services.ingest.providers.clever.ahead import Ahead
from services.ingest.providers.clever.paging import AnyRow, Known, Page, UnsortedListError, Walk
from services.ingest.providers.clever.remembered import RememberedUser
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
from services.ingest.remembered_rows import RowMemory
from services.ingest.source import PullFailedError, PullReport, RecordPage

MAX_LIMIT = 10_000
"""The largest page Clever serves; more gives 413 (clever.md section 5)."""

SECTIONS_LIMIT = 1_000
"""Sections carry all of their members, so smaller pages are gentler (section 5)."""

STALE_AFTER = timedelta(days=7)

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
    ) -> None:
        self._district = district
        self._http = http
        self._page_size = min(page_size, MAX_LIMIT)
        self._page_records = page_records
        self._memory = memory
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
        users: type[UserRow | RememberedUser] = UserRow

        def known_users(first: str, last: str) -> Mapping[bytes, UserRow | RememberedUser]:
            return roster.known_users.between(first, last)  # it depends on the schools

        sections = min(self._page_size, SECTIONS_LIMIT)
        for reading in (
            self._read("schools", SchoolRow, roster.add_schools, report, limit=self._page_size),
            self._read("terms", TermRow, roster.add_terms, report, limit=self._page_size),
            self._read("courses", CourseRow, roster.add_courses, report, limit=self._page_size),
            self._read("users", users, roster.add_users, report, limit=self._page_size, known=known_users),
            self._read("sections", SectionRow, roster.add_sections, report, limit=sections),
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
        async for _ in self._read("districts", DistrictRow, lambda page: rows.extend(page.rows), report, limit=None):
            pass  # a district is no record
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
        add: Callable[[Page[AnyRow]], Sequence[RecordPage] | None],
        report: PullReport,
        *,
        limit: int | None,
        known: Known[AnyRow] | None = None,
    ) -> AsyncGenerator[RecordPage, None]:
        """Walk through a collection, giving what `add` makes of its pages; its proof is in the report in the end.

        The page after the one that is worked on is asked for meanwhile, where that one's end already names it.
        """
        url = f"{self._base}/{collection}"
        walk = Walk(url, row_type, report.defects, limit, known)
        asked_for_one_page = limit == MAX_LIMIT

        def work(body: bytes | None) -> Sequence[RecordPage]:
            return add(walk.take(body)) or ()

        async with Ahead(partial(self._get, url)) as ahead:
            while walk.params is not None:
                try:
                    response = await ahead.get(walk.params)
                except (TooManyRecordsError, PageTooHeavyError):
                    if not walk.lower_limit():
                        raise
                    continue
                body = None if response.status_code == 204 else json_of(response)
                if body is not None and (params := walk.guess_next(body)) is not None:
                    ahead.ask(params)
                try:
                    pages = await aside(len(body or b""), work, body)
                except UnsortedListError:
                    if asked_for_one_page:
                        raise _unsorted(url) from None
                    walk, asked_for_one_page = Walk(url, row_type, report.defects, MAX_LIMIT, known), True
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
