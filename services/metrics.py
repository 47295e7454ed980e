"""How fast each stage works, for Prometheus and for the log line at a stage's end.

A stage's seconds are those in which it worked: waiting for what comes before it does not count, waiting for what it
calls (the provider, Kafka, PostgreSQL) does. So the slowest stage is the one whose seconds grow fastest, and a stage
near one second a second and lane is full. Labels are workers and stages, never a district, a sync or a person.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Literal, NamedTuple, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, start_http_server

from schemas.topics import Worker

REGISTRY = CollectorRegistry()
"""What /metrics shows: what is counted here, and the process's memory and CPU."""

ProcessCollector(registry=REGISTRY)

Stage: TypeAlias = Literal["pull", "compare", "route", "merge", "publish", "match"]

WORKER_OF: dict[Stage, Worker] = {
    "pull": "ingest",
    "compare": "diff",
    "route": "guard",
    "merge": "apply",
    "publish": "relay",
    "match": "activation",
}

_LABELS = ("worker", "stage")
_RECORDS = Counter("rollcall_stage_records", "Records that a stage has worked through.", _LABELS, registry=REGISTRY)
_BYTES = Counter("rollcall_stage_bytes", "Bytes of those records as they came.", _LABELS, registry=REGISTRY)
_SECONDS = Counter("rollcall_stage_seconds", "Seconds in which a stage was at work.", _LABELS, registry=REGISTRY)
_LAST = Gauge(
    "rollcall_last_record_processed_timestamp_seconds", "When a stage last got on.", _LABELS, registry=REGISTRY
)


@cache
def _of_stage(stage: Stage) -> tuple[Counter, Counter, Counter, Gauge]:
    """Give a stage's own metrics: to find them by their labels costs more than to count."""
    labels = (WORKER_OF[stage], stage)
    return _RECORDS.labels(*labels), _BYTES.labels(*labels), _SECONDS.labels(*labels), _LAST.labels(*labels)


class PortTakenError(Exception):
    """The metrics' port cannot be listened on."""


class Sums(NamedTuple):
    """Records, the bytes they came in, and seconds of work."""

    records: int = 0
    bytes: int = 0
    seconds: float = 0.0


class NightWork:
    """What this process has worked for nights since somebody last took it; nothing while nobody has said they will."""

    def __init__(self) -> None:
        self.some = threading.Event()
        self._taken = False
        self._lock = threading.Lock()
        self._sums: dict[tuple[str, Stage], Sums] = {}
        self._at_work: set[StageWork] = set()

    def follow(self, following: bool) -> None:
        """Say whether work is taken from now on; `some` is set whenever there is some to take."""
        with self._lock:
            self._taken = following
            self._sums.clear()

    def add(self, sync_id: str, stage: Stage, sums: Sums) -> None:
        """Count work for a night."""
        with self._lock:
            if self._taken:
                records, size, seconds = self._sums.get((sync_id, stage), Sums())
                self._sums[sync_id, stage] = Sums(records + sums.records, size + sums.bytes, seconds + sums.seconds)
                self.some.set()

    def begins(self, work: "StageWork") -> None:
        """Count the seconds of this work as they pass, until it ends."""
        with self._lock:
            self._at_work.add(work)
            self.some.set()

    def ends(self, work: "StageWork") -> None:
        """Count its seconds no further."""
        with self._lock:
            self._at_work.discard(work)

    def take(self) -> dict[tuple[str, Stage], Sums]:
        """Give the sums since the last time, by sync and stage; `some` stays set while a stage is at work."""
        with self._lock:
            at_work = list(self._at_work)
        for work in at_work:
            work.count_seconds()
        with self._lock:
            taken, self._sums = self._sums, {}
            if not self._at_work:
                self.some.clear()
        return taken


NIGHT_WORK = NightWork()


class StageWork:
    """A stage's work on one thing: a pull, a snapshot, a change set, a batch. Counted while it happens.

    With a sync it is counted for that sync's night too.
    """

    def __init__(self, stage: Stage, sync_id: str | None = None) -> None:
        self.records = 0
        self.bytes = 0
        self.seconds = 0.0
        self._stage = stage
        self._sync_id = sync_id
        self._counted_until: float | None = None
        self._lock = threading.RLock()  # seconds are counted by whoever asks, from whatever thread

    def add(self, *, records: int = 0, size: int = 0, seconds: float = 0.0) -> None:
        """Count records, the bytes they came in, and seconds of work."""
        with self._lock:
            self.records += records
            self.bytes += size
            self.seconds += seconds
        counted_records, counted_bytes, counted_seconds, last = _of_stage(self._stage)
        counted_records.inc(records)
        counted_bytes.inc(size)
        counted_seconds.inc(seconds)
        last.set_to_current_time()
        if self._sync_id is not None:
            NIGHT_WORK.add(self._sync_id, self._stage, Sums(records, size, seconds))

    def share_out(self, records: Mapping[str, int]) -> None:
        """Count a batch's work for the nights that it was of, given each one's records by its sync."""
        whole = sum(records.values())
        for sync_id, part in records.items():
            share = part / whole
            NIGHT_WORK.add(sync_id, self._stage, Sums(part, round(self.bytes * share), self.seconds * share))

    @contextmanager
    def timed(self, *, size: int = 0) -> Iterator[None]:
        """Count so many bytes, and the seconds of this block as work, however it ends."""
        self._counted_until = time.perf_counter()
        if self._sync_id is not None:
            NIGHT_WORK.begins(self)
        try:
            yield
        finally:
            NIGHT_WORK.ends(self)
            self.count_seconds()
            self._counted_until = None
            self.add(size=size)

    def count_seconds(self) -> None:
        """Count the seconds of a block that is still timed, up to now."""
        with self._lock:
            if self._counted_until is not None:
                now = time.perf_counter()
                before, self._counted_until = self._counted_until, now
                self.add(seconds=now - before)

    def told(self) -> dict[str, float | None]:
        """Give the sums for a log line, of a block that is still timed up to now.

        So many records a second is None where no time has passed.
        """
        self.count_seconds()
        return {
            "records": self.records,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 3),
            "records_per_second": round(self.records / self.seconds) if self.seconds else None,
        }


def serve_metrics(host: str, port: int | None) -> None:
    """Serve /metrics from a thread of its own as long as the process lives; do nothing where no port is set.

    Raises PortTakenError.
    """
    if port is None:
        return
    try:
        start_http_server(port, host, REGISTRY)
    except OSError as error:
        raise PortTakenError(
            f"/metrics cannot be served at {host}:{port} (ROLLCALL_METRICS_HOST, ROLLCALL_METRICS_PORT): "
            f"{error.strerror}; give each process on a machine a port of its own"
        ) from error
