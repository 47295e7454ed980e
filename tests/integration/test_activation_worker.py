"""Activation: people in roster updates meet accounts; every change is told once; no account is ever made."""

from collections.abc import Iterator

import pytest

from schemas.cloudevents import CloudEvent
from schemas.events import ActivationChanged, RosterUpdate
from schemas.records import Student, digest_of, encode_record
from schemas.topics import ACTIVATIONS, UPDATES
from services.clock import now
from tests.pipeline import Pipeline, pipeline, until


@pytest.fixture
def activating(kafka: str, database: str, topic_prefix: str) -> Iterator[Pipeline]:
    with pipeline(kafka, database, topic_prefix, "activation", "relay") as running:
        running.add_district("springfield")
        yield running


def _account(running: Pipeline, email: str) -> str:
    account = running.query("INSERT INTO accounts DEFAULT VALUES RETURNING account_id::text")[0][0]
    running.query("INSERT INTO account_emails (account_id, email) VALUES (%s, %s) RETURNING 1", account, email)
    return str(account)


def _update(running: Pipeline, version: int, id_: str, email: str | None, op: str = "created") -> None:
    student = Student(id_, email, "Sam", "Lee", "Sam Lee", ("s1",))
    removed = op == "removed"
    data = RosterUpdate.model_validate(
        {
            "district": "springfield",
            "roster_version": version,
            "position": 1,
            "op": op,
            "kind": "students",
            "id": id_,
            "digest": None if removed else digest_of(encode_record(student)),
            "record": None if removed else student,
        }
    )
    event = CloudEvent(
        type=f"dev.rollcall.student.{op}.v1",
        source="/tests",
        subject=id_,
        id=f"{version}-{id_}",
        time=now(),
        data=data,
    )
    running.publisher.publish(UPDATES, event, key=f"springfield/students/{id_}")
    running.publisher.flush()


def _states(running: Pipeline) -> dict[str, tuple[str, str | None]]:
    rows = running.query("SELECT id, state, account_id::text FROM activations")
    return {id_: (state, account) for id_, state, account in rows}


def _settled(running: Pipeline, expected: dict[str, tuple[str, str | None]]) -> None:
    until(f"activations are {expected}", lambda: True if _states(running) == expected else None)


def _told(running: Pipeline) -> list[tuple[str, str]]:
    running.published()
    return [(e.id, e.state) for e in running.events(ACTIVATIONS) if isinstance(e, ActivationChanged)]


def test_a_person_finds_the_account_with_their_email_and_another_is_asked_to_make_one(activating: Pipeline) -> None:
    account = _account(activating, " Ann@School.example ")
    _update(activating, 1, "ann", "ann@school.example")
    _update(activating, 1, "bob", "bob@school.example")
    _settled(activating, {"ann": ("activated", account), "bob": ("required", None)})
    assert sorted(_told(activating)) == [("ann", "activated"), ("bob", "required")]
    assert activating.query("SELECT count(*) FROM accounts") == [(1,)]


def test_two_people_with_one_email_are_both_a_conflict_for_a_human(activating: Pipeline) -> None:
    _account(activating, "twins@school.example")
    twins = [f"twin-{number}" for number in range(8)]
    for twin in twins:
        _update(activating, 1, twin, "twins@school.example")
    until("all are known", lambda: True if len(_states(activating)) == len(twins) else None)
    states = [state for state, _ in _states(activating).values()]
    assert states.count("conflict") >= len(twins) - 1
    assert states.count("activated") <= 1


def test_an_update_delivered_twice_or_late_is_told_once(activating: Pipeline) -> None:
    _update(activating, 2, "ann", "ann@school.example")
    _update(activating, 2, "ann", "ann@school.example")
    _update(activating, 1, "ann", None)
    _settled(activating, {"ann": ("required", None)})
    _update(activating, 1, "bob", None)
    _settled(activating, {"ann": ("required", None), "bob": ("required", None)})
    assert sorted(_told(activating)) == [("ann", "required"), ("bob", "required")]


def test_who_leaves_loses_the_link_and_never_the_account_and_finds_it_again_on_return(activating: Pipeline) -> None:
    account = _account(activating, "ann@school.example")
    _update(activating, 1, "ann", "ann@school.example")
    _settled(activating, {"ann": ("activated", account)})
    _update(activating, 2, "ann", None, "removed")
    _settled(activating, {"ann": ("deactivated", None)})
    _update(activating, 3, "ann", "ann@school.example")
    _settled(activating, {"ann": ("activated", account)})
    assert _told(activating) == [("ann", "activated"), ("ann", "deactivated"), ("ann", "activated")]
    assert activating.query("SELECT account_id::text FROM accounts") == [(account,)]
