"""The diff worker: reads `roster.snapshots`, compares whole ones with what is applied, writes `roster.changes`."""

import threading
from typing import Any

import msgspec
import psycopg
import structlog
from psycopg.types.json import Jsonb

from schemas.cloudevents import CloudEvent, UnreadableMessageError, decode, event_id, type_of
from schemas.events import ChangeSetCompleted, ChangeSetStarted, SnapshotAborted, SnapshotCompleted, SnapshotStarted
from schemas.topics import CHANGES, SNAPSHOTS
from services import clock
from services.database.connect import Database, pool
from services.dead_letters import DeadLetters
from services.diff.applied import AppliedRoster, UnknownDistrictError
from services.diff.change_set import ChangeSet, compare_all, unchanged_set
from services.diff.change_set_messages import chunk_message
from services.diff.snapshot import ArrivingSnapshot, IncompleteSnapshotError
from services.installation import find_installation
from services.messages import Message, Publisher, key_text, make_event
from services.metrics import StageWork
from services.nights import QUERIES as NIGHTS
from services.settings import Settings
from services.worker import LANES_AT_ONCE, Worker

log = structlog.get_logger()

_PAGE = "dev.rollcall.snapshot.page.v1"

FETCH_AT_LEAST = 256 * 1024
FETCH_WAIT_SECONDS = 0.1
"""How much is fetched at least, as Kafka has it, or how long is waited for it: a fetch costs more than a page."""

REFUSED = (IncompleteSnapshotError, msgspec.DecodeError, psycopg.DataError)
"""What is wrong with one snapshot and nothing else: it changes nothing and the line goes on (promises 1 and 9)."""


class DiffLane:
    """One district's line through diff.

    A message is durable once the snapshot it belongs to has been compared and published, or is void.
    """

    def __init__(
        self, district: str, database: Database, publisher: Publisher, dead_letters: DeadLetters, chunk_records: int
    ) -> None:
        self._district = district
        self._database = database
        self._publisher = publisher
        self._dead_letters = dead_letters
        self._chunk_records = chunk_records
        self._arriving: ArrivingSnapshot | None = None
        self._arriving_from = 0
        self._work = StageWork("compare")

    def take(self, batch: list[Message]) -> int | None:
        """See `services.worker.Lane`."""
        for message in batch:
            try:
                with self._work.timed(size=len(message.value or b"")):
                    self._take(message)
            except UnreadableMessageError as error:
                self._dead_letters.put(message, str(error))
        return batch[-1].offset if self._arriving is None else self._arriving_from - 1

    def close(self) -> None:
        """See `services.worker.Lane`."""
        if self._arriving is not None:
            self._arriving.close()
            self._arriving = None

    def _take(self, message: Message) -> None:
        if type_of(SNAPSHOTS, message.headers) == _PAGE:
            if self._arriving is not None:
                self._arriving.add(message.value or b"")
            return
        event = decode(SNAPSHOTS, message.headers, message.value)
        if event.district != self._district:
            raise UnreadableMessageError(f"a message with the key {self._district} is about {event.district}")
        if isinstance(event, SnapshotStarted):
            self._started(event, message)
        elif self._arriving is None or self._arriving.started.snapshot_id != getattr(event, "snapshot_id", None):
            log.info("snapshot-void", district=self._district, snapshot_id=getattr(event, "snapshot_id", None))
        elif isinstance(event, SnapshotAborted):
            self.close()
        elif isinstance(event, SnapshotCompleted):
            self._completed(self._arriving, event, message)
            self.close()

    def _started(self, event: SnapshotStarted, message: Message) -> None:
        self.close()
        self._arriving = ArrivingSnapshot(event)
        self._arriving_from = message.offset
        self._work = StageWork("compare", event.sync_id)

    def _completed(self, arriving: ArrivingSnapshot, completed: SnapshotCompleted, message: Message) -> None:
        with self._database.connection() as connection:
            night = {"sync_id": completed.sync_id}
            try:
                arriving.check_whole(completed)
                change_set = self._compare(connection, arriving, completed)
            except REFUSED as error:
                reason = _reason(error, completed.snapshot_id)
                log.error("snapshot-incomplete", district=self._district, snapshot_id=completed.snapshot_id)
                self._dead_letters.put(message, reason)
                connection.execute(
                    NIGHTS["failed"], {**night, "code": "incomplete-snapshot", "text": reason, "at": clock.now()}
                )
                return
            except UnknownDistrictError as error:
                log.warning("district-unknown", district=self._district, snapshot_id=completed.snapshot_id)
                self._dead_letters.put(message, str(error))
                return
        try:
            self._publish(change_set, completed)
        finally:
            change_set.chunks.close()

    def _compare(
        self, connection: psycopg.Connection[Any], arriving: ArrivingSnapshot, completed: SnapshotCompleted
    ) -> ChangeSet:
        """Work out the change set; where there is something to compare the night says so, as it may take a while."""
        applied = AppliedRoster(connection, self._district)
        unchanged = unchanged_set(self._district, applied, arriving.records)
        if unchanged is not None:
            return unchanged
        about = {"sync_id": completed.sync_id, "snapshot_id": completed.snapshot_id}
        connection.execute(NIGHTS["comparing"], {**about, "defects": Jsonb(completed.defects)})
        with applied:
            baseline = applied.totals()
            return compare_all(self._district, applied, baseline, arriving.records, chunk_records=self._chunk_records)

    def _publish(self, change_set: ChangeSet, completed: SnapshotCompleted) -> None:
        now = clock.now()
        about = {
            "district": self._district,
            "sync_id": completed.sync_id,
            "snapshot_id": completed.snapshot_id,
            "change_set": change_set.id,
            "changes": change_set.changes,
            "chunks": change_set.chunks.blocks,
        }
        cause = event_id("dev.rollcall.snapshot.completed.v1", completed.snapshot_id)

        def wrap(data: ChangeSetStarted | ChangeSetCompleted) -> CloudEvent:
            return make_event(
                CHANGES,
                data,
                source="diff",
                identity=(change_set.id, completed.snapshot_id),
                correlation_id=completed.sync_id,
                causation_id=cause,
            )

        started = ChangeSetStarted(
            **about,
            base_version=change_set.base_version,
            counts=change_set.counts,
            content=change_set.content,
            emptied_schools=change_set.emptied_schools,
            renumbered=change_set.renumbered,
            classes_without_teacher=change_set.classes_without_teacher,
            students_without_class=change_set.students_without_class,
            proofs=completed.proofs,
            defects=completed.defects,
            started_at=now,
        )
        self._publisher.publish(CHANGES, wrap(started))
        for number, changes in enumerate(change_set.chunks, start=1):
            headers, value = chunk_message(started, number, changes, cause)
            self._publisher.publish_raw(CHANGES, headers, self._district.encode(), value)
        self._publisher.publish(CHANGES, wrap(ChangeSetCompleted(**about, completed_at=now)))
        self._publisher.flush()
        self._work.add(records=sum(completed.records.values()))
        log.info(
            "compared",
            district=self._district,
            sync_id=completed.sync_id,
            change_set=change_set.id,
            base_version=change_set.base_version,
            changes=change_set.changes,
            **self._work.told(),
        )


def _reason(error: Exception, snapshot_id: str) -> str:
    """Say what is wrong with a snapshot. The texts of libraries quote values, so only their class is told."""
    if isinstance(error, IncompleteSnapshotError):
        return str(error)
    return f"snapshot {snapshot_id} has a record that cannot be read: {type(error).__name__}"


def run(settings: Settings, stop: threading.Event) -> None:
    """Work until `stop` is set. Raises what cannot be waited out."""
    installation = find_installation(settings)
    publisher = Publisher(installation.kafka, settings.topic_prefix, "rollcall-diff")
    dead_letters = DeadLetters(publisher, "diff")
    try:
        with pool(installation.database, "rollcall_diff", LANES_AT_ONCE) as database:
            Worker(
                name="diff",
                topic=SNAPSHOTS,
                bootstrap=installation.kafka,
                prefix=settings.topic_prefix,
                open_lane=lambda district: DiffLane(district, database, publisher, dead_letters, settings.page_records),
                lane_of=key_text,
                stop=stop,
                instance=settings.instance,
                fetch_at_least=FETCH_AT_LEAST,
                fetch_wait_seconds=FETCH_WAIT_SECONDS,
            ).run()
    finally:
        publisher.close()
