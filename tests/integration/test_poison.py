"""What nobody can use, from one district, stops nobody's night (promise 9), and is reported (promise 6)."""

import asyncio
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from schemas.events import ChangeSetChunk, ChangeSetStarted, Event
from schemas.records import Class, Record, School, Student, Teacher
from schemas.topics import APPROVED, CHANGES, DEAD_LETTERS, UPDATES
from services.async_publisher import AsyncPublisher
from services.messages import RECORD_BYTES
from tests.change_sets import approved, created
from tests.pipeline import Pipeline, pipeline, until

SCHOOL = School("s1", "Lincoln")
TEACHER = Teacher("t1", None, "Ada", "Hand", "Ada Hand", ("s1",))
STUDENT = Student("p1", None, "Sam", "Lee", "Sam Lee", ("s1",))
CLASS = Class("c1", "Math 5", "s1", ("t1",), ("p1",))
RECORDS: list[Record] = [SCHOOL, TEACHER, STUDENT, CLASS]


def _first_load() -> list[Event]:
    return approved("springfield", 0, [created(record) for record in RECORDS], {})


def _without_a_kind() -> list[Event]:
    events = _first_load()
    header = events[0]
    assert isinstance(header, ChangeSetStarted)
    counts = {kind: counts for kind, counts in header.counts.items() if kind != "places"}
    return [header.model_copy(update={"counts": counts}), *events[1:]]


def _changed(change: dict[str, Any]) -> Callable[[], list[Event]]:
    def make() -> list[Event]:
        events = _first_load()
        chunk = events[1]
        assert isinstance(chunk, ChangeSetChunk)
        return [
            events[0],
            chunk.model_copy(update={"changes": (chunk.changes[0].model_copy(update=change), *chunk.changes[1:])}),
            *events[2:],
        ]

    return make


def _only(record: Record) -> Callable[[], list[Event]]:
    return lambda: approved("springfield", 0, [created(record)], {})


@pytest.fixture
def applying(kafka: str, database: str, topic_prefix: str) -> Iterator[Pipeline]:
    with pipeline(kafka, database, topic_prefix, "apply", "relay") as running:
        running.add_district("springfield")
        running.add_district("riverside")
        yield running


def _reasons(running: Pipeline) -> list[str]:
    return [dict(letter.headers)["rollcall_reason"].decode() for letter in running.messages(DEAD_LETTERS)]


def _riverside_is_applied_and_told(running: Pipeline) -> None:
    for event in approved("riverside", 0, [created(record) for record in RECORDS], {}):
        running.publish(APPROVED, event)
    until(
        "riverside is applied",
        lambda: running.query("SELECT 1 FROM rosters WHERE district = 'riverside' AND roster_version = 1") or None,
    )
    running.published()


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param(_without_a_kind, id="a header that does not count a kind"),
        pytest.param(_changed({"digest": "no digest"}), id="a digest that is none"),
        pytest.param(_changed({"id": "nul\x00"}), id="an id that no database stores"),
        pytest.param(_changed({"op": "replaced"}), id="an operation that nobody knows"),
        pytest.param(_changed({"kind": "buildings"}), id="a kind that nobody knows"),
        pytest.param(_only(School(secrets.token_hex(4000), "Lincoln")), id="an id too long for any index"),
        pytest.param(_only(School("s1", "x" * (RECORD_BYTES + 1))), id="a record too long for roster.updates"),
        pytest.param(_only(School("s1", "HALF")), id="half a character"),
    ],
)
def test_a_change_set_that_nobody_can_apply_is_set_aside_and_stops_no_other_district(
    applying: Pipeline, poison: Callable[[], Sequence[Event]]
) -> None:
    for event in poison():
        applying.publisher.publish_raw(
            APPROVED,
            [("ce_type", next(name for name, model in APPROVED.types.items() if model is type(event)).encode())],
            b"springfield",
            event.model_dump_json(warnings=False).encode().replace(b"HALF", b"\\ud800"),
        )
    applying.publisher.flush()
    _riverside_is_applied_and_told(applying)
    assert applying.query("SELECT roster_version FROM rosters WHERE district = 'springfield'") == [(0,)]
    until("it is reported", lambda: _reasons(applying) or None)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("ce_type", b"nothing"), ("rollcall_attempt", b"many")], id="an attempt that is no number"),
        pytest.param([("ce_type", b"nothing"), ("own", None)], id="a header without a value"),
        pytest.param([("ce_type", b"\xff\xfe")], id="a type that is no text"),
    ],
)
def test_a_message_with_odd_headers_becomes_a_dead_letter_and_stops_no_other_district(
    applying: Pipeline, headers: Any
) -> None:

    async def send() -> None:  # the one client that sends headers without a value
        async with AsyncPublisher(applying.kafka, applying.prefix, "tests") as publisher:
            await publisher.publish_raw(APPROVED, headers, b"springfield", b"{}")

    asyncio.run(send())
    _riverside_is_applied_and_told(applying)
    letter = until("it is reported", lambda: next(iter(applying.messages(DEAD_LETTERS)), None))
    assert dict(letter.headers)["rollcall_attempt"] == b"1"


@pytest.mark.parametrize(
    ("record", "kept"),
    [
        pytest.param({"record": {"type": "class", "id": 7}}, (), id="a class that is none"),
        pytest.param({"record": {"type": "class", "id": 7}}, ("unknown",), id="a class that is none, to be changed"),
        pytest.param({"digest": "no digest"}, (), id="a digest that is none"),
        pytest.param({"id": "nul\x00"}, (), id="an id that no database stores"),
        pytest.param({"id": secrets.token_hex(2000)}, (), id="an id too long for any index"),
        pytest.param({"record": {"name": "x" * RECORD_BYTES}}, (), id="a record too long for any topic"),
    ],
)
def test_a_snapshot_that_nobody_can_compare_fails_its_night_and_stops_no_other_district(
    kafka: str, database: str, topic_prefix: str, record: dict[str, Any], kept: tuple[str, ...]
) -> None:
    with pipeline(kafka, database, topic_prefix, "diff") as running:
        running.add_district("springfield")
        running.add_district("riverside")
        roster: dict[Any, list[Record]] = {"schools": [SCHOOL], "teachers": [TEACHER], "students": [STUDENT]}

        def spoil(event: Event) -> bytes:
            data = event.model_dump(mode="json")
            if data.get("kind") == "classes":
                data["entries"][0].update(record)
            return json.dumps(data).encode()

        sync_id = running.publish_snapshot(
            "springfield", {**roster, "classes": [CLASS]}, kept={"students": kept}, encode=spoil
        )
        night = running.ended(sync_id)
        assert (night.state, night.failure_code) == ("failed", "incomplete-snapshot")
        running.publish_snapshot("riverside", roster)
        until(
            "riverside is compared",
            lambda: next((e for e in running.events(CHANGES) if e.district == "riverside"), None),
        )
        assert [event for event in running.events(CHANGES) if event.district == "springfield"] == []
        assert _reasons(running)


def test_updates_of_a_district_that_has_been_removed_do_not_stop_the_activation_of_others(
    kafka: str, database: str, topic_prefix: str
) -> None:
    with pipeline(kafka, database, topic_prefix, "apply", "relay") as running:
        for district in ("springfield", "riverside"):
            running.add_district(district)
            for event in approved(district, 0, [created(record) for record in RECORDS], {}):
                running.publish(APPROVED, event)
            until(
                f"{district} is applied",
                lambda district=district: (  # type: ignore[misc]
                    running.query("SELECT 1 FROM rosters WHERE district = %s AND roster_version = 1", district) or None
                ),
            )
        running.published()
        with running.connect() as connection:
            connection.execute("DELETE FROM districts WHERE district = 'springfield'")
        running.publisher.publish_raw(
            UPDATES,
            [("ce_type", b"dev.rollcall.student.created.v1")],
            b"riverside/students/nul",
            b'{"district":"riverside","roster_version":1,"position":1,"op":"created","kind":"students","id":"\\u0000"}',
        )
        running.publisher.flush()
        running.start("activation")
        until(
            "riverside's people are known",
            lambda: running.query("SELECT 1 FROM activations WHERE district = 'riverside' HAVING count(*) = 2") or None,
        )
        assert running.query("SELECT count(*) FROM activations WHERE district = 'springfield'") == [(0,)]
        assert until("it is reported", lambda: _reasons(running) or None) == ["PostgreSQL refuses it: DataError"]


def test_a_message_that_the_guards_tables_refuse_is_set_aside_and_stops_no_other_district(
    kafka: str, database: str, topic_prefix: str
) -> None:
    with pipeline(kafka, database, topic_prefix, "guard") as running:
        running.add_district("springfield")
        running.add_district("riverside")
        header, *rest = _first_load()
        for event in [header.model_copy(update={"sync_id": "nul\x00", "defects": {"\x00": 1}}), *rest]:
            running.publish(CHANGES, event)
        for event in approved("riverside", 0, [created(record) for record in RECORDS], {}):
            running.publish(CHANGES, event)
        until(
            "riverside goes on",
            lambda: next((e for e in running.events(APPROVED) if e.district == "riverside"), None),
        )
        assert _reasons(running)
