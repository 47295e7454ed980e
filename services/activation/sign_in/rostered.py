"""The rostered person behind a provider's word: who it is, how old, whose account, in which classes."""

from dataclasses import dataclass
from typing import Any, Literal
from zoneinfo import ZoneInfo

import psycopg

from services import clock
from services.activation.matching import PersonKey
from services.activation.sign_in.outcomes import RefusalCode
from services.database.queries import Queries

QUERIES = Queries("services.activation.sign_in", "people.sql")

Age = Literal["13 or older", "under 13", "unknown"]


@dataclass(frozen=True, slots=True)
class RosteredPerson:
    """A person as the district has them now. `state` is their activation's, None while it has not been looked at.

    `proof` is how we know whose account it is, None where nothing says so yet. Age is as of today in the district.
    """

    key: PersonKey
    given: str
    display_name: str
    email: str | None
    state: Literal["activated", "required", "conflict", "deactivated"] | None
    account_id: str | None
    proof: str | None
    classes: int
    age: Age
    today: str

    def refusal(self) -> RefusalCode | None:
        """Tell why this person can neither sign in nor activate; None where they can do one of both.

        DESIGN, "Whose account": a student must be in at least one class.
        """
        if self.state in {None, "deactivated"}:  # rostered, and activation has not heard of it yet
            return "not-yet"
        if self.state == "conflict":
            return "office-told"
        if self.state == "required" and self.key[1] == "students" and not self.classes:
            return "no-class"
        return None


def lock_person(connection: psycopg.Connection[Any], district: str, id_: str) -> None:
    """Have whoever else signs in as this person wait for the end of the transaction."""
    connection.execute(QUERIES["lock_person"], {"district": district, "id": id_})


def find_person(
    connection: psycopg.Connection[Any], district: str, id_: str, kind: str | None
) -> RosteredPerson | None:
    """Give the person; of one who is both a teacher and a student, the `kind` that is asked for, else the teacher."""
    zone = connection.execute(QUERIES["timezone"], {"district": district}).fetchone()
    if zone is None:
        return None
    today = clock.now().astimezone(ZoneInfo(zone[0])).date().isoformat()
    rows = connection.execute(QUERIES["rostered"], {"district": district, "id": id_, "today": today}).fetchall()
    row = next((row for row in rows if row[0] == kind), rows[0] if rows else None)
    if row is None:
        return None
    found_kind, given, display_name, email, state, account_id, proof, proven, classes, age = row
    return RosteredPerson(
        key=PersonKey(district, found_kind, id_),
        given=given,
        display_name=display_name,
        email=email,
        state=state,
        account_id=account_id,
        proof=proof if proven == account_id else None,
        classes=classes,
        age=age,
        today=today,
    )


def has_left(connection: psycopg.Connection[Any], district: str, id_: str) -> bool:
    """Tell whether somebody of this id was rostered once and is no longer."""
    row = connection.execute(QUERIES["has_left"], {"district": district, "id": id_}).fetchone()
    return bool(row and row[0])


def follow_age(connection: psycopg.Connection[Any], account_id: str) -> None:
    """Limit the account of somebody who is under 13, and lift that once they are not."""
    connection.execute(QUERIES["follow_age"], {"account_id": account_id, "now": clock.now()})


def usable_email(connection: psycopg.Connection[Any], person: RosteredPerson) -> str | None:
    """Give the district's email of the person, where no account and nobody else in the district has it."""
    if person.email is None or not person.email.strip():
        return None
    about = {"district": person.key[0], "id": person.key[2], "email": person.email}
    row = connection.execute(QUERIES["email_is_free"], about).fetchone()
    return person.email.strip() if row and row[0] else None


def classes_of(connection: psycopg.Connection[Any], person: PersonKey) -> list[tuple[str, str]]:
    """Give id and name of each class that the person is in."""
    district, kind, id_ = person
    return connection.execute(QUERIES["classes"], {"district": district, "kind": kind, "id": id_}).fetchall()
