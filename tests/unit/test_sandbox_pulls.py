"""Rollcall's own adapters read from the sandbox exactly what the sandbox says is true."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from deploy.sandbox import credentials, samples
from deploy.sandbox.control import SandboxControl
from deploy.sandbox.control_api import NewDistrict
from deploy.sandbox.csv_package import write_package
from deploy.sandbox.defects import CLEVER_DEFECTS
from deploy.sandbox.district import NightKind
from deploy.sandbox.nights import play
from deploy.sandbox.roster import Roster
from deploy.sandbox.running import running_sandbox
from schemas.records import Record
from services.districts import District, ProviderName
from services.ingest.defects import DefectCode
from services.ingest.providers.clever.source import CleverSource
from services.ingest.providers.hosts import HostLimits
from services.ingest.providers.http import BearerAuth, ProviderHttp
from services.ingest.providers.oneroster.classlink import ClassLinkSource
from services.ingest.providers.oneroster.csv_source import CsvSource
from services.ingest.providers.oneroster.rest import OneRosterSource
from services.ingest.source import PullReport, RosterSource
from tests.unit.record_pages import records_of

TODAY = datetime.now(UTC).date()
SCRIPT: tuple[NightKind, ...] = ("first", "ordinary", "mass", "rollover", "renumbered", "emptied-school", "ordinary")
Open = Callable[[District, ProviderHttp], RosterSource]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxControl]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as control:
        yield control


async def drain(source: RosterSource) -> tuple[list[Record], Counter[DefectCode]]:
    report = PullReport()
    return [record async for page in source.read(TODAY, report) for record in records_of(page)], report.defects


async def pull(
    district: District, source: Open, auth: httpx.Auth | None = None
) -> tuple[list[Record], Counter[DefectCode]]:
    limits = {"request_seconds": 30, "retry_seconds": 30, "requests_per_pull": 1000}
    async with ProviderHttp(district.url, limits=HostLimits(4), auth=auth, **limits) as http:  # type: ignore[arg-type]
        return await drain(source(district, http))


def check_every_night(
    sandbox: SandboxControl,
    provider: ProviderName,
    name: str,
    folder: Path,
    read: Callable[[District], tuple[list[Record], Counter[DefectCode]]],
) -> Counter[DefectCode]:
    defects: Counter[DefectCode] = Counter()
    sandbox.create_district(NewDistrict(district=name, provider=provider, students=1200, script=SCRIPT))
    district = samples.register(sandbox.state(name).definition, sandbox.base_url, folder)
    for night in range(1, len(SCRIPT) + 1):
        sandbox.set_night(name, night)
        found, met = read(district)
        expected = {(type(record), record.id): record for record in sandbox.records(name, today=TODAY)}
        assert {(type(record), record.id): record for record in found} == expected, f"night {night}"
        assert len(found) == len(expected)
        defects |= met
    return defects


def test_clever_is_read_as_the_truth_has_it_night_after_night(sandbox: SandboxControl, tmp_path: Path) -> None:
    def read(district: District) -> tuple[list[Record], Counter[DefectCode]]:
        return asyncio.run(pull(district, lambda each, http: CleverSource(each, http, page_size=500)))

    assert set(CLEVER_DEFECTS) <= set(check_every_night(sandbox, "clever", "by-clever", tmp_path, read))


def test_classlink_is_read_as_the_truth_has_it_night_after_night(sandbox: SandboxControl, tmp_path: Path) -> None:
    def read(district: District) -> tuple[list[Record], Counter[DefectCode]]:
        key = credentials.CLASSLINK_PARTNER_KEY
        return asyncio.run(pull(district, lambda each, http: ClassLinkSource(each, http, key, 1000)))

    defects = check_every_night(sandbox, "classlink", "by-classlink", tmp_path, read)
    assert {"place-twice", "place-of-removed-person", "several-primary-teachers", "term-dates-reversed"} <= set(defects)


@pytest.mark.parametrize(("path", "exclusive"), [("v1p1", False), ("rostering/v1p2", True)])
def test_both_versions_of_oneroster_are_read_as_the_truth_has_them(
    sandbox: SandboxControl, tmp_path: Path, path: str, exclusive: bool
) -> None:
    name = f"by-oneroster-{exclusive}".lower()

    def open_source(district: District, http: ProviderHttp) -> RosterSource:
        root = f"{district.url}/ims/oneroster/{path}"
        return OneRosterSource(http, root, page_size=700, page_records=500, end_date_is_exclusive=exclusive)

    def read(district: District) -> tuple[list[Record], Counter[DefectCode]]:
        return asyncio.run(pull(district, open_source, BearerAuth(credentials.oneroster_bearer(name))))

    check_every_night(sandbox, "oneroster", name, tmp_path, read)


@pytest.mark.parametrize("package", ["package", "package.zip"])
def test_a_csv_package_is_read_as_the_truth_has_it(sandbox: SandboxControl, tmp_path: Path, package: str) -> None:
    def read(district: District) -> tuple[list[Record], Counter[DefectCode]]:
        state = sandbox.state("by-csv")
        target = write_package(Roster(play(state.definition, state.night)), tmp_path / package)
        return asyncio.run(drain(CsvSource(district.model_copy(update={"url": str(target)}), 1000)))

    defects = check_every_night(sandbox, "oneroster-csv", "by-csv", tmp_path / "credentials", read)
    assert {"id-twice", "null-written-out"} <= set(defects)
