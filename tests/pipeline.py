"""Real workers for one test: its own topics, its own database, each worker a process that can be killed."""

import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg
import tenacity
from kafka import KafkaConsumer, TopicPartition

from deploy.local import ports
from deploy.sandbox.control import SandboxControl
from deploy.sandbox.server import main as sandbox_main
from schemas.cloudevents import decode
from schemas.events import (
    CollectionProof,
    Entry,
    Event,
    ReviewDecision,
    SnapshotCompleted,
    SnapshotPage,
    SnapshotStarted,
    SyncRequested,
)
from schemas.records import RECORD_KINDS, Record, RecordKind, digest_of, encode_record
from schemas.topics import DECISIONS, SNAPSHOTS, Topic, Worker
from services.database.connect import connect
from services.lag import consumer_lag
from services.messages import Publisher, make_event
from services.nights import ENDED, Night, night, request_sync
from services.run_worker import run_worker
from services.topics import create_topics
from tests.processes import PROCESSES, redirect

T = TypeVar("T")


def until(what: str, condition: Callable[[], T | None], seconds: float = 30) -> T:
    """Give what the condition gives once it gives something; fail with `what` when it does not in time."""
    try:
        return tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda result: result is None),
            wait=tenacity.wait_fixed(0.05),
            stop=tenacity.stop_after_delay(seconds),
        )(condition)  # type: ignore[return-value]
    except tenacity.RetryError as error:
        raise AssertionError(f"{what}: not within {seconds} s") from error


def _work(name: Worker, environment: Mapping[str, str], said: Path) -> None:
    for stream in (1, 2):
        redirect(stream, said, os.O_WRONLY | os.O_APPEND)
    os.environ.update(environment)
    run_worker(name)


class Pipeline:
    """The workers that a test starts, and what it does with them."""

    def __init__(self, kafka: str, database: str, prefix: str, settings: Mapping[str, str] | None = None) -> None:
        self.kafka = kafka
        self.database = database
        self.prefix = prefix
        self._folder = tempfile.TemporaryDirectory(prefix="rollcall-test-", ignore_cleanup_errors=True)
        self._said = Path(self._folder.name) / "workers.log"
        self._environment = {
            "ROLLCALL_KAFKA": kafka,
            "ROLLCALL_DATABASE": database,
            "ROLLCALL_TOPIC_PREFIX": prefix,
            "ROLLCALL_LOG_LEVEL": "WARNING",
            "ROLLCALL_DESK_PORT": str(ports.any_free()),
            "ROLLCALL_DESK_SECRET": uuid.uuid4().hex,
            "ROLLCALL_ACTIVATION_PORT": str(ports.any_free()),
            "ROLLCALL_MEMORY_FOLDER": f"{self._folder.name}/memory",
            **(settings or {}),
        }
        self._workers: dict[Worker, list[Any]] = {}
        self._publisher: Publisher | None = None
        self._sandbox: Any = None
        create_topics(kafka, prefix)

    def start(self, *names: Worker) -> None:
        """Start one more process of each of these workers, also after all were stopped."""
        self._said.parent.mkdir(exist_ok=True)
        for name in names:
            running = self._workers.setdefault(name, [])
            environment = {**self._environment, "ROLLCALL_INSTANCE": str(len(running))}
            process = PROCESSES.Process(target=_work, args=(name, environment, self._said), daemon=True)
            process.start()
            running.append(process)

    def start_sandbox(self) -> SandboxControl:
        """Start the sandbox providers, without districts; give what tells them what to play."""
        port = ports.any_free()
        arguments = ["--port", str(port), "--state", f"{self._folder.name}/sandbox", "--no-samples"]
        self._sandbox = PROCESSES.Process(target=sandbox_main, args=(arguments,), daemon=True)
        self._sandbox.start()
        control = SandboxControl(f"http://127.0.0.1:{port}")

        def answers() -> bool | None:
            try:
                control.districts()
            except httpx.TransportError:
                return None
            return True

        until("the sandbox answers", answers)
        return control

    def peak_memory(self) -> dict[Worker, int]:
        """Give the most memory, in bytes, that a process of each running worker has had resident so far."""
        peaks: dict[Worker, int] = {}
        for name, processes in self._workers.items():
            for process in processes:
                status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
                kibibytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
                peaks[name] = max(peaks.get(name, 0), kibibytes * 1024)
        return peaks

    def pids(self) -> dict[str, int]:
        """Give the process ids of all running workers, named after the worker and its instance where it has several."""
        return {
            name if number == 0 else f"{name}-{number}": process.pid
            for name, processes in self._workers.items()
            for number, process in enumerate(processes)
        }

    def kill(self, name: Worker) -> None:
        """End every process of the worker as a power cut would."""
        for process in self._workers.pop(name, []):
            os.kill(process.pid, signal.SIGKILL)
            process.join(10)

    def kill_one(self, name: Worker) -> None:
        """End the worker's first process as a power cut would; the others go on."""
        process = self._workers[name].pop(0)
        os.kill(process.pid, signal.SIGKILL)
        process.join(10)

    def stop(self) -> None:
        """Ask every worker to stop, and see to it that each does."""
        everybody = [process for processes in self._workers.values() for process in processes]
        for process in everybody:
            process.terminate()
        for process in everybody:
            process.join(15)
            if process.is_alive():
                process.kill()
        self._workers.clear()
        if self._sandbox is not None:
            self._sandbox.kill()
            self._sandbox.join(10)
        if self._publisher is not None:
            self._publisher.close()
        if self._said.exists():  # pytest shows it where a test has failed
            print(self._said.read_text(encoding="utf-8"), file=sys.stderr)
        self._folder.cleanup()

    @property
    def desk(self) -> str:
        """Where the review desk of this pipeline is, once its worker is started and answers."""
        return self._answering("DESK")

    @property
    def pages(self) -> str:
        """Where people sign in and see their classes, once activation-web is started and answers."""
        return self._answering("ACTIVATION")

    def _answering(self, worker: str) -> str:
        address = f"http://127.0.0.1:{self._environment[f'ROLLCALL_{worker}_PORT']}"

        def answers() -> str | None:
            try:
                return address if httpx.get(f"{address}/healthz").is_success else None
            except httpx.TransportError:
                return None

        return until(f"{address} answers", answers)

    def connect(self) -> psycopg.Connection[Any]:
        """Give a connection with every right, to look at the accounts database."""
        return psycopg.connect(self.database, autocommit=True)

    def query(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Give the rows of a statement."""
        with self.connect() as connection:
            return connection.execute(statement.encode(), parameters).fetchall()

    def observe_holidays(self) -> None:
        """Let Thanksgiving and the winter break pause every district; in tests they do not unless asked for."""
        with self.connect() as connection:
            connection.execute("UPDATE office_calendar SET observed = true")

    def add_district(self, district: str, **columns: object) -> None:
        """Register a district that is being set up, unless its columns say otherwise."""
        values: dict[str, object] = {
            "district": district,
            "name": district.title(),
            "provider": "clever",
            "url": "http://127.0.0.1:9",
            "timezone": "America/Chicago",
            "plan": "districts",
            "setting_up": True,
            **columns,
        }
        names = ", ".join(values)
        marks = ", ".join(["%s"] * len(values))
        with self.connect() as connection, connection.transaction():
            connection.execute(f"INSERT INTO districts ({names}) VALUES ({marks})".encode(), list(values.values()))
            connection.execute("INSERT INTO rosters (district) VALUES (%s)", (district,))

    @property
    def publisher(self) -> Publisher:
        """A producer of the test's own."""
        if self._publisher is None:
            self._publisher = Publisher(self.kafka, self.prefix, "tests")
        return self._publisher

    def publish(self, topic: Topic, event: Event, *identity: object) -> None:
        """Write an event to a topic, durably."""
        wrapped = make_event(topic, event, source="tests", identity=identity or (uuid.uuid4().hex,))
        self.publisher.publish(topic, wrapped)
        self.publisher.flush()

    def request(self, district: str) -> str:
        """Ask for a sync of the district; give its id."""
        sync_id = uuid.uuid4().hex
        request = SyncRequested(district=district, sync_id=sync_id, reason="by hand", requested_at=datetime.now(UTC))
        with connect(self.database, "rollcall_operator") as connection:
            request_sync(connection, request, "/tests")
        return sync_id

    def publish_snapshot(
        self,
        district: str,
        records: Mapping[RecordKind, Sequence[Record]],
        *,
        kept: Mapping[RecordKind, Sequence[str]] | None = None,
        leave_out_page: int | None = None,
        page_records: int = 100,
        encode: Callable[[Event], bytes] | None = None,
    ) -> str:
        """Write a whole snapshot, or one that lacks a page; give its sync id, with a night that waits for it.

        `encode` makes the messages' values, where they are not to be what the events say.
        """
        sync_id, snapshot_id = uuid.uuid4().hex, uuid.uuid4().hex
        with self.connect() as connection:
            connection.execute(
                "INSERT INTO nights (sync_id, district, reason, state, requested_at)"
                " VALUES (%s, %s, 'by hand', 'pulling', now())",
                (sync_id, district),
            )
        about: dict[str, Any] = {"district": district, "sync_id": sync_id, "snapshot_id": snapshot_id}
        events: list[Event] = [SnapshotStarted(**about, provider="tests", started_at=datetime.now(UTC))]
        page = 0
        for kind in RECORD_KINDS:
            entries = [
                Entry(id=record.id, digest=digest_of(encode_record(record)), record=record)
                for record in records.get(kind, ())
            ]
            left = list((kept or {}).get(kind, ()))
            for start in range(0, max(len(entries), 1 if left else 0), page_records):
                page += 1
                part = tuple(entries[start : start + page_records])
                events.append(SnapshotPage(**about, page=page, kind=kind, entries=part, kept=tuple(left)))
                left = []
        proof = CollectionProof(collection="tests", pages=1, rows=1, distinct=1, end="end of file", digest="0" * 32)
        events.append(
            SnapshotCompleted(
                **about,
                pages=page,
                records={kind: len(records.get(kind, ())) for kind in RECORD_KINDS},
                proofs=(proof,),
                defects={},
                completed_at=datetime.now(UTC),
            )
        )
        if leave_out_page is not None:
            del events[leave_out_page]
        for event in events:
            wrapped = make_event(SNAPSHOTS, event, source="tests", identity=(uuid.uuid4().hex,))
            value = encode(event) if encode is not None else wrapped.value()
            self.publisher.publish_raw(SNAPSHOTS, wrapped.headers(), district.encode(), value)
        self.publisher.flush()
        return sync_id

    def approve(self, district: str, change_set: str) -> None:
        """Approve a held change set, as a review tool would."""
        decision = ReviewDecision(
            district=district,
            change_set=change_set,
            decision="approve",
            reviewer="tests",
            reason="the district has told us",
            decided_at=datetime.now(UTC),
        )
        self.publish(DECISIONS, decision)

    def ended(self, sync_id: str, seconds: float = 120) -> Night:
        """Give the night once it has ended."""

        def look() -> Night | None:
            with connect(self.database, "rollcall_operator") as connection:
                found = night(connection, sync_id)
            return found if found is not None and found.state in ENDED else None

        try:
            return until(f"night {sync_id} ends", look, seconds)
        except AssertionError as error:
            error.add_note(self._where_nights_are())
            raise

    def _where_nights_are(self) -> str:
        """Say how far the nights are, which workers live, what waits for each, and which statements wait for what."""
        nights = self.query("SELECT district, sync_id, state FROM nights ORDER BY requested_at")
        connections = self.query(
            "SELECT application_name, state, wait_event_type, wait_event, now() - xact_start, left(query, 80)"
            " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        dead = [name for name, processes in self._workers.items() if not all(one.is_alive() for one in processes)]
        lag = consumer_lag(self.kafka, self.prefix)
        told = {"nights": nights, "dead": dead, "messages that wait": lag, "connections": connections}
        return "\n".join(f"{what}: {value}" for what, value in told.items())

    def published(self, seconds: float = 30) -> None:
        """Wait until the outbox is empty: everything it held is durable in Kafka."""

        def look() -> bool | None:
            return None if self.query("SELECT 1 FROM outbox LIMIT 1") else True

        until("the outbox is empty", look, seconds)

    def messages(self, topic: Topic) -> list[Any]:
        """Give everything on a topic now, as Kafka's records, in the order of each partition."""
        with closing(KafkaConsumer(bootstrap_servers=self.kafka, enable_auto_commit=False)) as consumer:
            name = self.prefix + topic.name
            numbers = until(f"{name} is known", lambda: consumer.partitions_for_topic(name) or None)
            partitions = [TopicPartition(name, number) for number in numbers]
            ends = consumer.end_offsets(partitions)
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
            found: list[Any] = []
            while any(consumer.position(partition) < ends[partition] for partition in partitions):
                for records in consumer.poll(timeout_ms=500).values():
                    found += records
            return found

    def events(self, topic: Topic) -> list[Event]:
        """Give everything on a topic now, as events."""
        return [decode(topic, record.headers, record.value) for record in self.messages(topic)]


@contextmanager
def pipeline(
    kafka: str, database: str, prefix: str, *workers: Worker, settings: Mapping[str, str] | None = None
) -> Iterator[Pipeline]:
    """Give a pipeline with these workers running; it is stopped afterwards."""
    running = Pipeline(kafka, database, prefix, settings)
    try:
        running.start(*workers)
        yield running
    finally:
        running.stop()
