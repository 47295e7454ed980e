"""The relay: every row of the outbox is published, each key's rows in order, whatever happens to relays."""

from collections import defaultdict
from collections.abc import Iterator

import pytest

from schemas.topics import UPDATES
from tests.pipeline import Pipeline, pipeline, until

KEYS = 40
VERSIONS = 400

CUT_OFF = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE application_name = 'rollcall_relay' AND datname = current_database()"
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
