"""Every change of a held set is found, paged, hidden and in the end deleted."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.events import (
    Change,
    ChangeSetChunk,
    HoldRejected,
    KindCounts,
)
from schemas.records import Class, School, Student
from schemas.topics import HELD
from services.guard.desk import read_model
from services.guard.desk.feed import KEPT, sweep
from services.guard.desk.words import HIDDEN
from tests.change_sets import created, removed, updated
from tests.desk_feed import NOW, Desk, all_pages, header_of, held, leaving, open_desk, student


@pytest.fixture
def desk(database: str) -> Iterator[Desk]:
    with open_desk(database) as made:
        yield made


@st.composite
def change_sets(draw: st.DrawFn) -> list[Change]:
    """Changes of every kind and operation, in three schools, each id once."""
    drawn = draw(
        st.lists(
            st.tuples(
                st.integers(0, 400),
                st.sampled_from(["created", "updated", "removed"]),
                st.sampled_from(["student", "class"]),
                st.sampled_from(["lincoln", "adams", "grant"]),
                st.sampled_from(["lincoln", "adams", "grant"]),
            ),
            max_size=60,
            unique_by=lambda each: each[0],
        )
    )
    made: list[Change] = []
    for number, op, kind, was, will in drawn:
        before: Student | Class
        after: Student | Class
        if kind == "student":
            before, after = student(number, was, grade="4"), student(number, will, grade="5")
        else:
            before = Class(id=f"class-{number:04}", name=f"Math {number % 7}%", school=was)
            after = Class(id=f"class-{number:04}", name=f"Math {number % 5}_", school=will, grade="5")
        change = created(after) if op == "created" else removed(before)
        made.append(updated(before, after) if op == "updated" else change)
    return made


def _schools_of(change: Change) -> set[str]:
    schools: set[str] = set()
    for record in (change.before, change.record):
        schools |= {record.school} if isinstance(record, Class) else set(getattr(record, "schools", ()))
    return schools


def _is_found(change: Change, search: str) -> bool:
    record = change.record or change.before
    named = isinstance(record, Class | School) and search.lower() in record.name.lower()
    return change.id.startswith(search) or named


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=change_sets(),
    op=st.sampled_from([None, "created", "updated", "removed"]),
    kind=st.sampled_from([None, "students", "classes", "teachers"]),
    school=st.sampled_from([None, "lincoln", "grant", "nowhere"]),
    search=st.sampled_from(["", "student-00", "class", "math 3", "%", "_", "\\", "Lovelace"]),
)
def test_every_filter_gives_exactly_the_changes_that_a_look_at_each_would(
    desk: Desk, changes: list[Change], op: Any, kind: Any, school: str | None, search: str
) -> None:
    events = held("springfield", changes, chunk=13)
    desk.deliver(HELD, *events)
    expected = [
        (change.op, change.id)
        for change in changes
        if (op is None or change.op == op)
        and (kind is None or change.kind == kind)
        and (school is None or school in _schools_of(change))
        and (not search or _is_found(change, search))
    ]
    change_set = header_of(events).change_set
    found = all_pages(desk, change_set, op=op, kind=kind, school=school, search=search)
    assert sorted(found) == sorted(expected)
    shown = read_model.held_set(desk.connection, change_set)
    assert shown is not None
    assert sum(shown.changes_by_kind.values()) == len(changes)
    for bar in shown.by_school:
        assert bar.changes == sum(bar.school in _schools_of(change) for change in changes)


def test_who_is_renumbered_is_shown_beside_the_one_who_leaves_under_the_old_number(desk: Desk) -> None:
    going = [Class(id=f"old-{n}", name=f"Math {n}", school="lincoln") for n in range(20)]
    coming = [Class(id=f"new-{n}", name=f"Math {n}", school="lincoln") for n in reversed(range(20))]
    events = held("springfield", [*map(removed, going), *map(created, coming)], chunk=9)
    desk.deliver(HELD, *events)
    page = read_model.changes(desk.connection, header_of(events).change_set, size=40)
    pairs = list(zip(page.changes[::2], page.changes[1::2], strict=True))
    assert [(one.id, two.id) for one, two in pairs] == [(f"old-{n}", f"new-{n}") for n in range(20)]
    assert all(one.same_as == two.id and two.same_as == one.id for one, two in pairs)


def test_names_are_hidden_until_asked_for_and_what_changed_can_be_seen_all_the_same(desk: Desk) -> None:
    change = updated(student(1, "lincoln", grade="5"), student(1, "adams", grade="6", birth_date="2015-02-03"))
    events = held("springfield", [change])
    desk.deliver(HELD, *events)
    change_set = header_of(events).change_set
    [hidden] = read_model.changes(desk.connection, change_set).changes
    assert "Lovelace" not in repr(hidden)
    assert "2015" not in repr(hidden)
    fields = {field.field: (field.before, field.after, field.changed) for field in hidden.fields}
    assert fields["family"] == (HIDDEN, HIDDEN, False)
    assert fields["birth_date"] == (None, HIDDEN, True)
    assert fields["grade"] == ("5", "6", True)
    shown = read_model.change(desk.connection, change_set, hidden.place, names=True)
    assert shown is not None
    assert "Lovelace" in repr(shown)
    read_model.record_look(desk.connection, "ana", change_set, f"change {hidden.place}")
    looks = desk.connection.execute("SELECT reviewer, change_set, what FROM desk.looks").fetchall()
    assert looks == [("ana", change_set, f"change {hidden.place}")]


def test_the_changes_of_a_set_that_ended_a_month_ago_are_deleted_and_its_counts_and_decision_stay(desk: Desk) -> None:
    old, recent = held("springfield", leaving(0, 20)), held("lakeside", leaving(0, 20))
    for events, ended in ((old, NOW - KEPT - timedelta(hours=1)), (recent, NOW - KEPT + timedelta(hours=1))):
        desk.deliver(HELD, *events)
        rejected = HoldRejected(
            district=events[0].district, change_set=header_of(events).change_set, reviewer="ana", reason="a mistake",
            rejected_at=ended,
        )  # fmt: skip
        desk.deliver(HELD, rejected, sync_id=header_of(events).sync_id)
    assert sweep(desk.connection, timedelta(days=400)) == (1, 0)
    desk.deliver(HELD, *[event for event in old if isinstance(event, ChangeSetChunk)])
    districts = desk.connection.execute(
        "SELECT DISTINCT district FROM desk.held_changes JOIN desk.held_sets USING (held_set)"
    ).fetchall()
    assert districts == [("lakeside",)]
    shown = read_model.held_set(desk.connection, header_of(old).change_set)
    assert shown is not None
    assert shown.changes_deleted_at is not None
    assert (shown.ended_by, shown.changes_by_kind) == ("ana", {("students", "removed"): 20})
    assert read_model.changes(desk.connection, shown.change_set).total == 0


def test_a_hundred_thousand_changes_are_counted_and_paged_to_the_last_one(desk: Desk) -> None:
    counts = {"students": KindCounts(existing=150_000, removed=100_000)}
    events = held("springfield", leaving(0, 100_000), chunk=5000, counts=counts)
    desk.deliver(HELD, *events)
    change_set = header_of(events).change_set
    last = read_model.changes(desk.connection, change_set, op="removed", school="lincoln", page=2000, size=50)
    assert (last.total, last.pages) == (100_000, 2000)
    assert [change.id for change in last.changes] == [f"student-{number:04}" for number in range(99_950, 100_000)]
    found = read_model.changes(desk.connection, change_set, search="student-9999")
    assert found.total == 11
