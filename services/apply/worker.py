"""The apply worker: reads `roster.approved` and merges whole change sets into the accounts database."""

import threading
from typing import Any

import psycopg
import structlog

from schemas.cloudevents import UnreadableMessageError, decode, type_of
from schemas.events import ChangeSetCompleted, ChangeSetStarted, Event
from schemas.topics import APPROVED
from services.apply.merge import DistrictGoneError, MisfitError, merge
from services.apply.staging import IncompleteChangeSetError, StagedChangeSet
from services.clock import now
from services.database.connect import Database, pool
from services.dead_letters import DeadLetters
from services.installation import find_installation
from services.messages import Message, Publisher, key_text
from services.metrics import StageWork
from services.nights import QUERIES as NIGHTS
from services.settings import Settings
from services.worker import Worker

log = structlog.get_logger()

_CHUNK = "dev.rollcall.change-set.chunk.v1"

WAITING_BYTES = 1024 * 1024
"""How much of a change set waits in memory for its completion before it is staged as it comes."""

SETS_AT_ONCE = 50
"""How many connections there may be: one for each set that is being staged, and PostgreSQL has a hundred for all."""

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
    """One district's line through apply. A message is durable once its change set is applied, or set aside.

    The chunks of a small set wait in memory for its completion, so that it needs a connection only then.
    """

    def __init__(self, district: str, database: Database, dead_letters: DeadLetters) -> None:
        self._district = district
        self._database = database
        self._dead_letters = dead_letters
        self._arriving: ChangeSetStarted | None = None
        self._arriving_from = 0
        self._waiting: list[Message] = []
        self._waiting_bytes = 0
        self._staged: StagedChangeSet | None = None
        self._work = StageWork("merge")

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
        self._arriving = None
        self._waiting.clear()
        self._waiting_bytes = 0
        staged, self._staged = self._staged, None
        if staged is not None:
            try:
                staged.clear()
            except psycopg.Error:
                staged.connection.close()  # what is in it goes with it, and the pool opens another one
            self._database.putconn(staged.connection)

    def _take(self, message: Message) -> None:
        if type_of(APPROVED, message.headers) == _CHUNK:
            if self._arriving is not None:
                self._chunk(self._arriving, message)
            return
        event = decode(APPROVED, message.headers, message.value)
        if event.district != self._district:
            raise UnreadableMessageError(f"a message with the key {self._district} is about {event.district}")
        mine = _is_of(event, self._arriving)
        if isinstance(event, ChangeSetStarted):
            if not mine:  # else the same set from its beginning once more: what has come is not staged twice
                self.close()
                self._arriving, self._arriving_from = event, message.offset
                self._work = StageWork("merge", event.sync_id)
        elif isinstance(event, ChangeSetCompleted) and self._arriving is not None and mine:
            self._completed(self._stage(self._arriving), event, message)
            self.close()

    def _chunk(self, started: ChangeSetStarted, message: Message) -> None:
        self._waiting.append(message)
        self._waiting_bytes += len(message.value or b"")
        if self._staged is not None or self._waiting_bytes > WAITING_BYTES:
            self._stage(started)

    def _stage(self, started: ChangeSetStarted) -> StagedChangeSet:
        """Stage the chunks that wait; one that cannot be read is a dead letter, and lacks in the end."""
        if self._staged is None:
            self._staged = StagedChangeSet(self._database.getconn(), started)
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        for message in waiting:
            try:
                self._staged.add(message.value or b"")
            except UnreadableMessageError as error:
                self._dead_letters.put(message, str(error))
        return self._staged

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
            self._work.add(records=started.changes)
            log.info("merged", **about, outcome=outcome, **self._work.told())


def _is_of(event: Event, started: ChangeSetStarted | None) -> bool:
    """Say whether the event is part of the set that `started` began."""
    if started is None or not isinstance(event, ChangeSetStarted | ChangeSetCompleted):
        return False
    return (event.change_set, event.snapshot_id) == (started.change_set, started.snapshot_id)


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
        with pool(installation.database, "rollcall_apply", SETS_AT_ONCE) as database:
            Worker(
                name="apply",
                topic=APPROVED,
                bootstrap=installation.kafka,
                prefix=settings.topic_prefix,
                open_lane=lambda district: ApplyLane(district, database, dead_letters),
                lane_of=key_text,
                stop=stop,
                instance=settings.instance,
            ).run()
    finally:
        publisher.close()
