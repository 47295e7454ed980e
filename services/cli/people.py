"""Rostered people as commands name them, and what the accounts database knows of each."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, cast

import psycopg
from psycopg.rows import dict_row

from services.activation.reasons import REASONS
from services.cli.failures import WrongUsageError
from services.database.queries import Queries

QUERIES = Queries("services.cli", "people.sql")

_KINDS = {"teacher": "teachers", "teachers": "teachers", "student": "students", "students": "students"}


@dataclass(frozen=True, slots=True)
class PersonKey:
    """Who a rostered person is: the key of their updates and activations."""

    district: str
    kind: Literal["teachers", "students"]
    id: str

    def __str__(self) -> str:
        return f"{self.district}/{self.kind}/{self.id}"


def person_key(typed: str) -> PersonKey:
    """Read DISTRICT/KIND/ID; the id may hold further slashes. Raises WrongUsageError."""
    district, _, rest = typed.partition("/")
    kind, _, id_ = rest.partition("/")
    if kind not in _KINDS or not district or not id_:
        raise WrongUsageError(
            "bad-person", f"{typed!r} names nobody; write DISTRICT/teachers/ID or DISTRICT/students/ID"
        )
    return PersonKey(district, cast(Literal["teachers", "students"], _KINDS[kind]), id_)


def rows(connection: psycopg.Connection[Any], query: str, **about: object) -> list[dict[str, Any]]:
    """Give the rows of a query as programs are told: times in ISO 8601."""
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(QUERIES[query], about).fetchall()
    return [
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        for row in found
    ]


def row(connection: psycopg.Connection[Any], query: str, **about: object) -> dict[str, Any] | None:
    """Give the only row of a query, or None where there is none."""
    return next(iter(rows(connection, query, **about)), None)


def people(connection: psycopg.Connection[Any], query: str, **about: object) -> list[PersonKey]:
    """Give the people that one of the `by_…` queries finds."""
    return [PersonKey(**row) for row in rows(connection, query, **about)]


def described_person(connection: psycopg.Connection[Any], person: PersonKey) -> dict[str, Any]:
    """Give what is known of a person, by ids alone, for programs: `next` says in a sentence what to do."""
    about = asdict(person)
    record = row(connection, "rostered", **about)
    classes = rows(connection, "classes", **about)
    activation = row(connection, "activation", **about)
    if activation is not None:
        activation["text"] = REASONS.get(activation["reason"], "")
    sources = [record, *classes, activation]
    versions = sorted({source["roster_version"] for source in sources if source is not None})
    described = {
        **about,
        "rostered": record is not None,
        "roster": record,
        "classes": classes,
        "activation": activation,
        "identities": rows(connection, "identities", **about),
        "nights": rows(connection, "nights", district=person.district, versions=versions),
        "held": rows(connection, "held", **about),
    }
    return {**described, "next": what_next(person, described)}


_OF_STATE = {
    "activated": "Nothing: they have their account and their classes.",
    "required": "Nothing: at their next sign-in through the district they make an account, or log in to theirs.",
    "conflict": "Say whose account it is: `rollcall conflict resolve {person} --account ID --reason …`, or have them "
    "asked at their next sign-in: `rollcall conflict resolve {person} --ask-person --reason …`.",
    None: "Activation has not come to them yet; `rollcall status` shows whether it is up and how far behind.",
}


def what_next(person: PersonKey, described: dict[str, Any]) -> str:
    """Say what to do about a person, from what is known of them (pure)."""
    activation = described["activation"]
    state = activation["state"] if activation is not None else None
    if described["held"]:
        sets = sorted({held["change_set"][:12] for held in described["held"]})
        shown = " and ".join(f"`rollcall held show {change_set}`" for change_set in sets)
        return f"A change of them is held: review it with {shown}."
    if not described["rostered"]:
        return (
            "Nothing: who comes back into the roster is matched again. If they should be there, ask the district to "
            f"correct its roster, then `rollcall sync {person.district}`."
        )
    if state == "required" and person.kind == "students" and not described["classes"]:
        return "The district must put them into a class first; only then are they asked at their sign-in."
    return _OF_STATE.get(state, _OF_STATE[None]).format(person=person)
