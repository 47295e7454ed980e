"""Why a person is where they are, and what a person says of a conflict, from the command line."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from schemas.events import ConflictResolved
from schemas.records import Class, School, Student, Teacher
from schemas.topics import DECISIONS
from tests.cli_inside import CliInside
from tests.pipeline import Pipeline
from tests.rostered import activate, add_account, add_roster

KIM = Student("s1", "kim@x.org", "Kim", "Ortega", "Kim Ortega", ("school-1",))
LEE = Student("s/2", "lee@x.org", "Lee", "Ortega", "Lee Ortega", ("school-1",))
EDNA = Teacher("t1", "edna@x.org", "Edna", "Krabappel", "Edna Krabappel", ("school-1",))


@pytest.fixture(scope="module")
def running(kafka: str, shared_database: str, shared_topic_prefix: str) -> Iterator[Pipeline]:
    """An installation without workers: what is published stays to be looked at."""
    started = Pipeline(kafka, shared_database, shared_topic_prefix)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def accounts(running: Pipeline) -> dict[str, str]:
    """Edna is activated, Kim in conflict between two accounts, Lee is asked; a class holds them."""
    with running.connect() as connection:
        classes = [Class("c1", "Math 5", "school-1", ("t1",), ("s/2", "s1"))]
        schools = [School("school-1", "Lincoln Elementary")]
        records: Any = {"schools": schools, "teachers": [EDNA], "students": [KIM, LEE], "classes": classes}
        add_roster(connection, "springfield", records)
        made = {name: add_account(connection, f"{name}@x.org") for name in ("edna", "kim", "kim2")}
        activate(connection, "springfield", EDNA, "activated", "same-email", made["edna"])
        activate(connection, "springfield", KIM, "conflict", "several-accounts", None, (made["kim"], made["kim2"]))
        activate(connection, "springfield", LEE, "required", "no-account")
    return made


@pytest.fixture
def rollcall(running: Pipeline, tmp_path: Path) -> CliInside:
    return CliInside(tmp_path, running.kafka, running.database, running.prefix)


def test_a_person_is_explained_by_roster_class_account_night_and_what_to_do(
    rollcall: CliInside, accounts: dict[str, str]
) -> None:
    told = rollcall("explain", "springfield/students/s1", "--json").object
    [kim] = told["people"]
    assert kim["rostered"] is True
    assert kim["roster"]["schools"] == [{"id": "school-1", "name": "Lincoln Elementary"}]
    assert [(one["id"], one["name"]) for one in kim["classes"]] == [("c1", "Math 5")]
    assert (kim["activation"]["state"], kim["activation"]["reason"]) == ("conflict", "several-accounts")
    assert "Several accounts" in kim["activation"]["text"]
    assert kim["activation"]["candidates"] == [accounts["kim"], accounts["kim2"]]
    assert [(night["roster_version"], night["sync_id"]) for night in kim["nights"]] == [(1, "sync-1")]
    assert "rollcall conflict resolve springfield/students/s1" in kim["next"]

    printed = rollcall("explain", "springfield/students/s1")
    for words in ("Lincoln Elementary", "Math 5 (c1)", "conflict", accounts["kim2"], "roster version 1", "sync-1"):
        assert words in printed.out
    for name in ("Ortega", "kim@"):
        assert name not in printed.out + printed.err


def test_a_person_is_found_by_id_in_a_district_by_account_and_by_email(
    rollcall: CliInside, accounts: dict[str, str]
) -> None:
    for typed in (("t1",), ("t1", "--district", "springfield"), (accounts["edna"],), (" EDNA@x.org",)):
        told = rollcall("explain", *typed, "--json").object
        assert [(one["district"], one["kind"], one["id"]) for one in told["people"]] == [
            ("springfield", "teachers", "t1")
        ], typed
    assert rollcall("explain", "springfield/student/s/2", "--json").object["people"][0]["id"] == "s/2"
    candidate = rollcall("explain", accounts["kim2"])
    assert "springfield/students/s1" in candidate.out
    assert "belongs to nobody who is rostered" in candidate.out


def test_somebody_unknown_is_refused_with_how_people_are_named(rollcall: CliInside, accounts: dict[str, str]) -> None:
    unknown = rollcall("explain", "springfield/students/nobody", "--json")
    assert (unknown.status, unknown.object["error"]["code"]) == (1, "unknown-person")
    assert "DISTRICT/students/ID" in unknown.object["error"]["text"]
    assert rollcall("explain", "springfield/janitors/j1").status == 2


def hold_removal_of_lee(connection: psycopg.Connection[Any]) -> None:
    """Put a held set into the desk's tables in which Lee leaves, and leaves the class."""
    [(held_set,)] = connection.execute(
        "INSERT INTO desk.held_sets (district, change_set, snapshot_id, sync_id, partition, first_offset, base_version,"
        " changes, chunks, counts, reasons, proofs, defects, emptied_schools, renumbered, held_by, started_at, held_at)"
        " VALUES ('springfield', 'abcdefabcdefabcd', 'n', 'y', 0, 0, 1, 2, 1, '{}', '[]', '[]', '{}', '[]', '{}',"
        " 'policy', now(), now()) RETURNING held_set"
    ).fetchall()
    before, after = {"students": ["s1", "s/2"], "teachers": ["t1"]}, {"students": ["s1"], "teachers": ["t1"]}
    for place, op, kind, id_, was, will in (
        (1, "removed", "students", "s/2", {}, None),
        (2, "updated", "classes", "c1", before, after),
    ):
        connection.execute(
            "INSERT INTO desk.held_changes (held_set, place, beside, op, kind, id, schools, before, record)"
            " VALUES (%s, %s, 1, %s, %s, %s, '{}', %s, %s)",
            (held_set, place, op, kind, id_, Jsonb(was), Jsonb(will) if will is not None else None),
        )


def test_a_held_change_of_a_person_and_of_their_class_is_named(
    rollcall: CliInside, running: Pipeline, accounts: dict[str, str]
) -> None:
    with running.connect() as connection:
        hold_removal_of_lee(connection)
    [lee] = rollcall("explain", "springfield/students/s/2", "--json").object["people"]
    assert [(held["what"], held["class"]) for held in lee["held"]] == [("removed", None), ("leaves", "c1")]
    assert "rollcall held show abcdefabcdef" in lee["next"]
    [kim] = rollcall("explain", "springfield/students/s1", "--json").object["people"]
    assert kim["held"] == []


def test_conflicts_are_listed_with_their_reason_and_candidates(rollcall: CliInside, accounts: dict[str, str]) -> None:
    [listed] = rollcall("conflict", "list", "--district", "springfield", "--json").object["conflicts"]
    assert (listed["kind"], listed["id"], listed["reason"]) == ("students", "s1", "several-accounts")
    assert listed["candidates"] == [accounts["kim"], accounts["kim2"]]
    printed = rollcall("conflict", "list")
    assert "springfield/students/s1" in printed.out
    assert "Ortega" not in printed.out
    assert rollcall("conflict", "list", "--district", "nowhere").status == 1


def decisions(running: Pipeline) -> list[ConflictResolved]:
    return [event for event in running.events(DECISIONS) if isinstance(event, ConflictResolved)]


def test_a_resolution_is_published_once_with_who_says_so_and_why(
    rollcall: CliInside, running: Pipeline, accounts: dict[str, str]
) -> None:
    before = len(decisions(running))
    typed = ("springfield/students/s1", "--reason", "asked the school", "--by", "ana", "--no-wait", "--json")
    ran = rollcall("conflict", "resolve", *typed, "--account", accounts["kim2"].upper())
    assert (ran.status, ran.object["outcome"]) == (0, "requested")
    asked = rollcall("conflict", "resolve", *typed, "--ask-person")
    assert asked.object["account_id"] is None
    published = decisions(running)[before:]
    assert sorted((one.account_id or "", one.reviewer, one.reason) for one in published) == [
        ("", "ana", "asked the school"),
        (accounts["kim2"], "ana", "asked the school"),
    ]
    assert {(one.district, one.kind, one.id) for one in published} == {("springfield", "students", "s1")}


def test_what_cannot_be_followed_is_refused_before_it_is_published(
    rollcall: CliInside, running: Pipeline, accounts: dict[str, str]
) -> None:
    before = len(decisions(running))
    kim, why = "springfield/students/s1", ("--reason", "x", "--no-wait", "--json")
    refused = {
        "no-conflict": ("springfield/teachers/t1", "--ask-person"),
        "unknown-person": ("springfield/students/nobody", "--ask-person"),
        "unknown-account": (kim, "--account", str(uuid.uuid4())),
        "bad-account": (kim, "--account", "kim@x.org"),
        "one-of": (kim,),
    }
    for code, typed in refused.items():
        ran = rollcall("conflict", "resolve", *typed, *why)
        assert ran.status in {1, 2}, code
        assert ran.object["error"]["code"] == code
    assert len(decisions(running)) == before
