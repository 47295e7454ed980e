"""Opens the source of a district: which provider's adapter, with which credentials, at which address."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from services.districts import (
    BearerCredentials,
    Credentials,
    CredentialsError,
    District,
    OAuth1Credentials,
    OAuth2Credentials,
)
from services.ingest.providers.clever.source import MAX_LIMIT, CleverSource
from services.ingest.providers.hosts import HostLimits
from services.ingest.providers.http import BearerAuth, ProviderHttp
from services.ingest.providers.oneroster.classlink import ClassLinkSource
from services.ingest.providers.oneroster.csv_source import CsvSource
from services.ingest.providers.oneroster.login import Login
from services.ingest.providers.oneroster.oauth1 import OAuth1Auth
from services.ingest.providers.oneroster.oauth2 import OAuth2Login
from services.ingest.providers.oneroster.rest import OneRosterSource
from services.ingest.providers.page_process import WorkOnPage, work_here
from services.ingest.remembered_rows import RowMemory
from services.ingest.source import PullFailedError, RosterSource
from services.settings import Settings

ONEROSTER_PATH = "ims/oneroster/v1p1"
ONEROSTER_PAGE_SIZE = 3000
"""What some OneRoster servers give at most; ClassLink gives more, and has its own (oneroster.md section 5)."""


@asynccontextmanager
async def open_source(
    district: District,
    limits: HostLimits,
    settings: Settings,
    transport: httpx.AsyncBaseTransport | None = None,
    *,
    memory: RowMemory | None = None,
    work_on_page: WorkOnPage = work_here,
) -> AsyncIterator[RosterSource]:
    """Give the district's source, with its connections open for as long as the context lasts.

    `limits` is shared by all pulls of this process. `transport` takes the place of the network where it is given;
    `memory` spares working out again what has not changed; `work_on_page` has pages worked on.
    Raises PullFailedError 'misconfigured' where the district's credentials cannot be read, or are not of a form that
    its provider knows.
    """
    if district.provider == "oneroster-csv":
        yield CsvSource(district, settings.page_records)
        return
    _check_address(district)
    async with ProviderHttp(
        district.url,
        limits=limits,
        request_seconds=settings.request_seconds,
        retry_seconds=settings.retry_seconds,
        requests_per_pull=settings.requests_per_pull,
        pull_seconds=settings.pull_seconds,
        ca_file=district.ca_file,
        transport=transport,
    ) as http:
        if district.provider == "clever":
            yield CleverSource(
                district,
                http,
                page_size=district.page_size or MAX_LIMIT,
                page_records=settings.page_records,
                memory=memory,
                work_on_page=work_on_page,
            )
        else:
            yield _oneroster(district, http, settings.page_records, memory, work_on_page)


def _check_address(district: District) -> None:
    """Refuse an address that no path can be put behind, and one that holds a password for everybody to read."""
    address = f"{district.url}/{district.api_path or ''}"
    if "?" in address or "#" in address:
        raise PullFailedError(
            "misconfigured",
            f"the url or API path of district {district.district} has a query (?) or fragment (#), behind which no "
            "path can go; leave it out with `rollcall district update`",
        )
    if "@" in district.url:
        raise PullFailedError(
            "misconfigured",
            f"the url of district {district.district} has a user or password in it; leave them out with `rollcall "
            "district update --url`, and put credentials into the credentials file",
        )


def _oneroster(
    district: District, http: ProviderHttp, page_records: int, memory: RowMemory | None, work_on_page: WorkOnPage
) -> RosterSource:
    credentials = _credentials(district)
    login = Login()
    match credentials:
        case BearerCredentials() if district.provider == "classlink":
            key = credentials.bearer.get_secret_value()
            return ClassLinkSource(district, http, key, page_records, memory=memory, work_on_page=work_on_page)
        case BearerCredentials():
            http.auth = BearerAuth(credentials.bearer.get_secret_value())
        case OAuth1Credentials():
            http.auth = OAuth1Auth(credentials)
        case OAuth2Credentials() if district.provider == "oneroster":
            login = OAuth2Login(credentials)
        case _:
            forms = '{"bearer"} (our partner key, for the proxy) or {"oauth1_key", "oauth1_secret"} (the district\'s)'
            if district.provider == "oneroster":
                forms = '{"bearer"}, {"oauth1_key", "oauth1_secret"} or {"client_id", "client_secret", "token_url"}'
            raise PullFailedError(
                "misconfigured",
                f"{district.provider} is read with {forms}; put one of these into the credentials file of district "
                f"{district.district}",
            )
    root = _root(district)
    return OneRosterSource(
        http,
        root,
        page_size=district.page_size or ONEROSTER_PAGE_SIZE,
        page_records=page_records,
        end_date_is_exclusive="/v1p2" in root,
        login=login,
        memory=memory,
        work_on_page=work_on_page,
    )


def _credentials(district: District) -> Credentials | None:
    try:
        return district.credentials()
    except CredentialsError as error:
        raise PullFailedError("misconfigured", str(error)) from error


def _root(district: District) -> str:
    """Give the address above the collections; a url that already ends in OneRoster's path needs no other."""
    base = district.url.rstrip("/")
    if district.api_path is None:
        return base if "/ims/oneroster/" in base else f"{base}/{ONEROSTER_PATH}"
    return f"{base}/{district.api_path.strip('/')}"
