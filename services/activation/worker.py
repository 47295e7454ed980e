"""The activation worker: matches people as updates bring them, as accounts change, and as reviewers decide.

A partition of `roster.updates` is one lane: its updates are taken in batches, each one transaction, and a person's
update counts once, by its roster version, however often it is delivered. So is one of `roster.decisions`.
"""

import threading
from collections import Counter

import psycopg
import structlog

from schemas.cloudevents import UnreadableMessageError, decode, header
from schemas.events import ConflictResolved
from schemas.topics import DECISIONS, UPDATES
from services.activation.account_changes import follow_account_changes
from services.activation.matching import PersonKey, Rostered, match_roster
from services.activation.resolving import resolve
from services.activation.updates import read_person
from services.database.connect import connect
from services.dead_letters import DeadLetters
from services.installation import find_installation
from services.messages import Message, Publisher
from services.metrics import StageWork
from services.sessions import working_beside
from services.settings import Settings
from services.worker import Lane, Worker

log = structlog.get_logger()

BATCH_MESSAGES = 5000
"""As many as sign-in can wait for: all turns of matching share one lock."""

LANES_AT_ONCE = 2
"""While one has the lock, the next reads what its people are."""

BACKLOG_BYTES = 8 * 1024 * 1024
_REFUSED = (psycopg.DataError, psycopg.IntegrityError)


class UpdatesLane:
    """One partition's line of updates."""

    def __init__(self, dsn: str, dead_letters: DeadLetters) -> None:
        self._connection = connect(dsn, "rollcall_activation")
        self._dead_letters = dead_letters

    def take(self, batch: list[Message]) -> int | None:
        """See `services.worker.Lane`."""
        work = StageWork("match")
        with work.timed(size=sum(len(message.value or b"") for message in batch)):
            people = self._take(batch)
        work.add(records=len(people))
        work.share_out(_by_sync(people))
        log.debug("matched", **work.told())
        return batch[-1].offset

    def _take(self, batch: list[Message]) -> list[tuple[Message, Rostered]]:
        """Match the people of a batch; give them."""
        newest: dict[PersonKey, tuple[Message, Rostered]] = {}
        for message in batch:
            try:
                person = read_person(message)
            except UnreadableMessageError as error:
                self._dead_letters.put(message, str(error))
                continue
            if person is None:
                continue
            before = newest.get(person.key)
            if before is None or before[1].roster_version < person.roster_version:
                newest[person.key] = (message, person)
        people = list(newest.values())
        if people:
            self._match(people)
        return people

    def _match(self, people: list[tuple[Message, Rostered]]) -> None:
        """Match these people; those whom PostgreSQL refuses are found by halves and set aside, each alone."""
        try:
            match_roster(self._connection, [person for _, person in people])
        except _REFUSED as error:  # its text quotes values
            if len(people) == 1:
                self._dead_letters.put(people[0][0], f"PostgreSQL refuses it: {type(error).__name__}")
                return
            middle = len(people) // 2
            self._match(people[:middle])
            self._match(people[middle:])

    def close(self) -> None:
        """See `services.worker.Lane`."""
        self._connection.close()


def _by_sync(people: list[tuple[Message, Rostered]]) -> dict[str, int]:
    """Give how many people the updates of each sync told of; one sync makes a district's roster version."""
    messages = {(person.key.district, person.roster_version): message for message, person in people}
    numbers = Counter((person.key.district, person.roster_version) for _, person in people)
    syncs = {version: header(message.headers, "ce_correlationid") for version, message in messages.items()}
    return {sync_id: numbers[version] for version, sync_id in syncs.items() if sync_id is not None}


class DecisionsLane:
    """One partition's line of reviewers' decisions."""

    def __init__(self, dsn: str, dead_letters: DeadLetters) -> None:
        self._connection = connect(dsn, "rollcall_activation")
        self._dead_letters = dead_letters

    def take(self, batch: list[Message]) -> int | None:
        """See `services.worker.Lane`."""
        for message in batch:
            try:
                decided = decode(DECISIONS, message.headers, message.value)
                if isinstance(decided, ConflictResolved):  # the others are about change sets, and guard's
                    self._resolve(message, decided)
            except UnreadableMessageError as error:
                self._dead_letters.put(message, str(error))
            except _REFUSED as error:  # its text quotes values
                self._dead_letters.put(message, f"PostgreSQL refuses it: {type(error).__name__}")
        return batch[-1].offset

    def _resolve(self, message: Message, resolved: ConflictResolved) -> None:
        event_id = header(message.headers, "ce_id") or f"{message.partition}/{message.offset}"
        refusal = resolve(self._connection, event_id, resolved)
        log.info("conflict-resolved", district=resolved.district, person=resolved.id, refusal=refusal)

    def close(self) -> None:
        """See `services.worker.Lane`."""
        self._connection.close()


def run(settings: Settings, stop: threading.Event) -> None:
    """Work until `stop` is set. Raises what cannot be waited out."""
    installation = find_installation(settings)
    publisher = Publisher(installation.kafka, settings.topic_prefix, "rollcall-activation")
    dead_letters = DeadLetters(publisher, "activation")

    def open_lane(topic: str) -> Lane:
        return (DecisionsLane if topic == DECISIONS.name else UpdatesLane)(installation.database, dead_letters)

    worker = Worker(
        name="activation",
        topic=UPDATES,
        further_topics=(DECISIONS,),
        bootstrap=installation.kafka,
        prefix=settings.topic_prefix,
        open_lane=open_lane,
        lane_of=lambda message: message.topic.name,
        stop=stop,
        instance=settings.instance,
        batch_messages=BATCH_MESSAGES,
        lanes_at_once=LANES_AT_ONCE,
        backlog_bytes=BACKLOG_BYTES,
    )
    with working_beside("account-changes", lambda: follow_account_changes(installation.database, stop), stop):
        try:
            worker.run()
        finally:
            publisher.close()
