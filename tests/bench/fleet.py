"""A running stack with many small districts, whose nights all begin at the same moment; each is checked."""

import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from schemas.events import SyncRequested
from services.database.connect import connect
from services.diff.applied import AppliedRoster
from services.nights import ENDED, request_sync
from tests.bench.cost import costs
from tests.bench.proof import UpdatesReader, WrongResultError, prove_updates, standing
from tests.bench.recorded_districts import Truths, district_name
from tests.bench.stack import NIGHT_SECONDS, WORKERS, servers, serving
from tests.pipeline import Pipeline, pipeline, until
from tests.stack import migrate_without_holidays, new_database


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
        self._updates = UpdatesReader(running)

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
        prove_updates(self._updates, expected, number)
        found: dict[str, bytes] = {}
        with connect(self._running.database, "rollcall_diff") as connection:
            for district in self.districts:
                with AppliedRoster(connection, district) as applied:
                    found.update(standing(applied))
        if found != expected:
            raise WrongResultError(f"the accounts database is not as the generator says after night {number}")

    def close(self) -> None:
        """Give up the connections."""
        self._updates.close()


@contextmanager
def fleet(folder: Path, districts: int, instances: int = 1) -> Iterator[tuple[Fleet, Pipeline]]:
    """Give so many districts on a Kafka and a PostgreSQL of their own, with so many processes of every worker."""
    names = [district_name(number) for number in range(1, districts + 1)]
    with (
        servers() as own,
        new_database(own.postgres.address("postgres")) as database,
        serving(folder, "recorded_districts") as (address, server),
    ):
        migrate_without_holidays(database)
        prefix = f"bench-{uuid.uuid4().hex[:8]}."
        with pipeline(own.kafka.bootstrap, database, prefix, *WORKERS * instances) as running:
            credentials = own.credentials()
            for name in names:
                running.add_district(name, url=f"{address}/{name}", credentials_file=credentials)
            processes = {**running.pids(), "provider": server, **own.pids()}
            with closing(Fleet(running, folder, address, processes, names)) as made:
                yield made, running
