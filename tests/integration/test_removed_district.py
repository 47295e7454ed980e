"""A district that is removed, and one that comes back: whoever follows the updates stays in step."""

from collections.abc import Iterator

import psycopg
import pytest

from schemas.events import RosterSynced, RosterUpdate
from schemas.records import KINDS, Record, School, Student
from schemas.topics import APPROVED, UPDATES
from services.database.connect import connect
from services.district_rows import district, put_district, remove_district
from services.districts import District
from tests.change_sets import approved, created
from tests.pipeline import Pipeline, pipeline, until

SPRINGFIELD = District(
    district="springfield", name="Springfield", provider="clever", url="http://127.0.0.1:9", setting_up=True
)
RECORDS: list[Record] = [School("s1", "Lincoln"), Student("p1", None, "Sam", "Lee", "Sam Lee", ("s1",))]


@pytest.fixture
def rostered(kafka: str, database: str, topic_prefix: str) -> Iterator[Pipeline]:
    with pipeline(kafka, database, topic_prefix, "apply", "relay", "activation") as running:
        with connect(database, "rollcall_operator") as connection:
            put_district(connection, SPRINGFIELD)
        _apply(running, 0)
        yield running


def _apply(running: Pipeline, base_version: int) -> None:
    for event in approved("springfield", base_version, [created(record) for record in RECORDS], {}):
        running.publish(APPROVED, event)
    version = base_version + 1
    until("it is applied", lambda: running.query("SELECT 1 FROM rosters WHERE roster_version = %s", version) or None)


def test_removing_a_district_tells_that_each_of_its_records_is_gone_and_deactivates_its_people(
    rostered: Pipeline,
) -> None:
    until("the student is known", lambda: rostered.query("SELECT 1 FROM activations WHERE state = 'required'") or None)
    with connect(rostered.database, "rollcall_operator") as connection:
        assert remove_district(connection, "springfield")
        assert district(connection, "springfield") is None
    rostered.published()
    told = [e for e in rostered.events(UPDATES) if isinstance(e, RosterUpdate) and e.roster_version == 2]
    assert {(e.kind, e.id, e.op) for e in told} == {("schools", "s1", "removed"), ("students", "p1", "removed")}
    synced = [e for e in rostered.events(UPDATES) if isinstance(e, RosterSynced)][-1]
    assert (synced.roster_version, synced.updates, synced.digest) == (2, 2, "0" * 32)
    assert synced.totals == dict.fromkeys(KINDS, 0)
    until("they are let go", lambda: rostered.query("SELECT 1 FROM activations WHERE state = 'deactivated'") or None)


def test_a_district_that_comes_back_goes_on_counting_its_versions(rostered: Pipeline) -> None:
    with connect(rostered.database, "rollcall_operator") as connection:
        remove_district(connection, "springfield")
        put_district(connection, SPRINGFIELD)
    assert rostered.query("SELECT roster_version FROM rosters") == [(2,)]
    _apply(rostered, 2)
    assert rostered.query("SELECT count(*) FROM students") == [(1,)]


def test_removing_a_district_that_nobody_knows_does_nothing(database: str) -> None:
    with connect(database, "rollcall_operator") as connection:
        assert not remove_district(connection, "nowhere")
    with psycopg.connect(database) as everything:
        assert everything.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
