"""Apply: whole or not at all, once, and only what was computed against the version that is current."""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest

from schemas.events import ChangeSetChunk, ChangeSetStarted, Event, RosterSynced, RosterUpdate, SyncRequested
from schemas.records import Class, Record, School, Student, Teacher, digest_of, encode_record
from schemas.topics import APPROVED, DEAD_LETTERS, SYNC_REQUESTS, UPDATES
from services.database.connect import connect
from tests.change_sets import approved, created, removed, updated
from tests.pipeline import Pipeline, pipeline, until

SCHOOL = School("s1", "Lincoln")
TEACHER = Teacher("t1", "hand@lincoln.example", "Ada", "Hand", "Ada Hand", ("s1",))
STUDENTS = [Student(f"p{n}", None, "Sam", f"Lee {n}", f"Sam Lee {n}", ("s1",), grade="5") for n in range(120)]
CLASS = Class("c1", "Math 5", "s1", ("t1",), tuple(sorted(student.id for student in STUDENTS)))
RECORDS: list[Record] = [SCHOOL, TEACHER, *STUDENTS, CLASS]
FIRST = [created(record) for record in RECORDS]
EXISTING: dict[Any, int] = {"schools": 1, "teachers": 1, "students": 120, "classes": 1, "places": 121}


@pytest.fixture
def applying(kafka: str, database: str, topic_prefix: str) -> Iterator[Pipeline]:
    with pipeline(kafka, database, topic_prefix, "apply", "relay") as running:
        running.add_district("springfield")
        yield running


def _send(running: Pipeline, events: Sequence[Event]) -> ChangeSetStarted:
    for event in events:
        running.publish(APPROVED, event)
    started = events[0]
    assert isinstance(started, ChangeSetStarted)
    return started


def _version(running: Pipeline) -> int:
    return int(running.query("SELECT roster_version FROM rosters")[0][0])


def _at_version(running: Pipeline, version: int) -> None:
    until(f"roster version {version}", lambda: True if _version(running) == version else None)


def _dead_letter(running: Pipeline) -> str:
    letter = until("a dead letter", lambda: next(iter(running.messages(DEAD_LETTERS)), None))
    return str(dict(letter.headers)["rollcall_reason"].decode())


def test_an_approved_change_set_becomes_one_roster_version_with_every_update_and_a_digest(applying: Pipeline) -> None:
    started = _send(applying, approved("springfield", 0, FIRST, {}))
    _at_version(applying, 1)
    applying.published()
    events = applying.events(UPDATES)
    updates = [event for event in events if isinstance(event, RosterUpdate)]
    synced = [event for event in events if isinstance(event, RosterSynced)]
    assert sorted(update.position for update in updates) == list(range(1, len(FIRST) + 1))
    assert {update.record for update in updates} == set(RECORDS)
    total = sum(int(digest_of(encode_record(r)), 16) for r in RECORDS) % (1 << 128)
    assert [(one.roster_version, one.updates, int(one.digest, 16)) for one in synced] == [(1, len(FIRST), total)]
    assert synced[0].totals == EXISTING
    assert applying.query("SELECT change_set, sync_id FROM ledger") == [(started.change_set, started.sync_id)]
    assert applying.query("SELECT setting_up FROM districts") == [(False,)]


def test_updates_and_removals_change_exactly_the_rows_they_name(applying: Pipeline) -> None:
    _send(applying, approved("springfield", 0, FIRST, {}))
    _at_version(applying, 1)
    new_class = Class("c1", "Math 5", "s1", ("t1",), CLASS.students[:-1])
    gone = next(student for student in STUDENTS if student.id == CLASS.students[-1])
    _send(applying, approved("springfield", 1, [updated(CLASS, new_class), removed(gone)], EXISTING))
    _at_version(applying, 2)
    assert applying.query("SELECT count(*) FROM students WHERE id = %s", gone.id) == [(0,)]
    assert applying.query("SELECT count(*) FROM places") == [(120,)]
    assert applying.query("SELECT roster_version FROM students WHERE id = 'p0'") == [(1,)]
    assert applying.query("SELECT students, places FROM rosters") == [(119, 120)]


def test_a_change_set_delivered_twice_takes_effect_once(applying: Pipeline) -> None:
    events = approved("springfield", 0, FIRST, {})
    _send(applying, events)
    _send(applying, events)
    twice_in_one = approved("springfield", 1, [removed(CLASS)], EXISTING)
    _send(
        applying,
        [twice_in_one[0], twice_in_one[1], twice_in_one[0], twice_in_one[1], twice_in_one[1], *twice_in_one[2:]],
    )
    _at_version(applying, 2)
    applying.published()
    synced = [event for event in applying.events(UPDATES) if isinstance(event, RosterSynced)]
    assert sorted(one.roster_version for one in synced) == [1, 2]
    assert applying.query("SELECT count(*) FROM ledger") == [(2,)]


def test_two_syncs_that_bring_the_same_change_set_both_end_as_applied(applying: Pipeline) -> None:
    first = approved("springfield", 0, FIRST, {})
    header, trailer = first[0], first[-1]
    assert isinstance(header, ChangeSetStarted)
    syncs = [header.sync_id, "another-sync"]
    with applying.connect() as connection:
        for sync_id in syncs:
            connection.execute(
                "INSERT INTO nights (sync_id, district, reason, state, requested_at)"
                " VALUES (%s, 'springfield', 'by hand', 'comparing', now())",
                (sync_id,),
            )
    _send(applying, first)
    again = {"sync_id": "another-sync", "snapshot_id": "another-snapshot"}
    chunks = [chunk.model_copy(update={"snapshot_id": "another-snapshot"}) for chunk in first[1:-1]]
    _send(applying, [header.model_copy(update=again), *chunks, trailer.model_copy(update=again)])
    for sync_id in syncs:
        night = applying.ended(sync_id)
        assert (night.state, night.roster_version) == ("applied", 1)
    assert _version(applying) == 1


def test_a_change_set_with_a_chunk_missing_is_not_applied_and_is_reported(applying: Pipeline) -> None:
    events = approved("springfield", 0, FIRST, {})
    _send(applying, [event for event in events if not (isinstance(event, ChangeSetChunk) and event.chunk == 2)])
    assert "should have 123 changes in 3 chunks and has 73 in 2" in _dead_letter(applying)
    assert _version(applying) == 0
    assert applying.query("SELECT count(*) FROM students") == [(0,)]


def test_a_header_whose_counts_are_not_what_would_happen_is_refused_whole(applying: Pipeline) -> None:
    events = approved("springfield", 0, FIRST[:-1], {})
    header = events[0]
    assert isinstance(header, ChangeSetStarted)
    wrong = header.counts["students"].model_copy(update={"created": 119})
    events[0] = header.model_copy(update={"counts": {**header.counts, "students": wrong}})
    _send(applying, events)
    assert "students created: the header counts 119" in _dead_letter(applying)
    assert applying.query("SELECT count(*) FROM schools") == [(0,)]


def test_a_class_may_not_place_somebody_who_is_not_in_the_roster(applying: Pipeline) -> None:
    stranger = Class("c1", "Math 5", "s1", ("t1",), ("nobody",))
    _send(applying, approved("springfield", 0, [created(SCHOOL), created(TEACHER), created(stranger)], {}))
    assert "places of nobody" in _dead_letter(applying)
    assert _version(applying) == 0


def test_a_change_set_against_an_older_version_is_refused_and_a_fresh_sync_is_asked_for(applying: Pipeline) -> None:
    _send(applying, approved("springfield", 0, FIRST, {}))
    _at_version(applying, 1)
    _send(applying, approved("springfield", 0, [created(School("s2", "Adams"))], EXISTING))
    request = until(
        "a fresh sync is asked for",
        lambda: next((e for e in applying.events(SYNC_REQUESTS) if isinstance(e, SyncRequested)), None),
    )
    assert (request.district, request.reason) == ("springfield", "stale")
    assert _version(applying) == 1
    assert applying.query("SELECT count(*) FROM schools") == [(1,)]


def test_a_change_set_that_was_let_through_before_a_pause_is_not_applied_in_it(applying: Pipeline) -> None:
    applying.query(
        "INSERT INTO closures (district, name, first_day, last_day, added_by)"
        " VALUES ('springfield', 'Inventory', current_date - 1, current_date + 1, 'ops') RETURNING id"
    )
    _send(applying, approved("springfield", 0, FIRST, {}))
    request = until(
        "a fresh sync is asked for",
        lambda: next((e for e in applying.events(SYNC_REQUESTS) if isinstance(e, SyncRequested)), None),
    )
    assert (request.district, request.reason) == ("springfield", "stale")
    assert applying.query("SELECT roster_version, students FROM rosters") == [(0, 0)]
    applying.query("DELETE FROM closures RETURNING id")
    _send(applying, approved("springfield", 0, FIRST, {}))
    _at_version(applying, 1)


def test_a_night_without_changes_that_is_delivered_again_later_stays_as_it_ended(applying: Pipeline) -> None:
    _send(applying, approved("springfield", 0, FIRST, {}))
    _at_version(applying, 1)
    unchanged = approved("springfield", 1, [], EXISTING)
    header = unchanged[0]
    assert isinstance(header, ChangeSetStarted)
    with applying.connect() as connection:
        connection.execute(
            "INSERT INTO nights (sync_id, district, reason, state, requested_at)"
            " VALUES (%s, 'springfield', 'by hand', 'comparing', now())",
            (header.sync_id,),
        )
    _send(applying, unchanged)
    assert applying.ended(header.sync_id).state == "unchanged"
    _send(applying, approved("springfield", 1, [created(School("s2", "Adams"))], EXISTING))
    _at_version(applying, 2)
    _send(applying, unchanged)
    _send(applying, approved("springfield", 2, [created(School("s3", "Grant"))], {**EXISTING, "schools": 2}))
    _at_version(applying, 3)
    assert applying.ended(header.sync_id).state == "unchanged"
    applying.published()
    assert applying.messages(SYNC_REQUESTS) == []


def test_what_one_district_sends_that_nobody_can_apply_does_not_stop_another(applying: Pipeline) -> None:
    applying.add_district("riverside")
    _send(applying, approved("springfield", 0, [created(CLASS)], {}))
    applying.publisher.publish_raw(APPROVED, [("ce_type", b"dev.rollcall.change-set.started.v1")], b"springfield", b"{")
    _send(applying, approved("riverside", 0, FIRST, {}))
    until(
        "riverside is applied",
        lambda: applying.query("SELECT 1 FROM rosters WHERE district = 'riverside' AND roster_version = 1") or None,
    )
    assert applying.query("SELECT roster_version FROM rosters WHERE district = 'springfield'") == [(0,)]


def test_apply_killed_at_any_message_of_a_change_set_ends_as_if_nothing_had_happened(
    kafka: str, database: str, topic_prefix: str
) -> None:
    with pipeline(kafka, database, topic_prefix, "relay") as running:
        running.add_district("springfield")
        events = approved("springfield", 0, FIRST, {})
        for cut in range(1, len(events)):
            running.start("apply")
            for event in events[cut - 1 : cut]:
                running.publish(APPROVED, event)
            until(
                "apply has begun",
                lambda: (
                    running.query("SELECT 1 FROM pg_stat_activity WHERE application_name = %s", "rollcall_apply")
                    or None
                ),
            )
            running.kill("apply")
            assert _version(running) == 0
        running.publish(APPROVED, events[-1])
        running.start("apply")
        _at_version(running, 1)
        running.published()
        updates = [event for event in running.events(UPDATES) if isinstance(event, RosterUpdate)]
        assert sorted(update.position for update in updates) == list(range(1, len(FIRST) + 1))


@pytest.mark.parametrize("role", ["rollcall_diff", "rollcall_guard", "rollcall_activation", "rollcall_relay"])
def test_no_worker_but_apply_can_put_a_student_into_a_class(database: str, role: Any) -> None:
    with connect(database, role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("INSERT INTO places (district, class, part, person) VALUES ('a', 'b', 'student', 'c')")


@pytest.mark.parametrize("role", ["rollcall_apply", "rollcall_activation", "rollcall_ingest", "rollcall_guard"])
def test_no_role_of_rostering_can_make_an_account(database: str, role: Any) -> None:
    with connect(database, role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("INSERT INTO accounts DEFAULT VALUES")
