"""The desk's tables follow the topics: whatever is delivered twice, side by side, or cannot be read."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from schemas.events import SyncRequested
from schemas.topics import DEAD_LETTERS, HELD, SYNC_REQUESTS
from services.database.connect import connect
from services.dead_letters import DeadLetters
from services.guard.desk import read_model
from services.guard.desk.answers import NightShown
from services.messages import Message, Publisher, make_event
from tests.desk_feed import NOW, header_of, held, leaving, open_desk, publisher_on, whole_night
from tests.pipeline import pipeline, until


@pytest.fixture
def publisher(kafka: str, topic_prefix: str) -> Iterator[Publisher]:
    """A producer on the test's own topics."""
    yield from publisher_on(kafka, topic_prefix)


def _ended_nights(connection: psycopg.Connection[Any], district: str) -> tuple[NightShown, ...] | None:
    nights = read_model.history(connection, district)
    return nights if nights and nights[0].outcome == "applied" and nights[0].counts else None


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
            for topic, event in whole_night("grant", "sync").values():
                running.publish(topic, event)
            asked = SyncRequested(district="adams", sync_id="asked", reason="by hand", requested_at=NOW)
            running.publish(SYNC_REQUESTS, asked)
            until("the night that was asked for", lambda: read_model.history(connection, "adams") or None)
            nights = until("the other topics' night", lambda: _ended_nights(connection, "grant"))
            assert [night.outcome for night in nights] == ["applied"]
            board = read_model.board(connection, "l")
    assert board.states["held"] == 2
    assert [row.district for row in board.rows] == ["lakeside", "springfield"]


def test_what_cannot_be_read_becomes_a_dead_letter_that_quotes_nobody_and_the_line_goes_on(
    kafka: str, database: str, topic_prefix: str, publisher: Publisher
) -> None:
    events = held("springfield", leaving(0, 20))
    with open_desk(database, DeadLetters(publisher, "desk-feed")) as desk:
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
