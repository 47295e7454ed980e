"""A stage that stands still makes nobody else grow, wait or drop out; what waits goes through once it moves again."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial

import psycopg
import pytest

from schemas.events import RosterSynced
from schemas.records import Class, Record, RecordKind, School, Student, Teacher
from schemas.topics import DEAD_LETTERS, UPDATES
from services.database.connect import connect
from tests.guarding import partition_of
from tests.pipeline import Pipeline, pipeline, until

SLOW = "springfield"
BESIDE = next(name for number in range(99) if partition_of(name := f"beside-{number}") == partition_of(SLOW))
"""A district whose messages share every partition with the slow one's: the worst place to be."""

GROWTH = 64 * 1024 * 1024
READER_PATIENCE = "SET lock_timeout = '2s'"


def _roster(night: int) -> dict[RecordKind, Sequence[Record]]:
    students = [
        Student(f"p{number:04}", None, "Sam", f"Lee {night if number % 10 == 0 else 0}", f"Sam {number}", ("s1",))
        for number in range(300)
    ]
    classes = [
        Class(
            f"c{number}",
            f"Math {night if number == 0 else 0}",
            "s1",
            ("t1",),
            tuple(student.id for student in students[number::10]),
        )
        for number in range(10)
    ]
    teacher = Teacher("t1", None, "Ada", "Hand", "Ada Hand", ("s1",))
    return {"schools": [School("s1", "Lincoln")], "teachers": [teacher], "students": students, "classes": classes}


@pytest.fixture
def night_under_way(kafka: str, database: str, topic_prefix: str) -> Iterator[Pipeline]:
    with pipeline(kafka, database, topic_prefix, "diff", "guard", "apply", "relay") as running:
        for district in (SLOW, BESIDE):
            running.add_district(district)
            assert running.ended(running.publish_snapshot(district, _roster(1))).state == "applied"
        running.published()
        yield running


def _versions(running: Pipeline, district: str) -> list[int]:
    return [
        event.roster_version
        for event in running.events(UPDATES)
        if isinstance(event, RosterSynced) and event.district == district
    ]


def _judged(running: Pipeline, sync_id: str) -> bool | None:
    return bool(running.query("SELECT 1 FROM nights WHERE sync_id = %s AND change_set IS NOT NULL", sync_id)) or None


def _waits_for_a_lock(running: Pipeline) -> bool | None:
    statement = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(running.query(statement)) or None


def test_a_merge_held_open_makes_no_reader_wait_and_stops_no_other_district(night_under_way: Pipeline) -> None:
    running = night_under_way
    running.kill("apply")
    sync_id = running.publish_snapshot(SLOW, _roster(2))
    until("the slow set is judged", lambda: _judged(running, sync_id))
    with psycopg.connect(running.database) as holder:
        # The night's row is the last that a merge writes: everything else of it is written, and not committed.
        holder.execute("SELECT FROM nights WHERE sync_id = %s FOR UPDATE", (sync_id,))
        running.start("apply")
        until("the merge is held inside its transaction", lambda: _waits_for_a_lock(running))
        before = running.peak_memory()
        for night in (2, 3, 4):
            assert running.ended(running.publish_snapshot(BESIDE, _roster(night))).state == "applied"
        for role in ("rollcall_operator", "rollcall_desk", "rollcall_diff"):
            with closing(connect(running.database, role)) as reader:
                reader.execute(READER_PATIENCE)
                view = "desk.activation_of_classes" if role == "rollcall_desk" else "classes"
                names = reader.execute(f"SELECT DISTINCT name FROM {view} WHERE district = %s".encode(), (SLOW,))
                assert set(names.fetchall()) == {("Math 0",), ("Math 1",)}
        assert _waits_for_a_lock(running), "the merge was open all the while"
        grown = {name: peak - before[name] for name, peak in running.peak_memory().items()}
        assert max(grown.values()) < GROWTH, grown
    assert running.ended(sync_id).state == "applied"
    running.published()
    assert (_versions(running, SLOW), _versions(running, BESIDE)) == ([1, 2], [1, 2, 3, 4])
    assert running.messages(DEAD_LETTERS) == []


def test_what_piles_up_before_a_stopped_relay_and_guard_goes_through_in_order_once_they_are_back(
    night_under_way: Pipeline,
) -> None:
    running = night_under_way
    before = running.peak_memory()
    running.kill("relay")
    for night in (2, 3):
        assert running.ended(running.publish_snapshot(SLOW, _roster(night))).state == "applied"
    assert running.query("SELECT count(*) > 0 FROM outbox") == [(True,)]
    running.kill("guard")
    waiting = [running.publish_snapshot(district, _roster(4)) for district in (SLOW, BESIDE)]
    for sync_id in waiting:
        until("diff has compared it", partial(_comparing, running, sync_id))
    grown = {name: peak - before[name] for name, peak in running.peak_memory().items()}
    assert max(grown.values()) < GROWTH, grown
    running.start("guard", "relay")
    for sync_id in waiting:
        assert running.ended(sync_id).state == "applied"
    running.published()
    assert (_versions(running, SLOW), _versions(running, BESIDE)) == ([1, 2, 3, 4], [1, 2])
    assert running.messages(DEAD_LETTERS) == []


def _comparing(running: Pipeline, sync_id: str) -> bool | None:
    return bool(running.query("SELECT 1 FROM nights WHERE sync_id = %s AND state = 'comparing'", sync_id)) or None
