"""Two processes of every kafka-python worker, one killed in the middle: nothing lost, nothing twice in effect."""

from collections.abc import Sequence

import pytest

from schemas.events import RosterSynced, RosterUpdate
from schemas.records import Class, Record, RecordKind, School, Student, Teacher, digest_of, encode_record
from schemas.topics import DEAD_LETTERS, UPDATES, Worker
from services.subscriber import RosterReader
from tests.pipeline import Pipeline, pipeline, until

DISTRICTS = [f"district-{number}" for number in range(8)]


def _roster(night: int) -> dict[RecordKind, Sequence[Record]]:
    students = [
        Student(f"p{n:04}", None, "Sam", f"Lee {n} {night if n % 10 == night else 0}", f"Sam {n}", ("s1",))
        for n in range(night, 400 + night)
    ]
    classes = [
        Class(
            f"c{c}", "Math", "s1", ("t1",), tuple(student.id for student in students if int(student.id[1:]) % 20 == c)
        )
        for c in range(20)
    ]
    teacher = Teacher("t1", None, "Ada", "Hand", "Ada Hand", ("s1",))
    return {"schools": [School("s1", "Lincoln")], "teachers": [teacher], "students": students, "classes": classes}


@pytest.mark.parametrize("victim", ["diff", "apply", "activation"])
def test_one_of_two_workers_killed_in_the_middle_of_many_nights_loses_nothing_and_doubles_nothing(
    kafka: str, database: str, topic_prefix: str, victim: Worker
) -> None:
    workers: tuple[Worker, ...] = ("diff", "guard", "apply", "relay", "activation")
    two: tuple[Worker, ...] = ("diff", "apply", "activation")
    with pipeline(kafka, database, topic_prefix, *workers, *two) as running:
        for district in DISTRICTS:
            running.add_district(district)
        for night in range(3):
            records = _roster(night)
            syncs = [running.publish_snapshot(district, records, page_records=40) for district in DISTRICTS]
            if night == 1:
                until("somebody is applied", lambda: _applied(running, 2) > 0 or None)
                running.kill_one(victim)
            for sync_id in syncs:
                assert running.ended(sync_id).state == "applied"
        running.published()
        _in_step(running, _roster(2))
        until(
            "everybody's activation is up to date",
            lambda: (
                running.query(
                    "SELECT 1 FROM activations WHERE state = 'required' HAVING count(*) = %s", 401 * len(DISTRICTS)
                )
                or None
            ),
        )
        assert running.messages(DEAD_LETTERS) == []


def _applied(running: Pipeline, version: int) -> int:
    return int(running.query("SELECT count(*) FROM rosters WHERE roster_version >= %s", version)[0][0])


def _in_step(running: Pipeline, records: dict[RecordKind, Sequence[Record]]) -> None:
    everything = [record for kind in records.values() for record in kind]
    digest = sum(int(digest_of(encode_record(record)), 16) for record in everything) % (1 << 128)
    for district in DISTRICTS:
        rows = running.query("SELECT roster_version, encode(digest, 'hex') FROM rosters WHERE district = %s", district)
        assert rows == [(3, f"{digest:032x}")]
        assert running.query("SELECT count(*) FROM ledger WHERE district = %s", district) == [(3,)]
    reader = RosterReader()
    positions: dict[tuple[str, int], list[int]] = {}
    for event in running.events(UPDATES):
        assert isinstance(event, RosterUpdate | RosterSynced)
        reader.take(event)
        if isinstance(event, RosterUpdate):
            positions.setdefault((event.district, event.roster_version), []).append(event.position)
    assert {district: reader.in_step(district) for district in DISTRICTS} == dict.fromkeys(DISTRICTS, 3)
    for told in positions.values():
        assert set(told) == set(range(1, max(told) + 1))
