"""Times three nights of one large district, stage by stage: CPU seconds and memory of every process.

The provider's answers are made before and served as bytes, so that only Rollcall is measured. Each night ends with a
check that the accounts database and `roster.updates` hold exactly what the generator says; a wrong result fails.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from deploy.sandbox.district import DistrictDefinition
from schemas.topics import UPDATES, Worker
from services.database.connect import connect
from services.districts import ProviderName
from services.nights import ENDED, Night, night
from tests.bench.accounts import Accounts, ActivationLag
from tests.bench.cost import Cost, costs
from tests.bench.proof import UpdatesReader, WrongResultError, prove
from tests.bench.recorded import ONEROSTER_LIMIT, recorded, truth
from tests.bench.sampling import Sampler
from tests.bench.stack import NIGHT_SECONDS, WORKERS, servers, serving
from tests.pipeline import Pipeline, pipeline, until
from tests.stack import migrate_without_holidays, new_database

DISTRICT = "springfield"
NIGHTS = (("first load", 1, "applied"), ("nothing changed", 2, "unchanged"), ("1% changed", 3, "applied"))
RECORDED = Path(tempfile.gettempdir()) / "rollcall-recorded"

screen = Console()


class Bench:
    """A running stack with one district, and its nights."""

    def __init__(
        self,
        running: Pipeline,
        folder: Path,
        address: str,
        processes: dict[str, int],
        accounts: Accounts | None = None,
    ) -> None:
        self._running = running
        self._folder = folder
        self._address = address
        self._processes = processes
        self._accounts = accounts
        self._updates = UpdatesReader(running)
        self._lag = ActivationLag(running)
        self._asking = connect(running.database, "rollcall_operator")
        self._looking = running.connect()

    def night(self, number: int, expected: str) -> dict[str, Any]:
        """Run a night and check it; give its seconds, the cost of every process, and what each did when.

        `seconds` is from the request to the last update on the topic; `activated_after`, where accounts are there, to
        the last of activation's events on its topic.
        """
        request = urllib.request.Request(f"{self._address}/night/{number}", method="PUT")
        urllib.request.urlopen(request).close()
        sampler = Sampler(self._processes)
        before, begun = costs(self._processes), time.perf_counter()
        sampler.start()
        ended_as = self._ended(self._running.request(DISTRICT))
        if ended_as.state != expected:
            raise WrongResultError(f"night {number} was {ended_as.state}, not {expected}: {ended_as.failure_text}")
        figures: dict[str, Any] = {"applied_after": time.perf_counter() - begun}
        until("the last update is on the topic", lambda: self._first_in_outbox() != UPDATES.name or None, NIGHT_SECONDS)
        figures["seconds"] = time.perf_counter() - begun
        if self._accounts is not None:
            until("everybody is matched", lambda: self._lag() == 0 or None, NIGHT_SECONDS)
            until("activation's events are on the topic", lambda: not self._first_in_outbox() or None, NIGHT_SECONDS)
            figures["activated_after"] = time.perf_counter() - begun
        after, samples = costs(self._processes), sampler.stop()
        self._check(number)
        spent: dict[str, Cost] = {name: after[name].since(cost) for name, cost in before.items()}
        figures["processes"] = {
            name: {"cpu": cost.cpu, "peak_rss": max(cost.peak_rss, *samples.resident[name])}
            for name, cost in spent.items()
        }
        return figures | {"samples": samples.as_json()}

    def _first_in_outbox(self) -> str:
        """Give the topic of what the relay publishes next, or nothing; it publishes in the order of positions."""
        row = self._looking.execute("SELECT aggregatetype FROM outbox ORDER BY position LIMIT 1").fetchone()
        return row[0] if row else ""

    def settle(self) -> None:
        """Wait until the workers have started: their imports are no part of a night."""
        seen = [(time.monotonic(), self._cpu())]

        def idle() -> bool | None:
            now, cpu = time.monotonic(), self._cpu()
            if now - seen[-1][0] < 1:
                return None
            before, seen[:] = seen[-1][1], [(now, cpu)]
            return cpu - before < 0.1 or None

        until("the workers are idle", idle, 120)

    def _cpu(self) -> float:
        return sum(cost.cpu for cost in costs({name: self._processes[name] for name in WORKERS}).values())

    @contextmanager
    def profiled(self, name: str, folder: Path | None) -> Iterator[None]:
        """Profile every worker meanwhile, where a folder is given for that."""
        spies: list[subprocess.Popen[bytes]] = []
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for worker in WORKERS:
                file = folder / f"{name.replace(' ', '-')}.{worker}.txt"
                command = [
                    str(Path(sys.executable).with_name("py-spy")),
                    "record",
                    "--nonblocking",
                    "--format",
                    "raw",
                    "--gil",
                    "-o",
                    str(file),
                    "-p",
                ]
                spies.append(subprocess.Popen([*command, str(self._processes[worker])], stderr=subprocess.DEVNULL))
        yield
        for spy in spies:
            spy.send_signal(signal.SIGINT)
            spy.wait()

    def _ended(self, sync_id: str) -> Night:
        def look() -> Night | None:
            if gone := [name for name, pid in self._processes.items() if not psutil.pid_exists(pid)]:
                raise WrongResultError(f"{', '.join(gone)} ended by itself during the night")
            found = night(self._asking, sync_id)
            return found if found is not None and found.state in {*ENDED, "held"} else None

        return until(f"night {sync_id} ends", look, NIGHT_SECONDS)

    def _check(self, number: int) -> None:
        prove(self._running, DISTRICT, self._folder, number, self._updates)
        if self._accounts is not None:
            self._accounts.check(self._looking, self._running, DISTRICT, number)

    def close(self) -> None:
        """Give up the connections."""
        for each in (self._updates, self._lag, self._asking, self._looking):
            each.close()


@contextmanager
def bench(
    folder: Path,
    workers: tuple[Worker, ...] = WORKERS,
    provider: ProviderName = "clever",
    accounts: Accounts | None = None,
) -> Iterator[Bench]:
    """Give a bench on a Kafka and a PostgreSQL of its own; with `accounts` the activation worker runs too."""
    if accounts is not None:
        workers = (*workers, "activation")
    with (
        servers() as own,
        new_database(own.postgres.address("postgres")) as database,
        serving(folder) as (address, server),
    ):
        migrate_without_holidays(database)
        if accounts is not None:
            with psycopg.connect(database, autocommit=True) as connection:
                accounts.make(connection)
        with pipeline(own.kafka.bootstrap, database, f"bench-{uuid.uuid4().hex[:8]}.", *workers) as running:
            running.add_district(
                DISTRICT,
                provider=provider,
                url=address,
                credentials_file=own.credentials(),
                page_size=ONEROSTER_LIMIT if provider == "oneroster" else None,
            )
            processes = {**running.pids(), "provider": server, **own.pids()}
            with closing(Bench(running, folder, address, processes, accounts)) as made:
                yield made


def recorded_nights(folder: Path, students: int, provider: ProviderName = "clever", nights: int = 3) -> Path:
    """Give where the nights of such a district are recorded; they are made where nobody has lately."""
    definition = DistrictDefinition(
        district=DISTRICT,
        name="Springfield",
        provider=provider,
        students=students,
        seed=17,
        anchor=datetime.now(UTC).date(),
        script=("first", "unchanged", "ordinary"),
    )
    form = "" if provider == "clever" else f"-{provider}"
    place, _ = recorded(folder, f"{students}{form}", definition, nights)
    return place


def main() -> None:
    """Run the nights, print a table, write JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.stages", description=__doc__)
    parser.add_argument("--students", type=int, default=20_000)
    parser.add_argument("--provider", choices=("clever", "oneroster"), default="clever")
    parser.add_argument("--folder", type=Path, default=RECORDED)
    parser.add_argument("--accounts", action="store_true", help="match people to accounts too (Clever's form only)")
    parser.add_argument("--nights", type=int, choices=(1, 2, 3), default=3)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--profiles", type=Path, help="a folder for each worker's profile (py-spy, collapsed stacks)")
    given = parser.parse_args()
    folder = recorded_nights(given.folder, given.students, given.provider, given.nights)
    result: dict[str, Any] = {
        "students": given.students,
        "provider": given.provider,
        "records": truth(folder, 1).totals(),
        "nights": {},
    }
    accounts = Accounts(folder) if given.accounts else None
    if accounts is not None:
        result["accounts"] = accounts.number
    with bench(folder, provider=given.provider, accounts=accounts) as running:
        running.settle()
        for name, number, expected in NIGHTS[: given.nights]:
            with running.profiled(name, given.profiles):
                result["nights"][name] = figures = running.night(number, expected)
            _print(f"{name}, {given.students:,} students: {figures['seconds']:.1f} s", figures["processes"])
    if given.json is not None:
        given.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _print(title: str, processes: dict[str, dict[str, float]]) -> None:
    table = Table("process", "CPU s", "peak MiB", title=title)
    for name, cost in processes.items():
        table.add_row(name, f"{cost['cpu']:.2f}", f"{cost['peak_rss'] / 2**20:,.0f}")
    table.add_row("all", f"{sum(cost['cpu'] for cost in processes.values()):.2f}", "")
    screen.print(table)


if __name__ == "__main__":
    main()
