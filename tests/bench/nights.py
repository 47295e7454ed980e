"""Times whole nights of one district from each provider, with the peak memory of each worker: `make bench`.

Each night ends with a check that the accounts database holds exactly what the generator says; a wrong result fails,
a slow one never does. Figures are of this machine at this moment: keep the ratios.
"""

import argparse
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.table import Table

from deploy.sandbox.control import SandboxControl
from deploy.sandbox.control_api import NewDistrict
from deploy.sandbox.district import NightKind
from deploy.sandbox.faults import Fault
from deploy.sandbox.samples import register
from schemas.topics import Worker
from services.database.connect import connect
from services.database.migrate import migrate
from services.district_rows import put_district
from services.districts import ProviderName
from tests.pipeline import Pipeline, pipeline, until
from tests.stack import kafka_for_tests, new_database, postgres_for_tests

WORKERS: tuple[Worker, ...] = tuple(worker for worker in get_args(Worker) if worker != "scheduler")
PROVIDERS: tuple[ProviderName, ...] = ("clever", "classlink")

screen = Console()


class WrongResultError(Exception):
    """A night did not end as the generator says it must."""


class District:
    """One district of the benchmark, and its nights."""

    def __init__(
        self,
        running: Pipeline,
        sandbox: SandboxControl,
        provider: ProviderName,
        students: int,
        *,
        name: str | None = None,
        script: tuple[NightKind, ...] = ("first", "unchanged", "ordinary", "mass", "ordinary"),
    ) -> None:
        self._running = running
        self._sandbox = sandbox
        self.name = name or f"{provider}-district"
        state = sandbox.create_district(
            NewDistrict(
                district=self.name,
                provider=provider,
                students=students,
                script=script,
            )
        )
        with connect(running.database, "rollcall_operator") as connection:
            folder = Path(tempfile.mkdtemp(prefix="rollcall-bench-"))
            put_district(connection, register(state.definition, sandbox.base_url, folder))
        sandbox.truth(self.name, 1)  # the provider's own work is done before the clock starts

    def night(self, number: int, expected: str) -> float:
        """Run a night; give the seconds from its request to its last update on the topic."""
        self.prepare(number)
        begun = time.perf_counter()
        night = self._running.ended(self._running.request(self.name), seconds=900)
        if night.state != expected:
            raise WrongResultError(
                f"night {number} of {self.name} was {night.state}, not {expected}: {night.failure_text}"
            )
        self._running.published(seconds=900)
        return time.perf_counter() - begun

    def approved(self, number: int) -> float:
        """Approve what is held; give the seconds from the decision to the last update."""
        rows = self._running.query("SELECT change_set FROM holds WHERE district = %s AND state = 'held'", self.name)
        begun = time.perf_counter()
        self._running.approve(self.name, rows[0][0])
        until("the approved night is applied", lambda: self._is_at(number) or None, seconds=900)
        self._running.published(seconds=900)
        return time.perf_counter() - begun

    def broken(self, number: int) -> float:
        """Run a night whose pull breaks at page 3; give its seconds."""
        with connect(self._running.database, "rollcall_operator") as connection:
            connection.execute("UPDATE districts SET page_size = 1000 WHERE district = %s", (self.name,))
        self._sandbox.add_fault(self.name, Fault(kind="status", status=500, collection="users", page=3))
        seconds = self.night(number, "failed")
        self._sandbox.clear_faults(self.name)
        return seconds

    def check(self, number: int) -> None:
        """Raise WrongResultError unless the accounts database is as the generator says."""
        if not self._is_at(number):
            raise WrongResultError(f"{self.name} is not as the generator says after night {number}")

    def _is_at(self, number: int) -> bool:
        truth = self._sandbox.truth(self.name, number)
        rows = self._running.query(
            "SELECT encode(digest, 'hex'), schools, teachers, students, classes, places FROM rosters"
            " WHERE district = %s",
            self.name,
        )
        return rows == [(truth.digest, *truth.totals.values())]

    def prepare(self, number: int) -> None:
        """Have the sandbox play this night, its data worked out, which a real provider would have ready."""
        self._sandbox.set_night(self.name, number)
        self._sandbox.truth(self.name)


@contextmanager
def stack() -> Iterator[tuple[str, str]]:
    with kafka_for_tests() as kafka, postgres_for_tests() as postgres, new_database(postgres) as database:
        migrate(database)
        with connect(database, "rollcall_operator") as connection:
            connection.execute("UPDATE office_calendar SET observed = false")
        yield kafka, database


def main() -> None:
    """Run the nights of both providers and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.nights", description=__doc__)
    parser.add_argument("--students", type=int, default=20_000, help="students of each district (default: 20,000)")
    parser.add_argument("--provider", choices=PROVIDERS, action="append", help="one provider only; may be repeated")
    given = parser.parse_args()
    table = Table("night", *(given.provider or PROVIDERS), title=f"{given.students:,} students: seconds")
    memory = Table("worker", "peak memory", title="over all nights")
    rows: dict[str, list[str]] = {}
    settings = {"ROLLCALL_RETRY_SECONDS": "2"}
    prefix = f"bench-{uuid.uuid4().hex[:8]}."
    with stack() as (kafka, database), pipeline(kafka, database, prefix, *WORKERS, settings=settings) as running:
        sandbox = running.start_sandbox()
        for provider in given.provider or PROVIDERS:
            district = District(running, sandbox, provider, given.students)
            for name, seconds in _nights(district):
                rows.setdefault(name, []).append(f"{seconds:.1f}")
                screen.print(f"{provider}: {name}: {seconds:.1f} s")
        for worker, peak in running.peak_memory().items():
            memory.add_row(worker, f"{peak / 2**20:,.0f} MiB")
    for name, cells in rows.items():
        table.add_row(name, *cells)
    screen.print(table)
    screen.print(memory)


def _nights(district: District) -> Iterator[tuple[str, float]]:
    yield "first load", district.night(1, "applied")
    district.check(1)
    yield "nothing changed", district.night(2, "unchanged")
    district.check(2)
    yield "1% changed", district.night(3, "applied")
    district.check(3)
    yield "60% changed, held", district.night(4, "held")
    district.check(3)
    yield "the same, approved", district.approved(4)
    district.check(4)
    yield "broken at page 3", district.broken(5)
    district.check(4)


if __name__ == "__main__":
    main()
