"""Whole nights: from the request, through every worker, to the last update; against providers with real defects."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import get_args

import pytest

from deploy.sandbox.control import SandboxControl
from deploy.sandbox.control_api import NewDistrict
from deploy.sandbox.district import NightKind
from deploy.sandbox.faults import Fault
from deploy.sandbox.samples import register
from schemas.events import RosterSynced, RosterUpdate
from schemas.topics import DEAD_LETTERS, UPDATES, Worker
from services.database.connect import connect
from services.district_rows import put_district
from services.districts import ProviderName
from services.nights import Night
from tests.pipeline import Pipeline, pipeline, until

WORKERS: tuple[Worker, ...] = tuple(worker for worker in get_args(Worker) if worker != "scheduler")


class Nights:
    """A pipeline with sandbox districts in it."""

    def __init__(self, running: Pipeline, sandbox: SandboxControl, folder: Path) -> None:
        self.running = running
        self.sandbox = sandbox
        self._folder = folder

    def add(self, district: str, provider: ProviderName, script: tuple[NightKind, ...], students: int = 150) -> None:
        state = self.sandbox.create_district(
            NewDistrict(district=district, provider=provider, students=students, seed=5, script=script)
        )
        with connect(self.running.database, "rollcall_operator") as connection:
            put_district(connection, register(state.definition, self.sandbox.base_url, self._folder))

    def sync(self, district: str, number: int) -> Night:
        self.sandbox.set_night(district, number)
        return self.running.ended(self.running.request(district))

    def assert_applied(self, district: str, number: int) -> None:
        """The accounts database, and what the topic tells, are exactly what the generator says they must be."""
        truth = self.sandbox.truth(district, number)
        rows = self.running.query(
            "SELECT encode(digest, 'hex'), schools, teachers, students, classes, places FROM rosters"
            " WHERE district = %s",
            district,
        )
        assert rows == [(truth.digest, *(truth.totals[kind] for kind in truth.totals))]
        for kind, total in truth.totals.items():
            counted = self.running.query(f"SELECT count(*) FROM {kind} WHERE district = %s", district)
            assert (kind, counted) == (kind, [(total,)])
        self.running.published()
        updates = [e for e in self.running.events(UPDATES) if isinstance(e, RosterUpdate) and e.district == district]
        newest = {(u.kind, u.id): u for u in sorted(updates, key=lambda u: u.roster_version)}
        told = sum(int(u.digest, 16) for u in newest.values() if u.digest is not None) % (1 << 128)
        assert f"{told:032x}" == truth.digest


@pytest.fixture
def nights(kafka: str, database: str, topic_prefix: str, tmp_path: Path) -> Iterator[Nights]:
    with pipeline(kafka, database, topic_prefix, *WORKERS) as running:
        yield Nights(running, running.start_sandbox(), tmp_path)


@pytest.mark.parametrize("provider", ["clever", "classlink", "oneroster"])
def test_nights_of_a_real_district_end_exactly_as_its_provider_says(nights: Nights, provider: ProviderName) -> None:
    nights.add("springfield", provider, ("first", "ordinary", "mass", "unchanged"))
    first = nights.sync("springfield", 1)
    assert (first.state, first.roster_version) == ("applied", 1)
    nights.assert_applied("springfield", 1)

    ordinary = nights.sync("springfield", 2)
    assert ordinary.state == "applied"
    truth = nights.sandbox.truth("springfield", 2)
    assert ordinary.counts is not None
    for kind, counts in truth.counts.items():
        assert (kind, ordinary.counts[kind]) == (
            kind,
            {
                "existing": counts.existing,
                "created": counts.created,
                "updated": counts.updated,
                "removed": counts.removed,
            },
        )
    nights.assert_applied("springfield", 2)

    mass = nights.sync("springfield", 3)
    assert mass.state == "held"
    assert {reason["code"] for reason in mass.reasons} == {"too-large"}
    nights.assert_applied("springfield", 2)
    assert mass.change_set is not None
    nights.running.approve("springfield", mass.change_set)
    until(
        "the approved night is applied",
        lambda: nights.running.query("SELECT 1 FROM rosters WHERE roster_version = 3") or None,
    )
    nights.assert_applied("springfield", 3)

    unchanged = nights.sync("springfield", 4)
    assert (unchanged.state, unchanged.roster_version) == ("unchanged", 3)
    assert nights.running.messages(DEAD_LETTERS) == []
    assert first.defects


@pytest.mark.parametrize(
    ("provider", "fault", "outcome"),
    [
        ("clever", Fault(kind="status", status=500, collection="sections", page=2), "failed"),
        ("clever", Fault(kind="stuck", collection="users"), "failed"),
        ("clever", Fault(kind="empty", collection="users"), "held"),
        ("classlink", Fault(kind="truncated", collection="enrollments", page=3), "failed"),
        ("classlink", Fault(kind="total-changes", collection="users"), "failed"),
        ("classlink", Fault(kind="html", collection="classes"), "failed"),
        ("classlink", Fault(kind="empty", collection="enrollments"), "held"),
    ],
)
def test_a_pull_that_breaks_changes_nothing_and_the_next_night_heals_it(
    kafka: str, database: str, topic_prefix: str, tmp_path: Path, provider: ProviderName, fault: Fault, outcome: str
) -> None:
    short = {"ROLLCALL_RETRY_SECONDS": "3", "ROLLCALL_REQUEST_SECONDS": "10"}
    with pipeline(kafka, database, topic_prefix, *WORKERS, settings=short) as running:
        nights = Nights(running, running.start_sandbox(), tmp_path)
        nights.add("springfield", provider, ("first", "ordinary"))
        with connect(database, "rollcall_operator") as connection:
            connection.execute("UPDATE districts SET page_size = 20")
        assert nights.sync("springfield", 1).state == "applied"
        nights.sandbox.add_fault("springfield", fault)
        assert nights.sync("springfield", 2).state == outcome
        nights.assert_applied("springfield", 1)
        nights.sandbox.clear_faults("springfield")
        assert nights.sync("springfield", 2).state == "applied"
        nights.assert_applied("springfield", 2)


@pytest.mark.parametrize("victim", WORKERS)
def test_a_worker_killed_in_the_middle_of_a_night_leaves_no_trace(nights: Nights, victim: Worker) -> None:
    nights.add("springfield", "clever", ("first", "ordinary", "ordinary"), students=600)
    running = nights.running
    for number, moment in ((1, "pulling"), (2, "comparing"), (3, "requested")):
        nights.sandbox.set_night("springfield", number)
        sync_id = running.request("springfield")
        until(f"the night is {moment} or further", partial(_has_come_to, running, sync_id, moment))
        running.kill(victim)
        running.start(victim)
        assert running.ended(sync_id).state == "applied"
        nights.assert_applied("springfield", number)
    synced = [event for event in running.events(UPDATES) if isinstance(event, RosterSynced)]
    assert {event.roster_version for event in synced} == {1, 2, 3}


def _has_come_to(running: Pipeline, sync_id: str, moment: str) -> bool | None:
    order = ["requested", "pulling", "comparing", "applied"]
    rows = running.query("SELECT state FROM nights WHERE sync_id = %s", sync_id)
    return True if rows and order.index(rows[0][0]) >= order.index(moment) else None


def test_a_district_whose_provider_hangs_does_not_delay_another(nights: Nights) -> None:
    nights.add("riverside", "classlink", ("first",))
    nights.add("springfield", "clever", ("first",))
    nights.sandbox.add_fault("riverside", Fault(kind="hang", seconds=120))
    stuck = nights.running.request("riverside")
    assert nights.sync("springfield", 1).state == "applied"
    assert nights.running.query("SELECT state FROM nights WHERE sync_id = %s", stuck) == [("pulling",)]
