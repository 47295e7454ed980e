"""ClassLink's proxy: finds the district among the applications that share with us, and reads it through the proxy.

Source: developer.classlink.com, "Obtaining a list of districts and servers" (oneroster.md section 2).
"""

import re
from collections.abc import AsyncGenerator
from datetime import date

import msgspec

from services.districts import District
from services.ingest.providers.answers import UnauthorizedError, json_of
from services.ingest.providers.http import BearerAuth, ProviderHttp
from services.ingest.providers.oneroster.login import Login
from services.ingest.providers.oneroster.rest import LARGEST_PAGE, OneRosterSource
from services.ingest.providers.page_process import WorkOnPage, work_here
from services.ingest.remembered_rows import RowMemory
from services.ingest.source import PullFailedError, PullReport, RecordPage

DEFAULT_PATH = "{id}/ims/oneroster/v1p1"
APPLICATIONS_LIMIT = 1000

_PATH_ID = re.compile(r"[A-Za-z0-9._~%=+-]+")


class Application(msgspec.Struct, frozen=True):
    """One row of /applications: our application at one district (`tenant`)."""

    tenant_id: str | int | None = None
    application_id: str | int | None = None
    oneroster_application_id: str | None = None
    bearer: str | None = None
    enabled: str | bool | None = None
    tenant_status: str | None = None

    def is_named(self, tenant_id: str) -> bool:
        """Tell whether `tenant_id` is this row's tenant or application."""
        return tenant_id in {str(self.tenant_id), str(self.application_id), str(self.oneroster_application_id)}

    def is_shared(self) -> bool:
        """Tell whether the district shares with us now: switched on, and the tenant active."""
        enabled = str(self.enabled).strip().lower() == "true"
        return enabled and (self.tenant_status or "").strip().lower() == "active"


class _Applications(msgspec.Struct):
    applications: list[Application]


_applications = msgspec.json.Decoder(_Applications)


class ClassLinkSource:
    """A RosterSource over ClassLink's proxy. `http` must be open, and made for the district's url (the proxy).

    `partner_key` is our key, which lists the applications and reads those whose row has no bearer of its own. The
    district's `api_path` may say where the data are; '{id}' in it stands for the row's oneroster_application_id, which
    comes percent-escaped and is inserted as it is.
    """

    def __init__(
        self,
        district: District,
        http: ProviderHttp,
        partner_key: str,
        page_records: int,
        *,
        memory: RowMemory | None = None,
        work_on_page: WorkOnPage = work_here,
    ) -> None:
        self._district = district
        self._http = http
        self._partner_key = partner_key
        self._page_records = page_records
        self._memory = memory
        self._work_on_page = work_on_page
        self._base = district.url.rstrip("/")

    async def read(self, today: date, report: PullReport) -> AsyncGenerator[RecordPage, None]:
        """Give the district's records; the promise is `RosterSource.read`'s.

        Raises PullFailedError 'disconnected' where ClassLink's complete list of applications does not have the
        district, or not as shared, or where its bearer is refused and the list has no other one.
        """
        application = await self._find()
        bearer = application.bearer or self._partner_key
        self._http.auth = BearerAuth(bearer)
        source = OneRosterSource(
            self._http,
            self._root(application),
            page_size=self._district.page_size or LARGEST_PAGE,
            page_records=self._page_records,
            memory=self._memory,
            work_on_page=self._work_on_page,
            end_date_is_exclusive="v1p2" in self._path(),
            login=_ListedBearer(self, bearer),
        )
        try:
            async for page in source.read(today, report):
                yield page
        except UnauthorizedError as error:
            raise self._disconnected("ClassLink refuses the bearer that it lists for it") from error

    async def listed_bearer(self) -> str:
        """Read the list of applications again, and give the bearer that it now has for the district."""
        try:
            return (await self._find()).bearer or self._partner_key
        except UnauthorizedError as error:
            raise PullFailedError(error.code, error.text) from error

    def _path(self) -> str:
        path = self._district.api_path or DEFAULT_PATH
        return path if "{id}" in path else f"{{id}}/{path.lstrip('/')}"

    def _root(self, application: Application) -> str:
        path_id = application.oneroster_application_id or ""
        if not _PATH_ID.fullmatch(path_id):
            raise PullFailedError(
                "not-a-roster",
                f"ClassLink lists district {self._district.district} without a usable oneroster_application_id; ask "
                "ClassLink to complete the application",
            )
        return f"{self._base}/{self._path().replace('{id}', path_id).strip('/')}"

    async def _find(self) -> Application:
        listed, is_whole = await self._list()
        wanted = self._district.tenant_id
        found = listed if wanted is None else [application for application in listed if application.is_named(wanted)]
        if not found and not is_whole:
            raise PullFailedError(
                "incomplete",
                f"{self._base}/applications repeats its pages and has no end, so nobody can tell whether district "
                f"{self._district.district} still shares with us; sync it again later",
            )
        if not found:
            raise self._disconnected(f"it is not among the {len(listed)} applications that ClassLink lists for our key")
        if len(found) > 1:
            raise PullFailedError(
                "misconfigured",
                f"ClassLink lists {len(found)} applications that district {self._district.district} could be; name one "
                "by its application id with `rollcall district update --tenant-id`",
            )
        if not found[0].is_shared():
            raise self._disconnected("ClassLink lists its application as switched off, or its tenant as not active")
        return found[0]

    async def _list(self) -> tuple[list[Application], bool]:
        """Read /applications to an empty page, as it has no total; False where it repeats itself instead of ending."""
        listed: dict[Application, None] = {}
        offset = 0
        while page := await self._applications(offset):
            known = len(listed)
            listed.update(dict.fromkeys(page))
            if len(listed) == known:
                return list(listed), False
            offset += len(page)
        return list(listed), True

    async def _applications(self, offset: int) -> list[Application]:
        url = f"{self._base}/applications"
        params = [("limit", str(APPLICATIONS_LIMIT)), ("offset", str(offset))]
        response = await self._http.get(url, params, auth=BearerAuth(self._partner_key))
        if not response.content:
            return []
        try:
            return _applications.decode(json_of(response)).applications
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise PullFailedError(
                "not-a-roster",
                f"GET {url} did not answer with ClassLink's list of applications; check that the district's url is "
                "ClassLink's proxy (https://oneroster-proxy.classlink.io)",
            ) from error

    def _disconnected(self, why: str) -> PullFailedError:
        return PullFailedError(
            "disconnected",
            f"district {self._district.district} does not share with us through ClassLink: {why}. Its accounts stay as "
            "they are; ask the district to share again, or correct its tenant id",
        )


class _ListedBearer(Login):
    """A bearer that is replaced by hand in ClassLink's console: after a 401 the list is read again, once in a pull."""

    def __init__(self, source: ClassLinkSource, bearer: str) -> None:
        self._source = source
        self._bearer = bearer
        self._renewed = False

    async def renew(self, http: ProviderHttp) -> bool:
        """Take the bearer that is listed now; False where it is the one that was refused."""
        if self._renewed:
            return False
        self._renewed = True
        bearer = await self._source.listed_bearer()
        if bearer == self._bearer:
            return False
        http.auth = BearerAuth(bearer)
        return True
