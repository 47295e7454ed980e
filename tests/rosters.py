"""Rosters in a database without Kafka: applied by apply's own merge, in its role, as the tables' triggers demand."""

from collections.abc import Sequence
from uuid import UUID

import psycopg

from schemas.events import Change, ChangeSetChunk, ChangeSetCompleted, ChangeSetStarted
from schemas.records import KINDS, Record
from services.apply.merge import merge
from services.apply.staging import StagedChangeSet
from services.database.connect import connect
from tests.change_sets import approved, created


def add_district(database: str, district: str) -> None:
    """Register a district."""
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO districts (district, name, provider, url, timezone, plan)"
            " VALUES (%s, %s, 'clever', 'http://127.0.0.1:9', 'UTC', 'districts')",
            (district, district.title()),
        )
        connection.execute("INSERT INTO rosters (district) VALUES (%s)", (district,))


def roster(database: str, district: str, records: Sequence[Record]) -> None:
    """Apply these records to a registered district, each as created."""
    apply_changes(database, district, [created(record) for record in records])


def apply_changes(database: str, district: str, changes: Sequence[Change], places_updated: int = 0) -> None:
    """Apply these changes to a registered district, as its next roster version.

    `places_updated` are the teachers who become, or are no longer, the primary one of their class.
    """
    with connect(database, "rollcall_apply") as connection:
        row = connection.execute(
            f"SELECT roster_version, {', '.join(KINDS)} FROM rosters WHERE district = %s".encode(), (district,)
        ).fetchone()
        assert row is not None, f"{district} is not registered"
        version, *existing = row
        started, *chunks, completed = approved(district, version, changes, dict(zip(KINDS, existing, strict=True)))
        assert isinstance(started, ChangeSetStarted)
        places = started.counts["places"].model_copy(update={"updated": places_updated})
        started = started.model_copy(update={"counts": {**started.counts, "places": places}})
        staged = StagedChangeSet(connection, started)
        for chunk in chunks:
            assert isinstance(chunk, ChangeSetChunk)
            staged.add(chunk.model_dump_json().encode())
        assert isinstance(completed, ChangeSetCompleted)
        staged.check_whole(completed)
        assert merge(staged) == "applied"


def add_account(database: str, display_name: str | None = None) -> UUID:
    """Make an account."""
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "INSERT INTO accounts (display_name) VALUES (%s) RETURNING account_id", (display_name,)
        ).fetchone()
        assert row is not None
        account_id: UUID = row[0]
        return account_id


def activate_as(database: str, account_id: UUID, district: str, kind: str, id_: str) -> None:
    """Link a rostered person to the account, as activation does."""
    with connect(database, "rollcall_activation") as connection:
        connection.execute(
            "INSERT INTO activations (district, kind, id, state, account_id, roster_version)"
            " VALUES (%s, %s, %s, 'activated', %s, 1)"
            " ON CONFLICT (district, kind, id) DO UPDATE SET state = 'activated', account_id = excluded.account_id",
            (district, kind, id_, account_id),
        )
