"""Times one district's nights alone, and beside a district that is held, broken or enormous, in one run.

The other district's messages share every partition with its own, which is the worst place to be. A night is timed from
its request to its end in the accounts database, and ends with a check that everything there is as the generator says.
Keep the ratios: the provider, the broker and the database share this machine with all that is measured.
"""

import argparse
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.sandbox.control import SandboxControl
from deploy.sandbox.control_api import NewDistrict
from deploy.sandbox.district import NightKind
from deploy.sandbox.faults import Fault
from deploy.sandbox.samples import register
from services.database.connect import connect
from services.district_rows import put_district
from tests.bench.proof import WrongResultError
from tests.bench.stack import NIGHT_SECONDS, WORKERS, Servers, servers
from tests.guarding import partition_of
from tests.pipeline import Pipeline, pipeline
from tests.stack import migrate_without_holidays, new_database

OURS = "springfield"
ORDINARY_NIGHTS = 20

screen = Console()


class District:
    """One Clever district of the sandbox, and its nights."""

    def __init__(
        self, running: Pipeline, sandbox: SandboxControl, home: Path, name: str, students: int, *script: NightKind
    ) -> None:
        self.name = name
        self._running = running
        self._sandbox = sandbox
        made = sandbox.create_district(NewDistrict(district=name, provider="clever", students=students, script=script))
        with connect(running.database, "rollcall_operator") as connection:
            put_district(connection, register(made.definition, sandbox.base_url, home))
        sandbox.truth(name, 1)  # the provider's own work is done before the clock starts

    def prepare(self, number: int) -> None:
        """Have the sandbox play this night, its data worked out, which a real provider would have ready."""
        self._sandbox.set_night(self.name, number)
        self._sandbox.truth(self.name)

    def night(self, number: int) -> float:
        """Run the night that is prepared; give its seconds. Raises WrongResultError where it is not applied rightly."""
        begun = time.perf_counter()
        night = self._running.ended(self._running.request(self.name), seconds=NIGHT_SECONDS)
        seconds = time.perf_counter() - begun
        if night.state != "applied":
            raise WrongResultError(f"night {number} of {self.name} was {night.state}: {night.failure_text}")
        truth = self._sandbox.truth(self.name, number)
        rows = self._running.query(
            "SELECT encode(digest, 'hex'), schools, teachers, students, classes, places FROM rosters"
            " WHERE district = %s",
            self.name,
        )
        if rows != [(truth.digest, *truth.totals.values())]:
            raise WrongResultError(f"{self.name} is not as the generator says after night {number}")
        return seconds


class Neighbour:
    """The other district, which is in trouble; what it does is asked for, and not waited for."""

    def __init__(self, running: Pipeline, district: District) -> None:
        self.running = running
        self.district = district

    def asks(self, number: int) -> str:
        """Ask for this night of it; give the sync's id."""
        self.district.prepare(number)
        return self.running.request(self.district.name)

    def ends(self, sync_id: str, *expected: str) -> None:
        """Wait until its night has ended in one of the ways expected."""
        night = self.running.ended(sync_id, seconds=NIGHT_SECONDS)
        if night.state not in expected:
            raise WrongResultError(
                f"{self.district.name} was {night.state}, not {' or '.join(expected)}: {night.failure_text}"
            )


def beside(prefix: str) -> str:
    """Give a district whose messages share every partition with ours."""
    names = (f"{prefix}-{number}" for number in range(1000))
    return next(name for name in names if partition_of(name) == partition_of(OURS))


def main() -> None:
    """Run the nights and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.neighbours", description=__doc__)
    parser.add_argument("--students", type=int, default=2_000, help="students of our district (default: 2,000)")
    parser.add_argument("--enormous", type=int, default=40_000, help="students of the enormous one (default: 40,000)")
    given = parser.parse_args()
    table = Table("our night", "seconds", "× alone", title=f"{given.students:,} students beside {given.enormous:,}")
    with servers() as own, _running(own) as running:
        alone = 0.0
        for name, seconds in _nights(running, own.home, given.students, given.enormous):
            alone = alone or seconds
            screen.print(f"{name}: {seconds:.2f} s")
            table.add_row(name, f"{seconds:.2f}", f"{seconds / alone:.1f}")
    screen.print(table)


@contextmanager
def _running(own: Servers) -> Iterator[Pipeline]:
    with new_database(own.postgres.address("postgres")) as database:
        migrate_without_holidays(database)
        prefix, settings = f"bench-{uuid.uuid4().hex[:8]}.", {"ROLLCALL_RETRY_SECONDS": "60"}
        with pipeline(own.kafka.bootstrap, database, prefix, *WORKERS, settings=settings) as running:
            yield running


def _nights(running: Pipeline, home: Path, students: int, enormous: int) -> Iterator[tuple[str, float]]:
    sandbox = running.start_sandbox()
    ordinary: NightKind = "ordinary"
    ours = District(running, sandbox, home, OURS, students, "first", *(ordinary,) * ORDINARY_NIGHTS)
    small = District(running, sandbox, home, beside("small"), students, "first", "mass", "ordinary")
    large = District(running, sandbox, home, beside("large"), enormous, "first")
    ours.night(1)
    small.night(1)
    numbers = iter(range(2, 2 + ORDINARY_NIGHTS))

    def median(meanwhile: Callable[[], None] | None = None) -> float:
        taken = []
        for number in (next(numbers) for _ in range(3)):
            ours.prepare(number)
            if meanwhile is not None:
                meanwhile()
            taken.append(ours.night(number))
        return sorted(taken)[1]

    yield "alone", median()
    trouble = Neighbour(running, small)
    trouble.ends(trouble.asks(2), "held")
    yield "beside one that is held", median()
    asked: list[str] = []
    yield "while another comes to be held", median(lambda: asked.append(trouble.asks(2)))
    for sync_id in asked:
        trouble.ends(sync_id, "held", "superseded")
    with connect(running.database, "rollcall_operator") as connection:
        connection.execute("UPDATE districts SET page_size = 100 WHERE district = %s", (small.name,))
    sandbox.add_fault(small.name, Fault(kind="status", status=500, collection="users", page=3))
    broken = trouble.asks(3)
    yield "while another is broken, and tried again", median()
    trouble.ends(broken, "failed")
    giant = Neighbour(running, large)
    load = giant.asks(1)
    yield "while another is loaded for the first time", median()
    giant.ends(load, "applied")


if __name__ == "__main__":
    main()
