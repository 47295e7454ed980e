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
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psutil
from kafka import KafkaConsumer, TopicPartition
from rich.console import Console
from rich.table import Table

from deploy.local import ports
from deploy.local.kafka import Kafka
from deploy.local.postgres import Postgres
from deploy.sandbox.district import DistrictDefinition
from schemas.records import RECORD_KINDS, Kind, digest_of, encode_record
from schemas.topics import UPDATES, Worker
from services.database.connect import connect
from services.database.migrate import migrate
from services.diff.applied import AppliedRoster
from services.districts import ProviderName
from services.nights import ENDED, Night, night
from tests.bench.cost import Cost, costs
from tests.bench.recorded import ONEROSTER_LIMIT, record, truth
from tests.pipeline import Pipeline, pipeline, until
from tests.stack import new_database

DISTRICT = "springfield"
WORKERS: tuple[Worker, ...] = ("ingest", "diff", "guard", "apply", "relay")
NIGHTS = (("first load", 1, "applied"), ("nothing changed", 2, "unchanged"), ("1% changed", 3, "applied"))
NIGHT_SECONDS = 3600.0

screen = Console()


class WrongResultError(Exception):
    """A night did not end as the generator says it must."""


class _Update(msgspec.Struct):
    kind: str
    id: str
    digest: str | None = None


class UpdatesReader:
    """The state that a subscriber of `roster.updates` has: digests by "kind/id"."""

    def __init__(self, running: Pipeline) -> None:
        name = running.prefix + UPDATES.name
        self._consumer = KafkaConsumer(bootstrap_servers=running.kafka, enable_auto_commit=False)
        self._partitions = [TopicPartition(name, number) for number in range(UPDATES.partitions)]
        self._consumer.assign(self._partitions)
        self._consumer.seek_to_beginning(*self._partitions)
        self._decode = msgspec.json.Decoder(_Update).decode
        self.state: dict[str, bytes] = {}

    def read_on(self) -> None:
        """Read to the end of the topic as it is now."""
        ends = self._consumer.end_offsets(self._partitions)
        while any(self._consumer.position(partition) < ends[partition] for partition in self._partitions):
            for messages in self._consumer.poll(timeout_ms=1000, max_records=5000).values():
                for message in messages:
                    if message.key == DISTRICT.encode():
                        continue  # RosterSynced
                    update = self._decode(message.value)
                    key = f"{update.kind}/{update.id}"
                    if update.digest is None:
                        self.state.pop(key, None)
                    else:
                        self.state[key] = bytes.fromhex(update.digest)

    def close(self) -> None:
        """Give up the connection."""
        self._consumer.close()


class Bench:
    """A running stack with one district, and its nights."""

    def __init__(self, running: Pipeline, folder: Path, address: str, processes: dict[str, int]) -> None:
        self._running = running
        self._folder = folder
        self._address = address
        self._processes = processes
        self._updates = UpdatesReader(running)

    def night(self, number: int, expected: str) -> dict[str, Any]:
        """Run a night and check it; give its seconds and the cost of every process."""
        request = urllib.request.Request(f"{self._address}/night/{number}", method="PUT")
        urllib.request.urlopen(request).close()
        before, begun = costs(self._processes), time.perf_counter()
        ended_as = self._ended(self._running.request(DISTRICT))
        if ended_as.state != expected:
            raise WrongResultError(f"night {number} was {ended_as.state}, not {expected}: {ended_as.failure_text}")
        ended = time.perf_counter()
        self._running.published(seconds=NIGHT_SECONDS)
        seconds = time.perf_counter() - begun
        after = costs(self._processes)
        spent: dict[str, Cost] = {name: after[name].since(cost) for name, cost in before.items()}
        self._check(number)
        return {
            "seconds": seconds,
            "applied_after": ended - begun,
            "processes": {name: {"cpu": cost.cpu, "peak_rss": cost.peak_rss} for name, cost in spent.items()},
        }

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
            with connect(self._running.database, "rollcall_operator") as connection:
                found = night(connection, sync_id)
            return found if found is not None and found.state in {*ENDED, "held"} else None

        return until(f"night {sync_id} ends", look, NIGHT_SECONDS)

    def _check(self, number: int) -> None:
        expected = truth(self._folder, number)
        after = f"after night {number}"
        self._updates.read_on()
        if self._updates.state != expected.digests:
            raise WrongResultError(f"roster.updates is not as the generator says {after}")
        found: dict[str, bytes] = {}
        with (
            connect(self._running.database, "rollcall_diff") as connection,
            AppliedRoster(connection, DISTRICT) as applied,
        ):
            totals: Mapping[Kind, int] = applied.totals().totals
            if totals != expected.totals():
                raise WrongResultError(f"the district has {totals}, not {expected.totals()}, {after}")
            for kind in RECORD_KINDS:
                ids = list(applied.digests(kind))
                for start in range(0, len(ids), 20_000):
                    for id_, stands in applied.records(kind, ids[start : start + 20_000]).items():
                        found[f"{kind}/{id_}"] = bytes.fromhex(digest_of(encode_record(stands)))
        if found != expected.digests:
            raise WrongResultError(f"the accounts database is not as the generator says {after}")

    def close(self) -> None:
        """Give up the connections."""
        self._updates.close()


@contextmanager
def _serving(folder: Path) -> Iterator[tuple[str, int]]:
    command = [sys.executable, "-m", "tests.bench.recorded", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}", server.pid
        finally:
            server.kill()


@contextmanager
def bench(folder: Path, workers: tuple[Worker, ...] = WORKERS, provider: ProviderName = "clever") -> Iterator[Bench]:
    """Give a bench on a Kafka and a PostgreSQL of its own."""
    with tempfile.TemporaryDirectory(prefix="rollcall-bench-", ignore_cleanup_errors=True) as home:
        kafka = Kafka(Path(home) / "kafka", ports.any_free())
        postgres = Postgres(Path(home) / "postgres", ports.any_free())
        kafka.start()
        postgres.start()
        try:
            with new_database(postgres.address("postgres")) as database, _serving(folder) as (address, server):
                migrate(database)
                with pipeline(kafka.bootstrap, database, f"bench-{uuid.uuid4().hex[:8]}.", *workers) as running:
                    credentials = Path(home) / "credentials.json"
                    credentials.write_text('{"bearer": "recorded"}', encoding="utf-8")
                    running.add_district(
                        DISTRICT,
                        provider=provider,
                        url=address,
                        credentials_file=str(credentials),
                        page_size=ONEROSTER_LIMIT if provider == "oneroster" else None,
                    )
                    processes = {**running.pids(), "provider": server}
                    processes |= {"postgres": postgres.process.pid or 0, "kafka": kafka.process.pid or 0}
                    with closing(Bench(running, folder, address, processes)) as made:
                        yield made
        finally:
            postgres.stop()
            kafka.stop()


def main() -> None:
    """Run the nights, print a table, write JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.stages", description=__doc__)
    parser.add_argument("--students", type=int, default=20_000)
    parser.add_argument("--provider", choices=("clever", "oneroster"), default="clever")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "rollcall-recorded")
    parser.add_argument("--nights", type=int, choices=(1, 2, 3), default=3)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--profiles", type=Path, help="a folder for each worker's profile (py-spy, collapsed stacks)")
    given = parser.parse_args()
    today = datetime.now(UTC).date()
    form = "" if given.provider == "clever" else f"-{given.provider}"
    folder = given.folder / f"{given.students}{form}-{today}"
    definition = DistrictDefinition(
        district=DISTRICT,
        name="Springfield",
        provider=given.provider,
        students=given.students,
        seed=17,
        anchor=today,
        script=("first", "unchanged", "ordinary"),
    )
    record(folder, definition, given.nights)
    result: dict[str, Any] = {
        "students": given.students,
        "provider": given.provider,
        "records": truth(folder, 1).totals(),
        "nights": {},
    }
    with bench(folder, provider=given.provider) as running:
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
