"""What is kept of nights is bounded, and what somebody still needs is kept however old it is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from services.database.connect import connect
from services.guard.desk.feed import sweep
from services.guard.telling import tell_due
from services.ingest.scheduler import forget_due
from services.retention import forget_before
from tests.rosters import add_district

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEPT = timedelta(days=400)


class Journals:
    """The journals of a district, written as the workers leave them."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.connection = psycopg.connect(address, autocommit=True)
        add_district(address, "springfield")

    def night(self, name: str, days: float, state: str = "applied", **columns: Any) -> None:
        values = {"sync_id": name, "district": "springfield", "reason": "nightly", "state": state}
        self._insert("nights", {**values, "requested_at": NOW - timedelta(days=days), **columns})

    def judgement(self, change_set: str, days: float) -> None:
        values = {"change_set": change_set, "snapshot_id": "snapshot", "district": "springfield", "verdict": "hold"}
        self._insert("judgements", {**values, "counts": "{}", "judged_at": NOW - timedelta(days=days)})

    def hold(self, change_set: str, days: float, state: str, sync_id: str = "a sync") -> None:
        values: dict[str, Any] = {"change_set": change_set, "district": "springfield", "sync_id": sync_id}
        values |= {"snapshot_id": "snapshot", "counts": "{}", "reasons": "[]", "state": state}
        values |= dict.fromkeys(
            ("base_version", "changes", "chunks", "held_partition", "first_offset", "last_offset"), 0
        )
        self._insert("holds", {**values, "held_at": NOW - timedelta(days=days)})

    def applied(self, version: int, days: float) -> None:
        values: dict[str, Any] = {"district": "springfield", "roster_version": version, "change_set": f"set {version}"}
        values |= {"sync_id": "a sync", "updates": 1, "digest": b"", **dict.fromkeys(("approval", "counts"), "{}")}
        values |= {"proofs": "[]", "defects": "{}", "applied_at": NOW - timedelta(days=days)}
        self._insert("ledger", values)
        self.connection.execute("UPDATE rosters SET roster_version = %s", (version,))

    def _insert(self, table: str, values: dict[str, Any]) -> None:
        names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
        self.connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})".encode(), list(values.values()))

    def left(self, table: str, column: str) -> set[Any]:
        return {row[0] for row in self.connection.execute(f"SELECT {column} FROM {table}".encode()).fetchall()}

    def forget(self) -> dict[str, int]:
        return forget_due(self.address, NOW - KEPT)


@pytest.fixture
def journals(database: str) -> Iterator[Journals]:
    made = Journals(database)
    yield made
    made.connection.close()


def test_nights_judgements_decided_holds_and_applied_sets_go_after_their_days(journals: Journals) -> None:
    for name, days in (("old", 401), ("recent", 399), ("last", 1)):
        journals.night(name, days)
        journals.judgement(name, days)
        journals.hold(name, days, "superseded")
    for version, days in ((1, 402), (2, 401), (3, 399)):
        journals.applied(version, days)
    assert journals.forget() == {"nights": 1, "judgements": 1, "holds": 1, "ledger": 2}
    for table, column in (("nights", "sync_id"), ("judgements", "change_set"), ("holds", "change_set")):
        assert journals.left(table, column) == {"recent", "last"}
    assert journals.left("ledger", "roster_version") == {3}
    assert journals.forget() == {}


@pytest.mark.parametrize("state", ["held", "approved"])
def test_what_somebody_may_still_decide_is_kept_with_its_night_and_judgement(journals: Journals, state: str) -> None:
    journals.night("waits", 900, "held")
    journals.night("last", 1)
    journals.judgement("waits", 900)
    journals.hold("waits", 900, state, sync_id="waits")
    assert journals.forget() == {}
    journals.connection.execute("UPDATE holds SET state = 'rejected'")
    assert journals.forget() == {"nights": 1, "judgements": 1, "holds": 1}


def test_the_newest_of_each_district_is_kept_however_old(journals: Journals) -> None:
    journals.night("older", 801)
    journals.night("newest", 800)
    journals.applied(1, 801)
    journals.applied(2, 800)
    assert journals.forget() == {"nights": 1, "ledger": 1}
    assert journals.left("nights", "sync_id") == {"newest"}
    assert journals.left("ledger", "roster_version") == {2}


def test_a_failure_that_has_lasted_for_years_is_kept_from_its_first_night_and_not_told_again(
    journals: Journals,
) -> None:
    refused = {"failure_code": "disconnected", "failure_text": "it refuses us"}
    journals.night("read", 900, "unchanged")
    journals.night("first", 899, "failed", **refused)
    journals.connection.execute("UPDATE office_calendar SET observed = false")
    assert len(tell_due(journals.address, NOW)) == 1
    for days in (898, 700, 401, 399, 2, 1):
        journals.night(f"{days} days ago", days, "failed", **refused)
    assert journals.forget() == {"nights": 3}
    assert journals.left("nights", "sync_id") == {"read", "first", "399 days ago", "2 days ago", "1 days ago"}
    assert tell_due(journals.address, NOW) == []


def test_what_is_more_than_a_batch_is_forgotten_in_several(journals: Journals) -> None:
    for number in range(25):
        journals.judgement(str(number), 500)
    with connect(journals.address, "rollcall_scheduler") as connection:
        assert forget_before(connection, NOW - KEPT, batch=10) == {"judgements": 25}


def test_the_desk_forgets_its_nights_but_the_newest_and_those_of_sets_that_were_held(journals: Journals) -> None:
    for district, sync_id, days in (
        ("springfield", "old", 401),
        ("springfield", "recent", 399),
        ("lakeside", "held", 402),
        ("lakeside", "newest", 401),
    ):
        journals.connection.execute(
            "INSERT INTO desk.nights (district, sync_id, began_at) VALUES (%s, %s, now() - make_interval(days => %s))",
            (district, sync_id, days),
        )
    journals.connection.execute(
        "INSERT INTO desk.held_sets (district, change_set, snapshot_id, sync_id, partition, first_offset, base_version,"
        " changes, chunks, counts, reasons, proofs, defects, emptied_schools, renumbered, held_by, started_at, held_at)"
        " VALUES ('lakeside', 'set', 'snapshot', 'held', 0, 0, 0, 0, 0, '{}', '[]', '[]', '{}', '[]', '{}', 'policy',"
        " now(), now())"
    )
    with connect(journals.address, "rollcall_desk") as connection:
        assert sweep(connection, KEPT) == (0, 1)
    assert journals.left("desk.nights", "sync_id") == {"recent", "held", "newest"}
