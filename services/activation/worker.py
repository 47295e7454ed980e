"""The activation worker: reads `roster.updates`, matches rostered people to accounts, tells of every change.

A partition is one lane: its updates are taken in batches, each one transaction, and a person's update counts once,
by its roster version, however often it is delivered.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog

from schemas.cloudevents import UnreadableMessageError, decode, header
from schemas.events import ActivationChanged, RosterUpdate
from schemas.records import Student, Teacher
from schemas.topics import ACTIVATIONS, UPDATES
from services.activation.matching import Match, match
from services.database.connect import connect
from services.database.queries import Queries
from services.dead_letters import DeadLetters
from services.installation import find_installation
from services.messages import Message, Publisher
from services.outbox import INSERT as OUTBOX_INSERT
from services.outbox import outbox_row
from services.settings import Settings
from services.worker import Worker

log = structlog.get_logger()

QUERIES = Queries("services.activation")

PersonKey = tuple[str, str, str]
"""District, kind ('teachers' or 'students'), id."""

_PEOPLE = ("dev.rollcall.teacher.", "dev.rollcall.student.")


@dataclass(frozen=True, slots=True)
class Rostered:
    """What an update says of a person: where, at which version, whether gone, with which email."""

    key: PersonKey
    roster_version: int
    removed: bool
    email_key: str | None


def email_key(email: str | None) -> str | None:
    """Give the form in which emails compare: without case and surrounding space, and nothing cleverer."""
    return (email or "").strip().lower() or None


class ActivationLane:
    """One partition's line through activation."""

    def __init__(self, dsn: str, dead_letters: DeadLetters) -> None:
        self._connection = connect(dsn, "rollcall_activation")
        self._connection.execute(QUERIES["stage"])
        self._dead_letters = dead_letters

    def take(self, batch: list[Message]) -> int | None:
        """See `services.worker.Lane`."""
        newest: dict[PersonKey, tuple[Message, Rostered]] = {}
        for message in batch:
            if not (header(message.headers, "ce_type") or "").startswith(_PEOPLE):
                continue
            try:
                update = decode(UPDATES, message.headers, message.value)
            except UnreadableMessageError as error:
                self._dead_letters.put(message, str(error))
                continue
            if isinstance(update, RosterUpdate):
                person = _rostered(update)
                newest[person.key] = (message, person)
        if newest:
            self._activate(list(newest.values()))
        return batch[-1].offset

    def _activate(self, people: list[tuple[Message, Rostered]]) -> None:
        """Activate these people; those whom PostgreSQL refuses are found by halves and set aside, each alone."""
        try:
            changed = activate(self._connection, [person for _, person in people])
        except (psycopg.DataError, psycopg.IntegrityError) as error:  # its text quotes values
            if len(people) == 1:
                self._dead_letters.put(people[0][0], f"PostgreSQL refuses it: {type(error).__name__}")
                return
            middle = len(people) // 2
            self._activate(people[:middle])
            self._activate(people[middle:])
        else:
            log.debug("activated", people=len(people), changed=changed)

    def close(self) -> None:
        """See `services.worker.Lane`."""
        self._connection.close()


def _rostered(update: RosterUpdate) -> Rostered:
    person = update.record
    email = person.email if isinstance(person, Teacher | Student) else None
    return Rostered(
        key=(update.district, update.kind, update.id),
        roster_version=update.roster_version,
        removed=update.op == "removed",
        email_key=email_key(email),
    )


def activate(connection: psycopg.Connection[Any], people: Sequence[Rostered]) -> int:
    """Match these people, write what changed and its events in one transaction; give how many changed.

    An account is only ever found, never made (promise 8): the role of this connection could not.
    """
    with connection.transaction():
        with connection.cursor() as cursor, cursor.copy(QUERIES["copy_rostered"]) as copy:
            for person in people:
                copy.write_row((*person.key, person.roster_version, person.removed, person.email_key))
        connection.execute(QUERIES["forget_removed_districts"])
        connection.execute(QUERIES["lock_districts"])
        connection.execute(QUERIES["forget_seen"])
        before: dict[PersonKey, tuple[str, str | None]] = {
            (district, kind, id_): (state, account)
            for district, kind, id_, state, account in connection.execute(QUERIES["before"])
        }
        connection.execute(QUERIES["people"])
        matches: dict[PersonKey, Match] = {}
        taken: set[tuple[str, str]] = set()
        versions: dict[PersonKey, int] = {}
        for district, kind, id_, version, linked, by_email, sharing, is_taken in connection.execute(
            QUERIES["candidates"]
        ).fetchall():
            one = by_email[0] if len(by_email) == 1 else None
            found = match(linked, by_email, sharing, is_taken or (district, one) in taken)
            if found.account_id is not None:
                taken.add((district, found.account_id))
            matches[district, kind, id_] = found
            versions[district, kind, id_] = version
        _settle(connection, matches)
        events = [
            _event(key, found.state, found.account_id, versions[key], found.text)
            for key, found in matches.items()
            if before.get(key) != (found.state, found.account_id)
        ]
        for person in people:
            if person.removed and before.get(person.key, ("deactivated", None))[0] != "deactivated":
                text = "no longer in the district's roster; the account and its work stay"
                events.append(_event(person.key, "deactivated", None, person.roster_version, text))
        with connection.cursor() as cursor:
            cursor.executemany(OUTBOX_INSERT, events)
    return len(events)


def _settle(connection: psycopg.Connection[Any], matches: dict[PersonKey, Match]) -> None:
    connection.execute(
        QUERIES["settle"],
        {
            "districts": [key[0] for key in matches],
            "kinds": [key[1] for key in matches],
            "ids": [key[2] for key in matches],
            "states": [found.state for found in matches.values()],
            "accounts": [found.account_id for found in matches.values()],
        },
    )


def _event(key: PersonKey, state: Any, account_id: str | None, version: int, text: str) -> dict[str, str | None]:
    district, kind, id_ = key
    changed = ActivationChanged(
        district=district,
        kind="teachers" if kind == "teachers" else "students",
        id=id_,
        state=state,
        account_id=account_id,
        roster_version=version,
        text=text,
    )
    person = "/".join(key)
    return outbox_row(
        ACTIVATIONS,
        f"dev.rollcall.activation.{state}.v1",
        changed,
        key=person,
        source="/rollcall/activation",
        identity=(person, state, account_id, version),
        subject=person,
    )


def run(settings: Settings, stop: threading.Event) -> None:
    """Work until `stop` is set. Raises what cannot be waited out."""
    installation = find_installation(settings)
    publisher = Publisher(installation.kafka, settings.topic_prefix, "rollcall-activation")
    dead_letters = DeadLetters(publisher, "activation")
    try:
        Worker(
            name="activation",
            topic=UPDATES,
            bootstrap=installation.kafka,
            prefix=settings.topic_prefix,
            open_lane=lambda _partition: ActivationLane(installation.database, dead_letters),
            lane_of=lambda message: str(message.partition),
            stop=stop,
            instance=settings.instance,
        ).run()
    finally:
        publisher.close()
