"""After any history the digest and totals of a district are exactly those of what its tables hold (promise 10)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.events import Approval, ChangeSetCompleted, ChangeSetStarted
from schemas.records import (
    KINDS,
    RECORD_KINDS,
    Class,
    Record,
    RecordKind,
    School,
    Student,
    Teacher,
    digest_of,
    encode_record,
)
from services.apply.merge import merge
from services.apply.staging import StagedChangeSet
from services.database.connect import connect
from services.diff.applied import AppliedRoster
from services.diff.change_set import work_out
from services.diff.change_set_messages import chunk_message
from tests.arrived import arrived_records

Roster = dict[RecordKind, dict[str, Record]]
Night = tuple[Roster, dict[RecordKind, set[str]]]

PEOPLE = [f"p{number}" for number in range(6)]
NAMES = st.sampled_from(["Ada", 'O\'Hara \u2028 \\ "x"', "{}", "李", "a\tb\nc", "\x1f/"])


@st.composite
def nights(draw: st.DrawFn) -> Night:
    """A snapshot with ids that teach, learn or do both, and ids that could not be relied on."""
    schools: dict[str, Record] = {
        id_: School(id_, draw(NAMES)) for id_ in draw(st.sets(st.sampled_from(["s1", "s/2"])))
    }
    some = st.sets(st.sampled_from(PEOPLE))
    teachers: dict[str, Record] = {
        id_: Teacher(id_, None, draw(NAMES), "Hand", "Ada Hand", tuple(sorted(schools))) for id_ in draw(some)
    }
    students: dict[str, Record] = {
        id_: Student(id_, draw(st.none() | NAMES), "Sam", draw(NAMES), "Sam", (), grade=draw(st.none() | st.just("5")))
        for id_ in draw(some)
    }
    kept: dict[RecordKind, set[str]] = {
        "teachers": draw(some) - teachers.keys(),
        "students": draw(some) - students.keys(),
        "schools": set(),
        "classes": set(),
    }
    classes: dict[str, Record] = {}
    for id_ in draw(st.sets(st.sampled_from(["c1", "c2", "c3"]))):
        teaching = draw(st.permutations(sorted(teachers.keys() | kept["teachers"])))
        teaching = teaching[: draw(st.integers(0, len(teaching)))]
        learning = draw(st.sets(st.sampled_from(PEOPLE))) & (students.keys() | kept["students"])
        classes[id_] = Class(id_, draw(NAMES), "s1", (*teaching[:1], *sorted(teaching[1:])), tuple(sorted(learning)))
    kept["classes"] = draw(st.sets(st.sampled_from(["c1", "c2", "c3", "c4"]))) - classes.keys()
    return {"schools": schools, "teachers": teachers, "students": students, "classes": classes}, kept


def _run(connection: psycopg.Connection[Any], dsn: str, night: Night, number: int) -> None:
    records, kept = night
    about: dict[str, Any] = {"sync_id": f"sync-{number}", "snapshot_id": f"snapshot-{number}"}
    arrived = arrived_records(records, kept)
    with AppliedRoster(connection, "springfield") as applied:
        found = work_out("springfield", applied, arrived, chunk_records=3)
    now = datetime.now(UTC)
    sizes: dict[str, Any] = {
        "district": "springfield",
        "change_set": found.id,
        "changes": found.changes,
        "chunks": found.chunks.blocks,
        **about,
    }
    started = ChangeSetStarted(
        **sizes,
        base_version=found.base_version,
        counts=found.counts,
        approval=Approval(by="policy", approved_at=now),
        started_at=now,
    )
    with connect(dsn, "rollcall_apply") as applying:
        staged = StagedChangeSet(applying, started)
        for place, changes in enumerate(found.chunks, start=1):
            staged.add(chunk_message(started, place, changes, "cause")[1])
        staged.check_whole(ChangeSetCompleted(**sizes, completed_at=now))
        assert merge(staged) == ("applied" if found.changes else "unchanged")
    found.chunks.close()
    for each in arrived.values():
        each.close()


def _assert_adds_up(connection: psycopg.Connection[Any]) -> None:
    with AppliedRoster(connection, "springfield") as applied:
        held: dict[RecordKind, Sequence[Record]] = {
            kind: list(applied.records(kind, list(applied.digests(kind))).values()) for kind in RECORD_KINDS
        }
        stored = {kind: {id_: digest.hex() for id_, digest in applied.digests(kind).items()} for kind in RECORD_KINDS}
        totals = applied.totals().totals
    for kind, records in held.items():
        assert {record.id: digest_of(encode_record(record)) for record in records} == stored[kind]
    everything = [record for records in held.values() for record in records]
    digest = sum(int(digest_of(encode_record(record)), 16) for record in everything) % (1 << 128)
    row = connection.execute("SELECT encode(digest, 'hex') FROM rosters").fetchone()
    assert row == (f"{digest:032x}",)
    counted = {kind: connection.execute(f"SELECT count(*) FROM {kind}".encode()).fetchone() for kind in KINDS}
    assert {kind: (total,) for kind, total in totals.items()} == counted
    people = {"teacher": {r.id for r in held["teachers"]}, "student": {r.id for r in held["students"]}}
    for part, person in connection.execute("SELECT part, person FROM places"):
        assert person in people[part]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(nights(), min_size=1, max_size=4))
def test_digest_and_totals_are_those_of_the_tables_after_any_history(database: str, history: list[Night]) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DELETE FROM districts; DELETE FROM retired_districts")
        connection.execute(
            "INSERT INTO districts (district, name, provider, url, timezone, plan)"
            " VALUES ('springfield', 'Springfield', 'clever', 'http://127.0.0.1:9', 'UTC', 'districts')"
        )
        connection.execute("INSERT INTO rosters (district) VALUES ('springfield')")
        for number, night in enumerate(history):
            _run(connection, database, night, number)
            _assert_adds_up(connection)
