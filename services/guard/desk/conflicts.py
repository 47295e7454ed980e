"""People in conflict as the desk's pages show them, and what a reviewer says of one.

What tells who somebody is comes apart from the facts, so that nothing of it is read unless it was asked for.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

import psycopg
from psycopg.rows import class_row

from schemas.events import ConflictResolved
from services.activation.reasons import REASONS
from services.database.queries import Queries
from services.guard.desk.decide import must_be_named, publish_decision
from services.messages import Publisher

Connection: TypeAlias = psycopg.Connection[Any]
PersonKind: TypeAlias = Literal["teachers", "students"]

QUERIES = Queries("services.guard.desk", "activation.sql")


@dataclass(frozen=True, slots=True)
class Person:
    """Who a rostered person is."""

    district: str
    kind: PersonKind
    id: str

    def __str__(self) -> str:
        return f"{self.district}/{self.kind}/{self.id}"


@dataclass(frozen=True, slots=True)
class Conflict:
    """A person in conflict, or one whose conflict is over: then `state` says how, and `account_id` whose it is."""

    district: str
    kind: PersonKind
    id: str
    state: Literal["conflict", "activated", "linked", "required", "deactivated"]
    reason: str
    text: str
    candidates: list[str]
    account_id: str | None
    ended_text: str | None
    since: datetime
    changed_at: datetime

    @property
    def person(self) -> Person:
        """Who it is about."""
        return Person(self.district, self.kind, self.id)

    @property
    def why(self) -> str:
        """Why it is a conflict, in a sentence; the event's own where its code is newer than this desk."""
        return REASONS.get(self.reason, self.text)


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """What is known of the person without saying who it is: schools by name, and who shares the email, as KIND/ID."""

    schools: list[str]
    sharing_email: list[str]


@dataclass(frozen=True, slots=True)
class CandidateAccount:
    """An account that it could be, and what speaks for it; `people` have it already, as DISTRICT/KIND/ID."""

    account_id: str
    created_at: datetime
    same_email: bool
    same_id: bool
    people: list[str]


@dataclass(frozen=True, slots=True)
class Resolution:
    """What somebody said of the conflict, and what came of it: taken, refused, or not answered yet."""

    event_id: str
    account_id: str | None
    reviewer: str
    reason: str
    decided_at: datetime
    refusal: str | None
    taken_at: datetime | None


@dataclass(frozen=True, slots=True)
class Names:
    """What tells who somebody is: the person's name, email and number; each account's name and emails, by its id."""

    display_name: str | None
    email: str | None
    number: str | None
    accounts: dict[str, tuple[str | None, list[str]]]


def open_conflicts(connection: Connection, district: str | None, *, page: int, size: int) -> list[Conflict]:
    """Give a page of the open conflicts, the oldest first; one more than `size` where there is a further page."""
    about = {"district": district, "most": size + 1, "skip": (page - 1) * size}
    with connection.cursor(row_factory=class_row(Conflict)) as cursor:
        return cursor.execute(QUERIES["open"], about).fetchall()


def settled_conflicts(connection: Connection, district: str | None, most: int = 10) -> list[Conflict]:
    """Give the conflicts that were settled last, the newest first."""
    with connection.cursor(row_factory=class_row(Conflict)) as cursor:
        return cursor.execute(QUERIES["settled_last"], {"district": district, "most": most}).fetchall()


def open_by_district(connection: Connection) -> dict[str, int]:
    """Give how many conflicts are open in each district that has any."""
    return dict(connection.execute(QUERIES["open_by_district"]).fetchall())


def conflict(connection: Connection, person: Person) -> Conflict | None:
    """Give the conflict of a person, open or not; None where there never was one."""
    with connection.cursor(row_factory=class_row(Conflict)) as cursor:
        return cursor.execute(QUERIES["one"], asdict(person)).fetchone()


def person_facts(connection: Connection, person: Person) -> PersonFacts | None:
    """Give the facts about a person who is in conflict now."""
    with connection.cursor(row_factory=class_row(PersonFacts)) as cursor:
        return cursor.execute(QUERIES["person"], asdict(person)).fetchone()


def candidate_accounts(connection: Connection, person: Person) -> list[CandidateAccount]:
    """Give the accounts that it could be, the oldest first; none once the conflict is over."""
    with connection.cursor(row_factory=class_row(CandidateAccount)) as cursor:
        return cursor.execute(QUERIES["accounts"], asdict(person)).fetchall()


def look_at_names(connection: Connection, person: Person, reviewer: str) -> Names:
    """Write down that the reviewer looks, and give the names."""
    connection.execute(QUERIES["look"], {**asdict(person), "reviewer": reviewer})
    row = connection.execute(QUERIES["person_names"], asdict(person)).fetchone()
    name, email, number = row or (None, None, None)
    accounts = connection.execute(QUERIES["account_names"], asdict(person)).fetchall()
    return Names(name, email, number, {account_id: (called, emails) for account_id, called, emails in accounts})


def resolutions(connection: Connection, person: Person) -> list[Resolution]:
    """Give all that was said of the person, whichever tool said it, the oldest first."""
    with connection.cursor(row_factory=class_row(Resolution)) as cursor:
        return cursor.execute(QUERIES["resolutions"], asdict(person)).fetchall()


def resolve(
    connection: Connection,
    publisher: Publisher,
    person: Person,
    *,
    account_id: str | None,
    reviewer: str,
    reason: str,
    decided_at: datetime,
) -> str:
    """Publish durably whose account it is (None: the person is to be asked), and give the event's id.

    Whether that can be is for activation to say. Given again with the same `decided_at`, it is the same decision.
    Raises ValueError without a reviewer or a reason, PublishError where Kafka does not take it.
    """
    must_be_named(reviewer, reason)
    data = ConflictResolved(
        **asdict(person), account_id=account_id, reviewer=reviewer, reason=reason, decided_at=decided_at
    )
    identity = (*asdict(person).values(), reviewer, decided_at.isoformat())
    return publish_decision(connection, publisher, QUERIES["resolution"], data, identity)
