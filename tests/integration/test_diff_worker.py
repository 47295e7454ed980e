"""Diff: a snapshot that is whole becomes a change set against what is applied; any other changes nothing."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from schemas.events import ChangeSetChunk, ChangeSetCompleted, ChangeSetStarted, SnapshotStarted
from schemas.records import Class, Record, RecordKind, School, Student, Teacher
from schemas.topics import APPROVED, CHANGES, DEAD_LETTERS, SNAPSHOTS
from services.clock import now
from tests.change_sets import approved, created
from tests.pipeline import Pipeline, pipeline, until

SCHOOL = School("s1", "Lincoln")
TEACHER = Teacher("t1", None, "Ada", "Hand", "Ada Hand", ("s1",))
STUDENTS = [Student(f"p{n:03}", f"p{n}@x.example", "Sam", "Lee", "Sam Lee", ("s1",)) for n in range(250)]
CLASS = Class("c1", "Math", "s1", ("t1",), tuple(student.id for student in STUDENTS))
ROSTER: dict[RecordKind, list[Record]] = {
    "schools": [SCHOOL],
    "teachers": [TEACHER],
    "students": [*STUDENTS],
    "classes": [CLASS],
}


@pytest.fixture
def diffing(kafka: str, database: str, topic_prefix: str) -> Iterator[Pipeline]:
    with pipeline(kafka, database, topic_prefix, "diff", "apply") as running:
        running.add_district("springfield")
        yield running


def _change_sets(running: Pipeline, count: int) -> list[ChangeSetStarted]:
    """Give the headers once there are so many whole change sets."""

    def look() -> list[ChangeSetStarted] | None:
        events = running.events(CHANGES)
        whole = {event.snapshot_id for event in events if isinstance(event, ChangeSetCompleted)}
        return [e for e in events if isinstance(e, ChangeSetStarted)] if len(whole) >= count else None

    return until(f"{count} change sets", look)


def _apply_everything(running: Pipeline) -> None:
    records = [record for kind in ROSTER.values() for record in kind]
    for event in approved("springfield", 0, [created(record) for record in records], {}):
        running.publish(APPROVED, event)
    until("all is applied", lambda: running.query("SELECT 1 FROM rosters WHERE roster_version = 1") or None)


def test_a_whole_snapshot_becomes_a_change_set_whose_header_says_all_its_counts(diffing: Pipeline) -> None:
    diffing.publish_snapshot("springfield", ROSTER)
    header = _change_sets(diffing, 1)[0]
    counts = {kind: (c.existing, c.created, c.updated, c.removed) for kind, c in header.counts.items()}
    assert counts == {
        "schools": (0, 1, 0, 0),
        "teachers": (0, 1, 0, 0),
        "students": (0, 250, 0, 0),
        "classes": (0, 1, 0, 0),
        "places": (0, 251, 0, 0),
    }
    assert (header.base_version, header.changes) == (0, 253)
    chunks = [event for event in diffing.events(CHANGES) if isinstance(event, ChangeSetChunk)]
    assert [change.record for chunk in chunks for change in chunk.changes] == [r for k in ROSTER.values() for r in k]
    assert header.proofs[0].collection == "tests"


def test_only_what_differs_from_what_is_applied_is_in_the_change_set_with_what_it_was(diffing: Pipeline) -> None:
    _apply_everything(diffing)
    renamed = Student("p000", "p0@x.example", "Samuel", "Lee", "Samuel Lee", ("s1",))
    new_class = Class("c1", "Math", "s1", ("t1",), CLASS.students[:-1])
    diffing.publish_snapshot(
        "springfield",
        {**ROSTER, "students": [renamed, *STUDENTS[1:-1]], "classes": [new_class]},
    )
    header = _change_sets(diffing, 1)[0]
    chunks = [event for event in diffing.events(CHANGES) if isinstance(event, ChangeSetChunk)]
    changes = {(c.op, c.kind, c.id): (c.before, c.record) for chunk in chunks for c in chunk.changes}
    assert changes == {
        ("updated", "students", "p000"): (STUDENTS[0], renamed),
        ("removed", "students", "p249"): (STUDENTS[-1], None),
        ("updated", "classes", "c1"): (CLASS, new_class),
    }
    assert header.counts["places"].removed == 1
    assert header.counts["students"].existing == 250
    assert (header.emptied_schools, header.renumbered) == ((), {})


def test_the_header_tells_of_emptied_schools_and_renumbered_people(diffing: Pipeline) -> None:
    _apply_everything(diffing)
    renumbered = [replace(student, id=f"new-{student.id}", schools=()) for student in STUDENTS]
    diffing.publish_snapshot("springfield", {**ROSTER, "students": renumbered, "classes": []})
    header = _change_sets(diffing, 1)[0]
    assert [(one.school, one.students) for one in header.emptied_schools] == [("s1", 250)]
    assert header.renumbered == {"students": 250}


def test_a_snapshot_that_lacks_a_page_changes_nothing_and_is_reported(diffing: Pipeline) -> None:
    _apply_everything(diffing)
    sync_id = diffing.publish_snapshot("springfield", ROSTER, leave_out_page=3)
    night = diffing.ended(sync_id)
    assert (night.state, night.failure_code) == ("failed", "incomplete-snapshot")
    assert night.failure_text is not None
    assert "first missing one is 3" in night.failure_text
    assert len(diffing.messages(DEAD_LETTERS)) == 1
    assert diffing.messages(CHANGES) == []


def test_a_snapshot_cut_off_by_a_newer_one_is_void(diffing: Pipeline) -> None:
    about: dict[str, Any] = {"district": "springfield", "sync_id": "cut-off", "snapshot_id": "cut-off"}
    diffing.publish(SNAPSHOTS, SnapshotStarted(**about, provider="tests", started_at=now()))
    diffing.publish_snapshot("springfield", ROSTER)
    assert [header.sync_id for header in _change_sets(diffing, 1)] != ["cut-off"]


def test_the_same_content_against_the_same_version_is_the_same_change_set(diffing: Pipeline) -> None:
    diffing.publish_snapshot("springfield", ROSTER)
    diffing.publish_snapshot("springfield", {**ROSTER, "students": list(reversed(STUDENTS))})
    first, second = _change_sets(diffing, 2)
    assert first.snapshot_id != second.snapshot_id
    assert first.change_set == second.change_set


def test_what_could_not_be_relied_on_stays_as_it_is_applied(diffing: Pipeline) -> None:
    _apply_everything(diffing)
    diffing.publish_snapshot(
        "springfield", {**ROSTER, "students": STUDENTS[:-1]}, kept={"students": ["p249", "never-seen"]}
    )
    header = _change_sets(diffing, 1)[0]
    assert header.changes == 0


def test_a_kept_class_still_loses_the_people_who_have_left(diffing: Pipeline) -> None:
    _apply_everything(diffing)
    diffing.publish_snapshot(
        "springfield", {**ROSTER, "students": STUDENTS[:-1], "classes": []}, kept={"classes": ["c1"]}
    )
    header = _change_sets(diffing, 1)[0]
    assert (header.counts["students"].removed, header.counts["classes"].updated) == (1, 1)
    assert (header.counts["classes"].removed, header.counts["places"].removed) == (0, 1)


def test_who_teaches_and_learns_loses_only_the_part_that_is_gone(diffing: Pipeline) -> None:
    both = Student(TEACHER.id, None, "Ada", "Hand", "Ada Hand", ("s1",))
    everybody: list[Record] = [SCHOOL, TEACHER, *STUDENTS, both, CLASS]
    for event in approved("springfield", 0, [created(record) for record in everybody], {}):
        diffing.publish(APPROVED, event)
    until("all is applied", lambda: diffing.query("SELECT 1 FROM rosters WHERE roster_version = 1") or None)
    no_more_a_student: dict[RecordKind, list[Record]] = {**ROSTER, "classes": []}
    diffing.publish_snapshot("springfield", no_more_a_student, kept={"classes": [CLASS.id]})
    header = _change_sets(diffing, 1)[0]
    assert (header.changes, header.counts["students"].removed) == (1, 1)
    diffing.publish_snapshot("springfield", {**ROSTER, "students": [*STUDENTS, both]}, kept={"students": ["t1-odd"]})
    diffing.publish_snapshot("springfield", {**ROSTER, "teachers": []}, kept={"teachers": [TEACHER.id, "p000"]})
    assert [header.changes for header in _change_sets(diffing, 3)[1:]] == [0, 1]


def test_diff_killed_at_any_moment_loses_no_change_set(kafka: str, database: str, topic_prefix: str) -> None:
    with pipeline(kafka, database, topic_prefix) as running:
        running.add_district("springfield")
        for number in range(4):
            running.start("diff")
            seen = len(running.messages(CHANGES))
            running.publish_snapshot("springfield", {**ROSTER, "students": STUDENTS[number:], "classes": []})
            until("diff is at work", lambda seen=seen: len(running.messages(CHANGES)) > seen or None)  # type: ignore[misc]
            running.kill("diff")
        running.start("diff")
        assert len({header.change_set for header in _change_sets(running, 4)}) == 4
        events = running.events(CHANGES)
        for header in (event for event in events if isinstance(event, ChangeSetStarted)):
            chunks = [e for e in events if isinstance(e, ChangeSetChunk) and e.snapshot_id == header.snapshot_id]
            assert {chunk.chunk for chunk in chunks} == set(range(1, header.chunks + 1))
