"""The apply worker: reads `roster.approved` and merges whole change sets into the accounts database."""

import threading
from typing import Any

import psycopg
import structlog

from schemas.cloudevents import UnreadableMessageError, decode, type_of
from schemas.events import ChangeSetCompleted, ChangeSetStarted
from schemas.topics import APPROVED
from services.apply.merge import DistrictGoneError, MisfitError, merge
from services.apply.staging import IncompleteChangeSetError, StagedChangeSet
from services.clock import now
from services.database.connect import connect
from services.dead_letters import DeadLetters
from services.installation import find_installation
from services.messages import Message, Publisher, key_text
from services.nights import QUERIES as NIGHTS
from services.settings import Settings
from services.worker import Worker

log = structlog.get_logger()

_CHUNK = "dev.rollcall.change-set.chunk.v1"

REFUSED = (
    IncompleteChangeSetError,
    MisfitError,
    DistrictGoneError,
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.ProgramLimitExceeded,
)
"""What is wrong with one change set, and with nothing else: it is set aside and the line goes on (promise 9).

ProgramLimitExceeded (an id too long for an index) is an OperationalError that never passes by itself.
"""


class ApplyLane:
    """One district's line through apply. A message is durable once its change set is applied, or set aside."""

    def __init__(self, district: str, dsn: str, dead_letters: DeadLetters) -> None:
        self._district = district
        self._dsn = dsn
        self._dead_letters = dead_letters
        self._staged: StagedChangeSet | None = None
        self._staged_from = 0

    def take(self, batch: list[Message]) -> int | None:
        """See `services.worker.Lane`."""
        for message in batch:
            try:
                self._take(message)
            except UnreadableMessageError as error:
                self._dead_letters.put(message, str(error))
        return batch[-1].offset if self._staged is None else self._staged_from - 1

    def close(self) -> None:
        """See `services.worker.Lane`."""
        staged, self._staged = self._staged, None
        if staged is not None:
            staged.connection.close()

    def _take(self, message: Message) -> None:
        if type_of(APPROVED, message.headers) == _CHUNK:
            if self._staged is not None:
                self._staged.add(message.value or b"")
            return
        event = decode(APPROVED, message.headers, message.value)
        if event.district != self._district:
            raise UnreadableMessageError(f"a message with the key {self._district} is about {event.district}")
        if isinstance(event, ChangeSetStarted):
            self._started(event, message)
        elif isinstance(event, ChangeSetCompleted):
            staged = self._staged
            mine = (event.change_set, event.snapshot_id)
            if staged is not None and (staged.started.change_set, staged.started.snapshot_id) == mine:
                self._completed(staged, event, message)
                self.close()

    def _started(self, started: ChangeSetStarted, message: Message) -> None:
        staged = self._staged
        mine = (started.change_set, started.snapshot_id)
        if staged is not None and (staged.started.change_set, staged.started.snapshot_id) == mine:
            return  # the same set from its beginning once more: what is staged already is not staged twice
        self.close()
        self._staged = StagedChangeSet(connect(self._dsn, "rollcall_apply"), started)
        self._staged_from = message.offset

    def _completed(self, staged: StagedChangeSet, completed: ChangeSetCompleted, message: Message) -> None:
        started = staged.started
        about = {"district": started.district, "sync_id": started.sync_id, "change_set": started.change_set}
        try:
            staged.check_whole(completed)
            outcome = merge(staged)
        except REFUSED as error:
            reason = _reason(error)
            log.error("change-set-refused", **about, error=type(error).__name__)
            self._dead_letters.put(message, reason)
            staged.connection.execute(
                NIGHTS["failed"],
                {"sync_id": started.sync_id, "code": "change-set-refused", "text": reason, "at": now()},
            )
        else:
            log.info("merged", **about, outcome=outcome, changes=started.changes)


def _reason(error: Exception) -> str:
    """Say what is wrong with a change set. PostgreSQL's own texts quote values, so only their class is told."""
    if isinstance(error, psycopg.Error):
        constraint: Any = error.diag.constraint_name or error.diag.column_name or "unnamed"
        return f"PostgreSQL refuses the change set: {type(error).__name__} ({constraint})"
    return str(error)


def run(settings: Settings, stop: threading.Event) -> None:
    """Work until `stop` is set. Raises what cannot be waited out."""
    installation = find_installation(settings)
    publisher = Publisher(installation.kafka, settings.topic_prefix, "rollcall-apply")
    dead_letters = DeadLetters(publisher, "apply")
    try:
        Worker(
            name="apply",
            topic=APPROVED,
            bootstrap=installation.kafka,
            prefix=settings.topic_prefix,
            open_lane=lambda district: ApplyLane(district, installation.database, dead_letters),
            lane_of=key_text,
            stop=stop,
            instance=settings.instance,
        ).run()
    finally:
        publisher.close()
