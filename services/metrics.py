"""How fast each stage works, for Prometheus and for the log line at a stage's end.

A stage's seconds are those in which it worked: waiting for what comes before it does not count, waiting for what it
calls (the provider, Kafka, PostgreSQL) does. So the slowest stage is the one whose seconds grow fastest, and a stage
near one second a second and lane is full. Labels are workers and stages, never a district, a sync or a person.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

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


class PortTakenError(Exception):
    """The metrics' port cannot be listened on."""


class StageWork:
    """A stage's work on one thing: a pull, a snapshot, a change set, a batch. Counted while it happens."""

    def __init__(self, stage: Stage) -> None:
        self.records = 0
        self.bytes = 0
        self.seconds = 0.0
        self._labels = (WORKER_OF[stage], stage)
        self._counted_until: float | None = None

    def add(self, *, records: int = 0, size: int = 0, seconds: float = 0.0) -> None:
        """Count records, the bytes they came in, and seconds of work."""
        self.records += records
        self.bytes += size
        self.seconds += seconds
        _RECORDS.labels(*self._labels).inc(records)
        _BYTES.labels(*self._labels).inc(size)
        _SECONDS.labels(*self._labels).inc(seconds)
        _LAST.labels(*self._labels).set_to_current_time()

    @contextmanager
    def timed(self, *, size: int = 0) -> Iterator[None]:
        """Count so many bytes, and the seconds of this block as work, however it ends."""
        self._counted_until = time.perf_counter()
        try:
            yield
        finally:
            self._count_seconds()
            self._counted_until = None
            self.add(size=size)

    def _count_seconds(self) -> None:
        if self._counted_until is not None:
            now = time.perf_counter()
            self.add(seconds=now - self._counted_until)
            self._counted_until = now

    def told(self) -> dict[str, float | None]:
        """Give the sums for a log line, of a block that is still timed up to now.

        So many records a second is None where no time has passed.
        """
        self._count_seconds()
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
