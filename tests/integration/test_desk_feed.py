"""The desk's tables follow the topics: whatever is delivered twice, side by side, late or cut off."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg_pool import ConnectionPool

from schemas.cloudevents import decode
from schemas.events import (
    Approval,
    Change,
    ChangeSetChunk,
    ChangeSetStarted,
    DecisionRefused,
    Event,
    HoldRejected,
    HoldReleased,
    HoldSuperseded,
    KindCounts,
    Reason,
    ReviewDecision,
    RosterSynced,
    SnapshotAborted,
    SnapshotCompleted,
    SnapshotStarted,
)
from schemas.records import Class, School, Student
from schemas.topics import CHANGES, DEAD_LETTERS, DECISIONS, HELD, SNAPSHOTS, UPDATES, Topic
from services.database.connect import connect, with_role
from services.dead_letters import DeadLetters
from services.guard.desk import read_model
from services.guard.desk.answers import NightShown
from services.guard.desk.decide import decide
from services.guard.desk.feed import KEPT, FeedLane, sweep
from services.guard.desk.words import HIDDEN
from services.messages import Message, Publisher, make_event
from services.topics import create_topics
from tests.change_sets import approved, created, removed, updated
from tests.pipeline import pipeline, until

NOW = datetime.now(UTC)


class Desk:
    """The feed without Kafka: what a test delivers is what the topics carry."""

    def __init__(self, pool: ConnectionPool[Any], connection: psycopg.Connection[Any], letters: DeadLetters) -> None:
        self.connection = connection
        self._lane = FeedLane(pool, letters)
        self._offset = 0

    def deliver(self, topic: Topic, *events: Event, sync_id: str | None = None, cause: str | None = None) -> None:
        """Deliver events in order, at the next offsets of their topic."""
        batch = []
        for event in events:
            self._offset += 1
            correlation = sync_id or getattr(event, "sync_id", None)
            wrapped = make_event(
                topic, event, source="tests", identity=(self._offset,), correlation_id=correlation, causation_id=cause
            )
            key = event.district.encode()
            batch.append(Message(topic, 0, self._offset, key, wrapped.value(), wrapped.headers()))
        assert self._lane.take(batch) == self._offset

    def take(self, message: Message) -> None:
        """Deliver one message as it is."""
        self._lane.take([message])


@contextmanager
def _desk(database: str, letters: DeadLetters) -> Iterator[Desk]:
    address = with_role(database, "rollcall_desk")
    with (
        ConnectionPool(address, kwargs={"autocommit": True}, min_size=1, max_size=2) as pool,
        connect(database, "rollcall_desk") as connection,
    ):
        yield Desk(pool, connection, letters)


@pytest.fixture
def publisher(kafka: str, topic_prefix: str) -> Iterator[Publisher]:
    """A producer on the test's own topics."""
    create_topics(kafka, topic_prefix)
    publisher = Publisher(kafka, topic_prefix, "tests")
    yield publisher
    publisher.close()


@pytest.fixture
def desk(database: str) -> Iterator[Desk]:
    """The feed and a reader's connection; a test that needs dead letters makes its own."""

    class NoLetters(DeadLetters):
        def __init__(self) -> None:
            """Nothing of these tests may become a dead letter."""

        def put(self, message: Message, reason: str) -> None:
            raise AssertionError(reason)

    with _desk(database, NoLetters()) as made:
        yield made


def student(number: int, school: str = "lincoln", **fields: Any) -> Student:
    return Student(
        id=f"student-{number:04}", email=None, given="Ana", family="Lovelace", display_name="Ana L", schools=(school,),
        **fields,
    )  # fmt: skip


def held(district: str, changes: Sequence[Change], *, chunk: int = 50, **header: Any) -> list[Event]:
    """Give the messages of a held set; `header` are further fields of its header."""
    started, *rest = approved(district, 3, changes, {"students": 100}, chunk)
    assert isinstance(started, ChangeSetStarted)
    reason = Reason(code="too-large", kind="students", text="90% of students would change", limit=50)
    held_by = {"approval": None, "held_by": "policy", "reasons": (reason,)}
    return [started.model_copy(update={**held_by, **header}), *rest]


def header_of(events: Sequence[Event]) -> ChangeSetStarted:
    assert isinstance(events[0], ChangeSetStarted)
    return events[0]


def leaving(first: int, last: int, school: str = "lincoln") -> list[Change]:
    return [removed(student(number, school)) for number in range(first, last)]


def all_pages(desk: Desk, change_set: str, **filters: Any) -> list[tuple[str, str]]:
    """Page through everything; give operation and id of each change."""
    found: list[tuple[str, str]] = []
    for number in itertools.count(1):
        page = read_model.changes(desk.connection, change_set, page=number, size=7, **filters)
        found += [(change.op, change.id) for change in page.changes]
        if number >= page.pages:
            assert len(found) == page.total
            return found
    raise AssertionError("pages do not end")


def test_two_sets_side_by_side_each_delivered_twice_are_each_there_once_and_whole(
    kafka: str, database: str, topic_prefix: str
) -> None:
    springfield = held("springfield", leaving(0, 130))
    lakeside = held("lakeside", leaving(0, 70, "adams"))
    with pipeline(kafka, database, topic_prefix, "desk-feed") as running:
        for number in range(max(len(springfield), len(lakeside))):
            for _ in range(2):
                for events in (springfield, lakeside):
                    if number < len(events):
                        running.publish(HELD, events[number], number)
            if number == 1:
                running.kill("desk-feed")
                running.start("desk-feed")

        with connect(database, "rollcall_desk") as connection:

            def both() -> tuple[int, int] | None:
                sets = [
                    read_model.held_set(connection, header_of(events).change_set) for events in (springfield, lakeside)
                ]
                whole = [held.loaded for held in sets if held is not None and held.state == "held"]
                return (whole[0], whole[1]) if len(whole) == 2 else None

            assert until("both sets are whole", both) == (130, 70)
            for topic, event in _night("grant", "sync").values():
                running.publish(topic, event)
            nights = until("the other topics' night", lambda: _ended_nights(connection, "grant"))
            assert [night.outcome for night in nights] == ["applied"]
            board = read_model.board(connection, "l")
    assert board.states["held"] == 2
    assert [row.district for row in board.rows] == ["lakeside", "springfield"]


def test_a_set_whose_chunk_is_missing_is_not_shown_as_whole_until_the_chunk_comes(desk: Desk) -> None:
    events = held("springfield", leaving(0, 120))
    change_set = header_of(events).change_set
    desk.deliver(HELD, events[0], events[1], events[3], events[4])
    arriving = read_model.held_set(desk.connection, change_set)
    assert arriving is not None
    assert (arriving.state, arriving.loaded) == ("arriving", 70)
    assert read_model.changes(desk.connection, change_set).total == 0
    assert read_model.board(desk.connection).states["held"] == 0
    desk.deliver(HELD, *events)
    whole = read_model.held_set(desk.connection, change_set)
    assert whole is not None
    assert (whole.state, whole.loaded) == ("held", 120)
    assert len(set(all_pages(desk, change_set))) == 120


def test_a_newer_night_supersedes_the_held_set_and_the_desk_says_what_differs(desk: Desk) -> None:
    first = held("springfield", leaving(0, 60))
    second = held("springfield", [*leaving(0, 58), created(student(900)), created(student(901))])
    desk.deliver(HELD, *first)
    old, new = header_of(first).change_set, header_of(second).change_set
    superseded = HoldSuperseded(district="springfield", change_set=old, by_change_set=new, superseded_at=NOW)
    desk.deliver(HELD, superseded, sync_id=header_of(second).sync_id)
    desk.deliver(HELD, *second)
    before, after = (read_model.held_set(desk.connection, each) for each in (old, new))
    assert before is not None
    assert (before.state, before.superseded_by) == ("superseded", new)
    assert after is not None
    assert after.state == "held"
    assert after.previous is not None
    assert after.previous.change_set == old
    assert {(each.op, each.only_here, each.only_before) for each in after.previous.differences} == {
        ("removed", 0, 2),
        ("created", 2, 0),
    }


def test_the_same_set_held_anew_stays_held_though_the_superseding_of_the_earlier_one_comes_again(desk: Desk) -> None:
    first = held("springfield", leaving(0, 10))
    change_set = header_of(first).change_set
    again: list[Event] = []
    for event in first:
        fields = {"snapshot_id": "later"} | ({"sync_id": "later"} if hasattr(event, "sync_id") else {})
        again.append(event.model_copy(update=fields))
    superseded = HoldSuperseded(
        district="springfield", change_set=change_set, by_change_set=change_set, superseded_at=NOW
    )
    desk.deliver(HELD, *first)
    desk.deliver(HELD, superseded, sync_id="later")
    desk.deliver(HELD, again[0])
    desk.deliver(HELD, superseded, sync_id="later")
    desk.deliver(HELD, *again)
    shown = read_model.held_set(desk.connection, change_set)
    assert shown is not None
    assert (shown.snapshot_id, shown.state) == ("later", "held")
    assert [each.state for each in read_model.held_sets(desk.connection, "springfield")] == ["held", "superseded"]


def test_a_set_held_by_a_pause_is_paused_on_the_board_until_guard_holds_it_on_for_a_reason_of_its_own(
    desk: Desk,
) -> None:
    events = held("springfield", leaving(0, 10))
    paused = header_of(events).model_copy(update={"held_by": "pause", "reasons": ()})
    desk.deliver(HELD, paused, *events[1:])
    [row] = read_model.board(desk.connection).rows
    assert (row.state, row.change_set) == ("paused", paused.change_set)
    desk.deliver(HELD, events[0])
    [row] = read_model.board(desk.connection).rows
    assert (row.state, row.text) == ("held", "90% of students would change")
    approval = Approval(by="pause over", approved_at=NOW)
    released = HoldReleased(district="springfield", change_set=paused.change_set, approval=approval)
    desk.deliver(HELD, released, sync_id=paused.sync_id)
    shown = read_model.held_set(desk.connection, paused.change_set)
    assert shown is not None
    assert (shown.state, shown.ended_by, shown.ended_at) == ("released", "pause over", NOW)
    assert read_model.board(desk.connection).states["held"] == 0


def test_a_set_that_the_roster_has_moved_past_is_superseded_unless_its_release_is_only_read_later(desk: Desk) -> None:
    events = held("springfield", leaving(0, 10))
    started = header_of(events)
    desk.deliver(HELD, *events)
    synced = RosterSynced(
        district="springfield", sync_id="another", change_set="0" * 32, roster_version=started.base_version, updates=0,
        totals={}, digest="0" * 32, synced_at=NOW,
    )  # fmt: skip

    def state() -> str:
        shown = read_model.held_set(desk.connection, started.change_set)
        assert shown is not None
        return shown.state

    desk.deliver(UPDATES, synced)
    assert state() == "held"
    desk.deliver(UPDATES, synced.model_copy(update={"roster_version": started.base_version + 1}))
    assert state() == "superseded"
    approval = Approval(by="reviewer", reviewer="ana", reason="asked", approved_at=NOW)
    released = HoldReleased(district="springfield", change_set=started.change_set, approval=approval)
    desk.deliver(HELD, released, sync_id=started.sync_id)
    assert state() == "released"


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


def _ended_nights(connection: psycopg.Connection[Any], district: str) -> tuple[NightShown, ...] | None:
    nights = read_model.history(connection, district)
    return nights if nights and nights[0].outcome == "applied" and nights[0].counts else None


def _night(district: str, sync_id: str) -> dict[str, tuple[Topic, Event]]:
    about: dict[str, Any] = {"district": district, "sync_id": sync_id, "snapshot_id": sync_id}
    started = approved(district, 3, leaving(0, 4), {"students": 100})[0]
    synced = RosterSynced(
        district=district, sync_id=sync_id, change_set="0" * 32, roster_version=4, updates=4, totals={"students": 96},
        digest="0" * 32, synced_at=NOW,
    )  # fmt: skip
    return {
        "started": (SNAPSHOTS, SnapshotStarted(**about, provider="clever", started_at=NOW - timedelta(minutes=3))),
        "completed": (
            SNAPSHOTS,
            SnapshotCompleted(
                **about,
                pages=1,
                records={"students": 96},
                proofs=(),
                defects={},
                completed_at=NOW - timedelta(minutes=2),
            ),
        ),
        "compared": (CHANGES, started.model_copy(update={**about, "started_at": NOW - timedelta(minutes=1)})),
        "synced": (UPDATES, synced),
    }


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.permutations(["started", "completed", "compared", "synced", "synced", "compared"]),
    number=st.integers(0, 10**12),
)
def test_a_night_is_the_same_in_whatever_order_its_topics_are_read(desk: Desk, order: list[str], number: Any) -> None:
    if order.index("completed") < order.index("started"):
        order[order.index("completed")], order[order.index("started")] = "started", "completed"
    events = _night(f"d-{number}", "sync")
    for name in order:
        desk.deliver(events[name][0], events[name][1])
    [night] = read_model.history(desk.connection, f"d-{number}")
    assert (night.outcome, night.began_at, night.ended_at, night.roster_version, night.held) == (
        "applied",
        NOW - timedelta(minutes=3),
        NOW,
        4,
        False,
    )
    assert night.counts["students"].removed == 4
    [row] = read_model.board(desk.connection, f"d-{number}", at=NOW + timedelta(minutes=1)).rows
    assert (row.totals, row.text) == ({"students": 96}, "4 students left")


def test_a_broken_pull_shows_on_the_board_since_when_and_why(desk: Desk) -> None:
    for days in (3, 2, 1):
        at = NOW - timedelta(days=days)
        aborted = SnapshotAborted(
            district="mesa", sync_id=f"night-{days}", snapshot_id=f"s{days}", code="disconnected",
            text="ClassLink answers 401", aborted_at=at,
        )  # fmt: skip
        desk.deliver(SNAPSHOTS, aborted)
    [row] = read_model.board(desk.connection).rows
    assert (row.state, row.since, row.text) == ("broken", NOW - timedelta(days=3), "ClassLink answers 401")


def test_a_decision_is_on_record_and_on_its_topic_and_guards_refusal_is_its_answer(
    desk: Desk, kafka: str, database: str, topic_prefix: str, publisher: Publisher
) -> None:
    events = held("springfield", leaving(0, 10))
    desk.deliver(HELD, *events)
    change_set = header_of(events).change_set
    about: dict[str, Any] = {"district": "springfield", "change_set": change_set, "reviewer": "ana", "reason": "asked"}
    first = decide(desk.connection, publisher, **about, decision="reject", decided_at=NOW)
    assert decide(desk.connection, publisher, **about, decision="reject", decided_at=NOW) == first
    [waiting] = read_model.decisions(desk.connection, change_set)
    assert (waiting.answer, waiting.reviewer) == ("waiting", "ana")

    with pipeline(kafka, database, topic_prefix) as running:
        sent = running.messages(DECISIONS)
    decoded = [decode(DECISIONS, message.headers, message.value) for message in sent]
    assert decoded == [ReviewDecision(**about, decision="reject", decided_at=NOW)] * 2

    refused = DecisionRefused(
        district="springfield",
        change_set=change_set,
        decision="reject",
        reviewer="ana",
        text="too late",
        refused_at=NOW,
    )
    desk.deliver(HELD, refused, cause=first)
    [answered] = read_model.decisions(desk.connection, change_set)
    assert (answered.answer, answered.answer_text) == ("refused", "too late")


def test_a_decision_without_a_reason_is_not_made(desk: Desk, publisher: Publisher) -> None:
    with pytest.raises(ValueError, match="reason"):
        decide(
            desk.connection, publisher, district="springfield", change_set="0" * 32, decision="approve",
            reviewer="ana", reason=" ", decided_at=NOW,
        )  # fmt: skip
    assert read_model.decisions(desk.connection, "0" * 32) == ()


def test_the_changes_of_a_set_that_ended_a_month_ago_are_deleted_and_its_counts_and_decision_stay(desk: Desk) -> None:
    old, recent = held("springfield", leaving(0, 20)), held("lakeside", leaving(0, 20))
    for events, ended in ((old, NOW - KEPT - timedelta(hours=1)), (recent, NOW - KEPT + timedelta(hours=1))):
        desk.deliver(HELD, *events)
        rejected = HoldRejected(
            district=events[0].district, change_set=header_of(events).change_set, reviewer="ana", reason="a mistake",
            rejected_at=ended,
        )  # fmt: skip
        desk.deliver(HELD, rejected, sync_id=header_of(events).sync_id)
    assert sweep(desk.connection) == 1
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


def test_what_cannot_be_read_becomes_a_dead_letter_that_quotes_nobody_and_the_line_goes_on(
    kafka: str, database: str, topic_prefix: str, publisher: Publisher
) -> None:
    events = held("springfield", leaving(0, 20))
    with _desk(database, DeadLetters(publisher, "desk-feed")) as desk:
        desk.deliver(HELD, events[0])
        broken = make_event(HELD, events[1], source="tests", identity=(1,))
        value = broken.value().replace(b'"type":"student"', b'"type":"Lovelace"')
        desk.take(Message(HELD, 0, 99, b"springfield", value, broken.headers()))
        desk.deliver(HELD, *events)
        shown = read_model.held_set(desk.connection, header_of(events).change_set)
    assert shown is not None
    assert shown.loaded == 20
    with pipeline(kafka, database, topic_prefix) as running:
        [letter] = running.messages(DEAD_LETTERS)
    headers = {key: value for key, value in letter.headers if key.startswith("rollcall_")}
    assert headers["rollcall_worker"] == b"desk-feed"
    assert b"Lovelace" not in b"".join(headers.values())


def test_the_desks_role_reads_nothing_of_rosterings_tables_and_changes_no_record_of_who_looked(database: str) -> None:
    with connect(database, "rollcall_desk") as connection:
        tables = connection.execute(
            "SELECT oid::regclass::text, has_table_privilege('rollcall_desk', oid, 'SELECT, INSERT, UPDATE, DELETE')"
            " FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')"
        ).fetchall()
        assert len(tables) > 20
        assert [table for table, may in tables if may] == []
        for statement in ("SELECT * FROM students", "UPDATE desk.looks SET reviewer = 'b'", "DELETE FROM desk.looks"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


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
