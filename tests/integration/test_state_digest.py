"""After any history digest, totals and places of a district are exactly those of what its tables hold (promise 10)."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.records import KINDS, RECORD_KINDS, Record, RecordKind, digest_of, encode_record
from services.diff.applied import AppliedRoster
from services.diff.change_set import work_out
from tests.arrived import Arrived, Night, apply_change_set, nights


def _run(connection: psycopg.Connection[Any], dsn: str, night: Night, number: int) -> None:
    with closing(Arrived(*night)) as arrived:
        with AppliedRoster(connection, "springfield") as applied:
            found = work_out("springfield", applied, arrived.records, chunk_records=3)
        with closing(found.chunks):
            apply_change_set(dsn, found, sync_id=f"sync-{number}", snapshot_id=f"snapshot-{number}")


def _assert_adds_up(connection: psycopg.Connection[Any]) -> None:
    with AppliedRoster(connection, "springfield") as applied:
        held: dict[RecordKind, Sequence[Record]] = {
            kind: list(applied.records(kind, list(applied.digests(kind))).values()) for kind in RECORD_KINDS
        }
        stored = {kind: {id_: digest.hex() for id_, digest in applied.digests(kind).items()} for kind in RECORD_KINDS}
        totals = applied.totals().totals
    for kind, records in held.items():
        assert {record.id: digest_of(encode_record(record)) for record in records} == stored[kind]
    everything = [record for records in held.values() for record in records]
    digest = sum(int(digest_of(encode_record(record)), 16) for record in everything) % (1 << 128)
    row = connection.execute("SELECT encode(digest, 'hex') FROM rosters").fetchone()
    assert row == (f"{digest:032x}",)
    counted = {kind: connection.execute(f"SELECT count(*) FROM {kind}".encode()).fetchone() for kind in KINDS}
    assert {kind: (total,) for kind, total in totals.items()} == counted
    for kind, part in (("teachers", "teacher"), ("students", "student")):
        theirs = connection.execute(f"SELECT id, class FROM {kind}, unnest(classes) AS class ORDER BY 1, 2".encode())
        places = connection.execute("SELECT person, class FROM places WHERE part = %s ORDER BY 1, 2", (part,))
        assert theirs.fetchall() == places.fetchall()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(nights(), min_size=1, max_size=4))
def test_digest_totals_and_places_of_both_sides_are_those_of_the_tables_after_any_history(
    database: str, history: list[Night]
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DELETE FROM districts; DELETE FROM retired_districts")
        connection.execute(
            "INSERT INTO districts (district, name, provider, url, timezone, plan)"
            " VALUES ('springfield', 'Springfield', 'clever', 'http://127.0.0.1:9', 'UTC', 'districts')"
        )
        connection.execute("INSERT INTO rosters (district) VALUES ('springfield')")
        for number, night in enumerate(history):
            _run(connection, database, night, number)
            _assert_adds_up(connection)
