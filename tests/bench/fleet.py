"""A running stack with many small districts, whose nights all begin at the same moment; each is checked."""

import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psutil
from kafka import KafkaConsumer, TopicPartition

from deploy.local import ports
from deploy.local.kafka import Kafka
from deploy.local.postgres import Postgres
from schemas.events import SyncRequested
from schemas.records import RECORD_KINDS, digest_of, encode_record
from schemas.topics import UPDATES, Worker
from services.database.connect import connect
from services.database.migrate import migrate
from services.diff.applied import AppliedRoster
from services.nights import ENDED, request_sync
from tests.bench.cost import costs
from tests.bench.recorded_districts import Truths, district_name
from tests.pipeline import Pipeline, pipeline, until
from tests.stack import new_database

WORKERS: tuple[Worker, ...] = ("ingest", "diff", "guard", "apply", "relay")
NIGHT_SECONDS = 3600.0


class WrongResultError(Exception):
    """A night did not end as the generator says it must."""


class _Update(msgspec.Struct):
    district: str
    kind: str | None = None
    id: str | None = None
    digest: str | None = None
    roster_version: int = 0
    position: int = 0


class _Updates:
    """The state of a subscriber of `roster.updates`, and how often each update came."""

    def __init__(self, running: Pipeline) -> None:
        name = running.prefix + UPDATES.name
        self._consumer = KafkaConsumer(bootstrap_servers=running.kafka, enable_auto_commit=False)
        self._partitions = [TopicPartition(name, number) for number in range(UPDATES.partitions)]
        self._consumer.assign(self._partitions)
        self._consumer.seek_to_beginning(*self._partitions)
        self._decode = msgspec.json.Decoder(_Update).decode
        self.state: dict[str, bytes] = {}
        self.positions: set[tuple[str, int, int]] = set()

    def read_on(self) -> int:
        """Read to the end of the topic as it is now; give how many updates were there."""
        self.positions.clear()
        read = 0
        ends = self._consumer.end_offsets(self._partitions)
        while any(self._consumer.position(partition) < ends[partition] for partition in self._partitions):
            for messages in self._consumer.poll(timeout_ms=1000, max_records=5000).values():
                for message in messages:
                    update = self._decode(message.value)
                    if update.kind is None:
                        continue  # RosterSynced
                    read += 1
                    self.positions.add((update.district, update.roster_version, update.position))
                    key = f"{update.kind}/{update.id}"
                    if update.digest is None:
                        self.state.pop(key, None)
                    else:
                        self.state[key] = bytes.fromhex(update.digest)
        return read

    def close(self) -> None:
        self._consumer.close()


class Fleet:
    """Districts on a running pipeline, and their nights."""

    def __init__(
        self, running: Pipeline, folder: Path, address: str, processes: Mapping[str, int], districts: Sequence[str]
    ) -> None:
        self._running = running
        self._folder = folder
        self._address = address
        self._processes = processes
        self.districts = districts
        self._updates = _Updates(running)

    def settle(self) -> None:
        """Wait until the workers have started: their imports are no part of a night."""
        workers = {name: pid for name, pid in self._processes.items() if name.partition("-")[0] in WORKERS}
        seen = [(time.monotonic(), float("-inf"))]

        def idle() -> bool | None:
            if time.monotonic() - seen[-1][0] < 1:
                return None
            before, cpu = seen[-1][1], sum(cost.cpu for cost in costs(workers).values())
            seen.append((time.monotonic(), cpu))
            return cpu - before < 0.1 * len(workers) / len(WORKERS) or None

        until("the workers are idle", idle, 120)

    def night(self, number: int, expected: str) -> dict[str, Any]:
        """Ask for every district's night at once; give seconds to the last update and every process' CPU seconds.

        Raises WrongResultError where anything is not as the generator says.
        """
        request = urllib.request.Request(f"{self._address}/night/{number}", method="PUT")
        urllib.request.urlopen(request).close()
        before, begun = costs(self._processes), time.perf_counter()
        asked = self._ask()
        self._all_ended(asked, expected)
        self._running.published(seconds=NIGHT_SECONDS)
        seconds = time.perf_counter() - begun
        after = costs(self._processes)
        self._check(number)
        return {
            "seconds": seconds,
            "cpu": {name: after[name].since(cost).cpu for name, cost in before.items()},
            "peak_rss": {name: cost.peak_rss for name, cost in after.items()},
        }

    def _ask(self) -> list[str]:
        asked = []
        with connect(self._running.database, "rollcall_operator") as connection, connection.transaction():
            for district in self.districts:
                asked.append(uuid.uuid4().hex)
                now = datetime.now(UTC)
                request = SyncRequested(district=district, sync_id=asked[-1], reason="by hand", requested_at=now)
                request_sync(connection, request, "/tests")
        return asked

    def _all_ended(self, asked: list[str], expected: str) -> None:
        with connect(self._running.database, "rollcall_operator") as connection:

            def ended() -> dict[str, int] | None:
                if gone := [name for name, pid in self._processes.items() if not psutil.pid_exists(pid)]:
                    raise WrongResultError(f"{', '.join(gone)} ended by itself during the night")
                states: dict[str, int] = dict(
                    connection.execute(
                        "SELECT state, count(*) FROM nights WHERE sync_id = ANY(%s) GROUP BY state", (asked,)
                    ).fetchall()
                )
                return states if sum(states.get(state, 0) for state in ENDED) == len(asked) else None

            states = until("every district's night ends", ended, NIGHT_SECONDS)
        if states != {expected: len(asked)}:
            raise WrongResultError(f"the nights ended as {states}, not all {expected}")

    def _check(self, number: int) -> None:
        truths = Truths(self._folder, number)
        expected = {key: digest for district in self.districts for key, digest in truths.digests(district)}
        read = self._updates.read_on()
        if self._updates.state != expected:
            raise WrongResultError(f"roster.updates is not as the generator says after night {number}")
        if read != len(self._updates.positions):
            raise WrongResultError(f"{read - len(self._updates.positions)} updates came twice in night {number}")
        found: dict[str, bytes] = {}
        with connect(self._running.database, "rollcall_diff") as connection:
            for district in self.districts:
                with AppliedRoster(connection, district) as applied:
                    found.update(_stands(applied))
        if found != expected:
            raise WrongResultError(f"the accounts database is not as the generator says after night {number}")

    def close(self) -> None:
        """Give up the connections."""
        self._updates.close()


def _stands(applied: AppliedRoster) -> Iterator[tuple[str, bytes]]:
    for kind in RECORD_KINDS:
        for id_, stands in applied.records(kind, list(applied.digests(kind))).items():
            yield f"{kind}/{id_}", bytes.fromhex(digest_of(encode_record(stands)))


@contextmanager
def _serving(folder: Path) -> Iterator[tuple[str, int]]:
    command = [sys.executable, "-m", "tests.bench.recorded_districts", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}", server.pid
        finally:
            server.kill()


@contextmanager
def fleet(folder: Path, districts: int, instances: int = 1) -> Iterator[tuple[Fleet, Pipeline]]:
    """Give so many districts on a Kafka and a PostgreSQL of their own, with so many processes of every worker."""
    names = [district_name(number) for number in range(1, districts + 1)]
    with tempfile.TemporaryDirectory(prefix="rollcall-bench-", ignore_cleanup_errors=True) as home:
        kafka = Kafka(Path(home) / "kafka", ports.any_free())
        postgres = Postgres(Path(home) / "postgres", ports.any_free())
        kafka.start()
        postgres.start()
        try:
            with new_database(postgres.address("postgres")) as database, _serving(folder) as (address, server):
                migrate(database)
                prefix = f"bench-{uuid.uuid4().hex[:8]}."
                with pipeline(kafka.bootstrap, database, prefix, *WORKERS * instances) as running:
                    credentials = Path(home) / "credentials.json"
                    credentials.write_text('{"bearer": "recorded"}', encoding="utf-8")
                    for name in names:
                        running.add_district(name, url=f"{address}/{name}", credentials_file=str(credentials))
                    processes = {**running.pids(), "provider": server}
                    processes |= {"postgres": postgres.process.pid or 0, "kafka": kafka.process.pid or 0}
                    with closing(Fleet(running, folder, address, processes, names)) as made:
                        yield made, running
        finally:
            postgres.stop()
            kafka.stop()
