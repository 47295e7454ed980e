"""What the desk keeps of people in conflict: the newest word of the topic, and of everybody else nothing."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg_pool import ConnectionPool

from schemas.cloudevents import CloudEvent, event_id
from schemas.events import ActivationChanged, ConflictResolved
from schemas.records import Record, RecordKind, School, Student, Teacher
from schemas.topics import ACTIVATIONS, DECISIONS
from services.database.connect import connect, with_role
from services.dead_letters import DeadLetters
from services.guard.desk.activation_progress import progress
from services.guard.desk.conflicts import (
    Person,
    candidate_accounts,
    conflict,
    look_at_names,
    open_by_district,
    person_facts,
    resolutions,
)
from services.guard.desk.feed import FeedLane
from services.guard.desk.read_model import Connection
from services.messages import Message
from tests.rostered import activate, add_account, add_roster

ANA = Person("springfield", "students", "s1")
BEGAN = datetime(2026, 11, 20, 8, tzinfo=UTC)


class NoLetters(DeadLetters):
    def __init__(self) -> None:
        """Nothing of these tests may become a dead letter."""

    def put(self, message: Message, reason: str) -> None:
        raise AssertionError(reason)


@pytest.fixture
def lane(database: str) -> Iterator[FeedLane]:
    address = with_role(database, "rollcall_desk")
    with ConnectionPool(address, kwargs={"autocommit": True}, min_size=1, max_size=2) as pool:
        yield FeedLane(pool, NoLetters())


@pytest.fixture
def desk(database: str) -> Iterator[Connection]:
    with connect(database, "rollcall_desk") as connection:
        yield connection


def message(event: ActivationChanged | ConflictResolved, offset: int, key: str = str(ANA)) -> Message:
    """Give the event as its topic carries it at this offset, told that many hours after BEGAN."""
    topic, type_ = (
        (ACTIVATIONS, f"dev.rollcall.activation.{event.state}.v1")
        if isinstance(event, ActivationChanged)
        else (DECISIONS, "dev.rollcall.conflict.resolved.v1")
    )
    wrapped = CloudEvent(
        type=type_,
        source="/tests",
        subject=str(ANA),
        id=event_id(type_, offset),
        time=BEGAN + timedelta(hours=offset),
        data=event,
    )
    return Message(topic, 0, offset, key.encode(), wrapped.value(), wrapped.headers())


def changed(state: Any, *candidates: str, account_id: str | None = None) -> ActivationChanged:
    return ActivationChanged(
        district="springfield", kind="students", id="s1", state=state, account_id=account_id, roster_version=1,
        reason="several-accounts" if state == "conflict" else "reviewer", text="Told.", candidates=candidates,
    )  # fmt: skip


def test_a_conflict_is_open_since_it_began_and_over_once_it_is_settled(lane: FeedLane, desk: Connection) -> None:
    lane.take([message(changed("conflict", "a1", "a2"), 1), message(changed("conflict", "a2", "a3"), 5)])
    found = conflict(desk, ANA)
    assert found is not None
    assert (found.since, found.candidates) == (BEGAN + timedelta(hours=1), ["a2", "a3"])
    assert found.why == "Several accounts have the rostered email."
    assert open_by_district(desk) == {"springfield": 1}
    lane.take([message(changed("linked", account_id="a2"), 6)])
    settled = conflict(desk, ANA)
    assert settled is not None
    assert (settled.state, settled.account_id, settled.ended_text) == ("linked", "a2", "Told.")
    assert open_by_district(desk) == {}
    lane.take([message(changed("conflict", "a2"), 9)])
    again = conflict(desk, ANA)
    assert again is not None
    assert (again.state, again.since, again.account_id) == ("conflict", BEGAN + timedelta(hours=9), None)


def test_among_thousands_the_few_in_conflict_are_followed_in_their_order(lane: FeedLane, desk: Connection) -> None:
    batch = [message(changed("activated"), number, f"springfield/students/x{number}") for number in range(500)]
    batch[100] = message(changed("conflict", "a1"), 100)
    batch[300] = message(changed("linked", account_id="a1"), 300)
    lane.take(batch)
    found = conflict(desk, ANA)
    assert found is not None
    assert (found.state, found.candidates) == ("linked", ["a1"])
    lane.take([message(changed("required"), 501)])
    again = conflict(desk, ANA)
    assert again is not None
    assert again.state == "required"


def test_a_key_that_names_nobody_loses_no_event(lane: FeedLane, desk: Connection) -> None:
    lane.take([message(changed("conflict", "a1"), 1)])
    lane.take([message(changed("linked", account_id="a1"), 2, "no person"), message(changed("required"), 3, "a/b/\0")])
    found = conflict(desk, ANA)
    assert found is not None
    assert found.state == "required"


def test_of_who_was_never_in_conflict_nothing_is_kept(lane: FeedLane, desk: Connection) -> None:
    lane.take([message(changed(state), number) for number, state in enumerate(("activated", "required", "linked"))])
    assert desk.execute("SELECT count(*) FROM desk.conflicts").fetchall() == [(0,)]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    states=st.lists(st.sampled_from(["conflict", "linked", "required", "deactivated"]), min_size=1, max_size=5),
    again=st.data(),
)
def test_whatever_is_delivered_again_the_newest_word_counts(
    lane: FeedLane, desk: Connection, states: list[str], again: st.DataObject
) -> None:
    desk.execute("UPDATE desk.conflicts SET last_offset = -1, state = 'deactivated'")
    told = [message(changed(state, "a1"), number) for number, state in enumerate(states)]
    lane.take(told)
    once = conflict(desk, ANA)
    start = again.draw(st.integers(0, len(told) - 1))
    lane.take(told[start:])
    assert conflict(desk, ANA) == once
    assert once is None or once.state == states[-1]


def test_what_any_tool_says_of_a_conflict_is_kept_once(lane: FeedLane, desk: Connection) -> None:
    said = ConflictResolved(
        district="springfield", kind="students", id="s1", account_id=None, reviewer="ana", reason="twins",
        decided_at=BEGAN,
    )  # fmt: skip
    lane.take([message(said, 7), message(said, 7)])
    [kept] = resolutions(desk, ANA)
    assert (kept.reviewer, kept.account_id, kept.taken_at) == ("ana", None, None)


@pytest.fixture
def rostered(database: str) -> dict[str, str]:
    """Ana is in conflict between two accounts; Ben, who shares her email, and a teacher are activated."""
    ana = Student("s1", "ana@x.org", "Ana", "Lovelace", "Ana Lovelace", ("school-1",))
    ben = Student("s2", "ana@x.org", "Ben", "Lovelace", "Ben Lovelace", ("school-1",))
    edna = Teacher("t1", "edna@x.org", "Edna", "Krabappel", "Edna Krabappel")
    with psycopg.connect(database) as connection:
        records: dict[RecordKind, Sequence[Record]] = {
            "schools": [School("school-1", "Lincoln")], "students": [ana, ben], "teachers": [edna]
        }  # fmt: skip
        add_roster(connection, "springfield", records)
        made = {name: add_account(connection, f"{name}@x.org") for name in ("ana", "edna", "other")}
        connection.execute(
            "INSERT INTO identities (provider, tenant, subject, account_id, proof)"
            " VALUES ('clever', '', 's1', %s, 'import')",
            (made["other"],),
        )
        activate(connection, "springfield", ana, "conflict", "email-and-id-differ", None, (made["ana"], made["other"]))
        activate(connection, "springfield", ben, "activated", "same-email", made["ana"])
        activate(connection, "springfield", edna, "activated", "same-email", made["edna"])
    return made


def test_each_account_tells_what_speaks_for_it(desk: Connection, rostered: dict[str, str]) -> None:
    accounts = {account.account_id: account for account in candidate_accounts(desk, ANA)}
    assert set(accounts) == {rostered["ana"], rostered["other"]}
    by_email, by_id = accounts[rostered["ana"]], accounts[rostered["other"]]
    assert (by_email.same_email, by_email.same_id, by_email.people) == (True, False, ["springfield/students/s2"])
    assert (by_id.same_email, by_id.same_id, by_id.people) == (False, True, [])
    facts = person_facts(desk, ANA)
    assert facts is not None
    assert facts.sharing_email == ["students/s2"]


def test_names_are_read_only_with_a_look_on_record(desk: Connection, rostered: dict[str, str]) -> None:
    names = look_at_names(desk, ANA, "ana@desk.example")
    assert (names.display_name, names.email) == ("Ana Lovelace", "ana@x.org")
    assert names.accounts[rostered["other"]] == (None, ["other@x.org"])
    assert desk.execute("SELECT reviewer, id FROM desk.conflict_looks").fetchall() == [("ana@desk.example", "s1")]
    for statement in ("DELETE FROM desk.conflict_looks", "UPDATE desk.conflict_looks SET reviewer = 'x'"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            desk.execute(statement.encode())


def test_the_desk_reaches_no_account_and_no_person_but_those_of_open_conflicts(
    desk: Connection, rostered: dict[str, str]
) -> None:
    for table in ("accounts", "account_emails", "identities", "activations", "students", "teachers", "places"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            desk.execute(f"SELECT 1 FROM {table} LIMIT 1".encode())
    assert desk.execute("SELECT id FROM desk.conflict_people").fetchall() == [("s1",)]
    shown = {row[0] for row in desk.execute("SELECT account_id FROM desk.conflict_accounts").fetchall()}
    assert rostered["edna"] not in shown


def test_who_was_not_matched_yet_waits_and_is_no_gap_in_the_count(
    database: str, desk: Connection, rostered: dict[str, str]
) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("DELETE FROM activations WHERE id = 's2'")
    found = progress(desk, "springfield")
    assert found.students.states == {"activated": 0, "required": 0, "conflict": 1, "waiting": 1}
    assert (found.teachers.people, found.teachers.activated) == (1, 1)
    [school] = found.schools
    assert (school.students.people, school.teachers.people) == (2, 0)
    assert progress(desk, "nowhere").students.people == 0
