"""Apply's line of one district: what waits for a set's trailer, what takes a connection, and what one leaves behind."""

from collections.abc import Iterator, Sequence

import pytest

import services.apply.staging
import services.apply.worker
from schemas.events import ChangeSetChunk, Event
from schemas.records import School
from schemas.topics import APPROVED, DEAD_LETTERS
from services.apply.worker import ApplyLane
from services.database.connect import Database, pool
from services.dead_letters import DeadLetters
from services.messages import Message, make_event
from tests.change_sets import approved, created
from tests.pipeline import Pipeline, pipeline

DISTRICTS = ("springfield", "shelbyville")
SCHOOLS = [School(f"s{number}", f"School {number}") for number in range(250)]


@pytest.fixture
def stack(kafka: str, database: str, topic_prefix: str) -> Iterator[Pipeline]:
    with pipeline(kafka, database, topic_prefix) as running:
        for district in DISTRICTS:
            running.add_district(district)
        yield running


@pytest.fixture
def one_connection(database: str) -> Iterator[Database]:
    with pool(database, "rollcall_apply", most=1) as connections:
        connections.wait()
        yield connections


def _messages(district: str, schools: Sequence[School] = SCHOOLS) -> list[Message]:
    """Give a first set of the district, in several chunks."""
    events: list[Event] = approved(district, 0, [created(school) for school in schools], {}, chunk=len(schools) // 3)
    wrapped = [make_event(APPROVED, event, source="tests", identity=(number,)) for number, event in enumerate(events)]
    assert sum(isinstance(event, ChangeSetChunk) for event in events) > 1
    return [
        Message(APPROVED, 0, offset, district.encode(), each.value(), each.headers())
        for offset, each in enumerate(wrapped)
    ]


def _lane(stack: Pipeline, connections: Database, district: str) -> ApplyLane:
    return ApplyLane(district, connections, DeadLetters(stack.publisher, "apply"))


def _free(connections: Database) -> int:
    return connections.get_stats()["pool_available"]


def _schools(stack: Pipeline) -> dict[str, int]:
    return dict(stack.query("SELECT district, count(*) FROM schools GROUP BY district"))


def test_a_small_set_takes_a_connection_only_once_its_trailer_has_come(
    stack: Pipeline, one_connection: Database
) -> None:
    lanes = {district: _lane(stack, one_connection, district) for district in DISTRICTS}
    messages = {district: _messages(district) for district in DISTRICTS}
    for district, lane in lanes.items():
        assert lane.take(messages[district][:-1]) == -1
    assert _free(one_connection) == 1
    for district, lane in lanes.items():
        assert lane.take(messages[district][-1:]) == messages[district][-1].offset
    assert _schools(stack) == dict.fromkeys(DISTRICTS, len(SCHOOLS))


def test_a_large_set_is_staged_as_it_comes_and_its_connection_goes_back_without_it(
    stack: Pipeline, one_connection: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.apply.worker, "WAITING_BYTES", 1000)
    monkeypatch.setattr(services.apply.staging, "KEPT_BYTES", 1000)
    for number, district in enumerate(DISTRICTS, start=1):
        lane, messages = _lane(stack, one_connection, district), _messages(district)
        assert lane.take(messages[:2]) == -1
        assert _free(one_connection) == 0
        assert lane.take(messages[2:]) == messages[-1].offset
        assert _schools(stack) == dict.fromkeys(DISTRICTS[:number], len(SCHOOLS))
    with one_connection.connection() as connection:
        assert connection.execute("SELECT to_regclass('pg_temp.staged')").fetchone() == (None,)


def test_small_sets_are_staged_one_after_the_other_in_the_same_tables_and_leave_nothing_in_them(
    stack: Pipeline, one_connection: Database
) -> None:
    few, made = SCHOOLS[:15], set()
    for number, district in enumerate(DISTRICTS, start=1):
        messages = _messages(district, few)
        assert _lane(stack, one_connection, district).take(messages) == messages[-1].offset
        assert _schools(stack) == dict.fromkeys(DISTRICTS[:number], len(few))
        with one_connection.connection() as connection:
            made.add(connection.execute("SELECT 'staged'::regclass::oid").fetchone())
            for table in ("staged", "staged_places", "moved"):
                assert connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,)
    assert len(made) == 1


def test_a_set_that_is_given_up_half_way_leaves_nothing_for_the_next_one(
    stack: Pipeline, one_connection: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.apply.worker, "WAITING_BYTES", 1000)
    given_up, messages = _lane(stack, one_connection, DISTRICTS[0]), _messages(DISTRICTS[0])
    assert given_up.take(messages[:2]) == -1
    given_up.close()
    assert _lane(stack, one_connection, DISTRICTS[0]).take(messages) == messages[-1].offset
    assert _schools(stack) == {DISTRICTS[0]: len(SCHOOLS)}


def test_a_chunk_that_waited_and_cannot_be_read_is_the_dead_letter_and_its_set_is_refused(
    stack: Pipeline, one_connection: Database
) -> None:
    header, first, *rest = _messages(DISTRICTS[0])
    broken = Message(APPROVED, 0, first.offset, first.key, b'{"chunk": ', first.headers)
    messages = [header, broken, *rest]
    assert _lane(stack, one_connection, DISTRICTS[0]).take(messages) == messages[-1].offset
    assert _schools(stack) == {}
    letters = stack.messages(DEAD_LETTERS)
    assert [letter.value for letter in letters] == [broken.value, messages[-1].value]
