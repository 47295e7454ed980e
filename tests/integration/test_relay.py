"""The relay: every row of the outbox is published, each key's rows in order, whatever happens to relays."""

import json
from collections import defaultdict
from collections.abc import Iterator

import pytest

from schemas.records import School
from schemas.topics import ACTIVATIONS, UPDATES
from services.activation.newcomers import NEWCOMERS
from services.apply.chunks import PACKED, pack
from tests.change_sets import approved, created
from tests.pipeline import Pipeline, pipeline, until

KEYS = 40
VERSIONS = 400

CUT_OFF = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE application_name = 'rollcall_relay' AND datname = current_database()"
)

SINGLE = (
    "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, source, subject) VALUES (%(version)s,"
    " 'roster.updates', 'springfield/schools/s7', 'dev.rollcall.school.updated.v1', '{}', '/tests', 'springfield')"
)
PACKED_ROW = (
    "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, source, subject, causationid) VALUES"
    " (%(number)s, 'roster.updates', 'springfield', %(type)s, %(payload)s, '/rollcall/apply', 'springfield',"
    " 'change set')"
)

NEWCOMERS_ROW = (
    "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, source, subject) VALUES"
    " ('newcomers', 'roster.activations', 'springfield', %(type)s, %(payload)s, '/rollcall/activation', 'springfield')"
)
LATER = (
    "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, source, subject) VALUES ('later',"
    " 'roster.activations', %(key)s, 'dev.rollcall.activation.deactivated.v1', '{}', '/tests', %(key)s)"
)


@pytest.fixture
def running(kafka: str, database: str, topic_prefix: str) -> Iterator[Pipeline]:
    with pipeline(kafka, database, topic_prefix) as running:
        yield running


def _fill(running: Pipeline) -> None:
    """Write the outbox in many transactions, each with the next version of every key."""
    with running.connect() as connection:
        for version in range(VERSIONS):
            connection.execute(
                "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, source, subject)"
                " SELECT 'id-' || k || '-' || %(version)s, 'roster.updates', 'key-' || k,"
                " 'dev.rollcall.student.updated.v1', '{}', '/tests', 'key-' || k FROM generate_series(1, %(keys)s) k",
                {"version": version, "keys": KEYS},
            )


def _told(running: Pipeline) -> dict[str, list[int]]:
    told: dict[str, list[int]] = defaultdict(list)
    for record in running.messages(UPDATES):
        key, version = dict(record.headers)["ce_id"].decode().removeprefix("id-").split("-")
        assert record.key == f"key-{key}".encode()
        told[key].append(int(version))
    return told


def test_two_relays_publish_every_row_once_and_each_key_in_order(running: Pipeline) -> None:
    running.start("relay", "relay")
    _fill(running)
    running.published()
    assert _told(running) == {str(key): list(range(VERSIONS)) for key in range(1, KEYS + 1)}


def test_relays_killed_and_cut_off_from_the_database_lose_no_row_and_end_every_key_with_its_newest(
    running: Pipeline,
) -> None:
    running.start("relay", "relay")
    _fill(running)
    for _ in range(3):
        until("something is published", lambda: running.messages(UPDATES) or None)
        running.kill_one("relay")
        running.start("relay")
        with running.connect() as connection:
            connection.execute(CUT_OFF)
        _fill(running)
    running.published(seconds=60)
    told = _told(running)
    assert {key: set(versions) for key, versions in told.items()} == {
        str(key): set(range(VERSIONS)) for key in range(1, KEYS + 1)
    }
    assert {versions[-1] for versions in told.values()} == {VERSIONS - 1}


def test_a_relay_publishes_again_what_it_could_not_delete(running: Pipeline) -> None:
    _fill(running)
    with running.connect() as holder, holder.transaction():
        holder.execute("SELECT FROM outbox FOR UPDATE")  # published, but not deleted: a crash between the two
        running.start("relay")
        until("the first batch is published", lambda: len(running.messages(UPDATES)) >= 5000 or None)
        running.kill("relay")
        holder.execute(CUT_OFF)
    running.start("relay")
    running.published()
    for versions in _told(running).values():
        assert set(versions) == set(range(VERSIONS))
        assert versions[-1] == VERSIONS - 1
        assert len(versions) > VERSIONS


def test_each_update_of_a_chunk_is_published_in_its_place_between_what_was_written_before_and_after_it(
    running: Pipeline,
) -> None:
    schools = [created(School(f"s{number}", "Lincoln")) for number in range(1500)]
    _, *chunks, _ = approved("springfield", 0, schools, {}, chunk=500)
    with running.connect() as connection:
        for version in ("before", "after"):
            connection.execute(SINGLE, {"version": version})
            for number, chunk in enumerate(chunks if version == "before" else ()):
                packed = {"district": "springfield", "roster_version": 1, "before": number * 500}
                payload = json.dumps(packed | {"chunk": pack(chunk.model_dump_json().encode())})
                connection.execute(PACKED_ROW, {"type": PACKED, "payload": payload, "number": number})
    running.start("relay")
    running.published()
    records = running.messages(UPDATES)
    updates = [json.loads(record.value) for record in records if b"/tests" not in dict(record.headers)["ce_source"]]
    assert sorted(update["position"] for update in updates) == list(range(1, 1501))
    of_one = [dict(record.headers) for record in records if record.key == b"springfield/schools/s7"]
    assert [headers["ce_source"] for headers in of_one] == [b"/tests", b"/rollcall/apply", b"/tests"]
    assert of_one[1]["ce_type"] == b"dev.rollcall.school.created.v1"
    assert of_one[1]["ce_subject"] == b"springfield/schools/s7"
    assert of_one[1]["ce_causationid"] == b"change set"


def test_all_newcomers_of_turns_longer_than_a_batch_are_published_before_what_comes_after_them(
    running: Pipeline,
) -> None:
    packed = {"district": "springfield", "kind": "students", "state": "required", "roster_version": 1}
    turns = [[f"{number:030}" for number in range(start, start + 15_000)] for start in (0, 15_000)]
    with running.connect() as connection:
        for ids in turns:
            payload = json.dumps(
                packed | {"reason": "no-account", "text": "None.", "ids": ids, "accounts": [None] * len(ids)}
            )
            connection.execute(NEWCOMERS_ROW, {"type": NEWCOMERS, "payload": payload})
        connection.execute(LATER, {"key": f"springfield/students/{turns[1][0]}"})
    running.start("relay")
    running.published()
    records = running.messages(ACTIVATIONS)
    told = [json.loads(record.value)["id"] for record in records if b"/tests" not in dict(record.headers)["ce_source"]]
    assert sorted(told) == sorted(turns[0] + turns[1])
    of_one = [dict(each.headers) for each in records if each.key == f"springfield/students/{turns[1][0]}".encode()]
    assert [headers["ce_source"] for headers in of_one] == [b"/rollcall/activation", b"/tests"]
    assert of_one[0]["ce_type"] == b"dev.rollcall.activation.required.v1"
    assert of_one[0]["ce_subject"] == of_one[1]["ce_subject"]
