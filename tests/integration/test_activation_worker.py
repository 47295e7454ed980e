"""The activation worker: updates, changed accounts and reviewers' decisions come in, each change is told once."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.cloudevents import CloudEvent
from schemas.events import ActivationChanged, ConflictResolved, RosterUpdate
from schemas.records import Student, digest_of, encode_record
from schemas.topics import ACTIVATIONS, DEAD_LETTERS, DECISIONS, UPDATES
from services.clock import now
from services.messages import make_event
from tests.pipeline import Pipeline, pipeline, until


@pytest.fixture(scope="module")
def running(kafka: str, shared_database: str, shared_topic_prefix: str) -> Iterator[Pipeline]:
    with pipeline(kafka, shared_database, shared_topic_prefix, "activation", "relay") as running:
        yield running


class District:
    """A district of one test alone."""

    def __init__(self, running: Pipeline) -> None:
        self.running = running
        self.name = f"d-{uuid.uuid4().hex[:8]}"
        running.add_district(self.name, provider="oneroster")  # at Clever one id is one person everywhere

    def email(self, name: str) -> str:
        return f"{name}@{self.name}.example"

    def account(self, email: str) -> str:
        account = self.running.query("INSERT INTO accounts DEFAULT VALUES RETURNING account_id::text")[0][0]
        self.running.query("INSERT INTO account_emails (account_id, email) VALUES (%s, %s) RETURNING 1", account, email)
        return str(account)

    def update(self, version: int, id_: str, email: str | None, op: str = "created") -> None:
        student = Student(id_, email, "Sam", "Lee", "Sam Lee", ("s1",))
        removed = op == "removed"
        data = RosterUpdate.model_validate(
            {
                "district": self.name,
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
        self.running.publisher.publish(UPDATES, event, key=f"{self.name}/students/{id_}")
        self.running.publisher.flush()

    def decide(self, id_: str, account_id: str | None, times: int = 1) -> None:
        about: dict[str, Any] = {"district": self.name, "kind": "students", "id": id_, "account_id": account_id}
        resolved = ConflictResolved(**about, reviewer="dana", reason="asked the school", decided_at=datetime.now(UTC))
        event = make_event(DECISIONS, resolved, source="tests", identity=(self.name, id_, account_id))
        for _ in range(times):
            self.running.publisher.publish(DECISIONS, event)
        self.running.publisher.flush()

    def settled(self, expected: dict[str, tuple[str, str | None]]) -> None:
        def look() -> bool | None:
            rows = self.running.query(
                "SELECT id, state, account_id::text FROM activations WHERE district = %s", self.name
            )
            return {id_: (state, account) for id_, state, account in rows} == expected or None

        until(f"activations are {expected}", look, 60)

    def told(self) -> list[tuple[str, str]]:
        self.running.published()
        events = [e for e in self.running.events(ACTIVATIONS) if isinstance(e, ActivationChanged)]
        return [(e.id, e.state) for e in events if e.district == self.name]


@pytest.fixture
def district(running: Pipeline) -> District:
    return District(running)


def test_a_person_finds_the_account_with_their_email_and_another_is_asked_to_make_one(district: District) -> None:
    account = district.account(f" {district.email('Ann').upper()} ")
    district.update(1, "ann", district.email("ann"))
    district.update(1, "bob", district.email("bob"))
    district.settled({"ann": ("activated", account), "bob": ("required", None)})
    assert sorted(district.told()) == [("ann", "activated"), ("bob", "required")]


def test_people_of_all_partitions_who_share_an_email_are_all_in_conflict(district: District) -> None:
    district.account(district.email("twins"))
    twins = [f"twin-{number}" for number in range(12)]
    for twin in twins:
        district.update(1, twin, district.email("twins"))
    district.settled(dict.fromkeys(twins, ("conflict", None)))


def test_an_update_delivered_twice_or_late_is_told_once(district: District) -> None:
    district.update(2, "ann", district.email("ann"))
    district.update(2, "ann", district.email("ann"))
    district.update(1, "ann", None)
    district.settled({"ann": ("required", None)})
    district.update(1, "bob", None)
    district.settled({"ann": ("required", None), "bob": ("required", None)})
    assert sorted(district.told()) == [("ann", "required"), ("bob", "required")]


def test_who_leaves_is_let_go_and_finds_the_account_again_on_return_told_in_order(district: District) -> None:
    account = district.account(district.email("ann"))
    district.update(1, "ann", district.email("ann"))
    district.settled({"ann": ("activated", account)})
    district.update(2, "ann", None, "removed")
    district.settled({"ann": ("deactivated", None)})
    district.update(3, "ann", None)
    district.settled({"ann": ("activated", account)})
    assert district.told() == [("ann", "activated"), ("ann", "deactivated"), ("ann", "activated")]


def test_an_account_that_anybody_makes_is_found_without_any_update(district: District) -> None:
    district.update(1, "ann", district.email("ann"))
    district.settled({"ann": ("required", None)})
    account = district.account(district.email("ann"))
    district.settled({"ann": ("activated", account)})
    assert district.told() == [("ann", "required"), ("ann", "activated")]


def test_a_reviewers_decision_on_the_topic_ends_a_conflict_once_however_often_it_is_delivered(
    district: District,
) -> None:
    account = district.account(district.email("twins"))
    for twin in ("ann", "bob"):
        district.update(1, twin, district.email("twins"))
    district.settled({"ann": ("conflict", None), "bob": ("conflict", None)})
    district.decide("ann", account, times=2)
    district.decide("bob", None)
    district.settled({"ann": ("activated", account), "bob": ("required", None)})
    assert [state for id_, state in district.told() if id_ == "ann"][-2:] == ["conflict", "linked"]
    assert district.running.messages(DEAD_LETTERS) == []
