"""Merges a staged change set into the accounts database, whole or not at all, in one transaction (promise 3)."""

from typing import Any, Literal, TypeAlias

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from schemas.cloudevents import event_id
from schemas.events import RosterSynced, SyncRequested
from schemas.records import KINDS, RECORD_KINDS, RecordKind
from schemas.topics import UPDATES
from services.apply.chunks import PACKED
from services.apply.merge_kind import MergeStatements, PersonStatements, person_statements, record_statements
from services.apply.staging import QUERIES, StagedChangeSet
from services.apply.state_digest import StateDigest
from services.clock import now
from services.district_rows import district
from services.guard.rules_rows import calendar_of
from services.nights import QUERIES as NIGHTS
from services.nights import NightState, request_sync
from services.outbox import INSERT as OUTBOX_INSERT
from services.outbox import outbox_row

Outcome: TypeAlias = Literal["applied", "unchanged", "applied before", "stale", "paused"]

_RECORDS: dict[RecordKind, MergeStatements] = {
    "schools": record_statements("schools"),
    "classes": record_statements("classes"),
}
_PEOPLE: dict[RecordKind, tuple[str, PersonStatements]] = {
    "teachers": ("teacher", person_statements("teachers")),
    "students": ("student", person_statements("students")),
}

MANY_CHANGES = 1000
"""From how many changes on PostgreSQL plans better with statistics of them; below, they cost more than they save."""

MUCH_GROWN = 10_000
"""From so many new records of a kind on it is asked whether its table has outgrown what PostgreSQL knows of it."""


class MisfitError(Exception):
    """A change set does not fit what is applied, though it names its version. Nothing of it is applied."""


class DistrictGoneError(Exception):
    """The district of a change set is no longer registered."""


def merge(staged: StagedChangeSet) -> Outcome:
    """Apply the change set, write the ledger and the outbox and move the roster version on by one, all or nothing.

    A set that the ledger has, or whose night was found to change nothing, is 'applied before'. One whose base version
    is no longer current is 'stale' (promise 5), and one that was let through before a pause and comes in it is
    'paused': a fresh sync is asked for. Raises MisfitError, DistrictGoneError, psycopg.Error; then nothing has changed.
    """
    connection, started = staged.connection, staged.started
    about: dict[str, Any] = {"district": started.district, "change_set": started.change_set, "sync_id": started.sync_id}
    with connection.transaction():
        roster = connection.execute(QUERIES["lock_roster"], about).fetchone()
        if roster is None:
            raise DistrictGoneError(f"district {started.district} is not registered")
        before = connection.execute(QUERIES["in_ledger"], about).fetchone()
        if before is not None:
            _end_night(connection, staged, before[0], "applied")
            return "applied before"
        version, digest, setting_up = roster
        if connection.execute(QUERIES["found_unchanged"], about).fetchone() is not None:
            return "applied before"
        if version != started.base_version:
            why = f"computed against roster version {started.base_version}, which is no longer current (now {version})"
            _ask_again(connection, staged, why)
            return "stale"
        if started.changes == 0:
            _close_version(connection, staged, version, digest, updates=0)
            return "unchanged"
        if (paused := _pause(connection, started.district)) is not None:
            _ask_again(connection, staged, f"let through before a pause ({paused}), in which nothing is applied")
            return "paused"
        about = {**about, "roster_version": version + 1, "base_version": version, "applied_at": now()}
        _merge_kinds(connection, staged, about)
        new_digest = StateDigest(digest).plus(staged.digest_change).value()
        as_rows = {**about, "packed": PACKED, "before": staged.updates_before()}
        told = connection.execute(QUERIES["publish_updates"], as_rows).rowcount
        _expect("chunks of updates", started.chunks, told)
        totals: dict[str, Any] = {kind: started.counts[kind].after for kind in KINDS}
        connection.execute(QUERIES["move_roster_on"], {**about, **totals, "digest": new_digest})
        connection.execute(
            QUERIES["write_ledger"],
            {
                **about,
                "approval": Jsonb(started.approval.model_dump(mode="json") if started.approval else {}),
                "counts": Jsonb({kind: counts.model_dump() for kind, counts in started.counts.items()}),
                "proofs": Jsonb([proof.model_dump() for proof in started.proofs]),
                "defects": Jsonb(started.defects),
                "updates": started.changes,
                "digest": new_digest,
            },
        )
        if setting_up:
            connection.execute(QUERIES["end_setting_up"], about)
        _close_version(connection, staged, version + 1, new_digest, updates=started.changes)
    _look_over(connection, staged)
    return "applied"


def _merge_kinds(connection: psycopg.Connection[Any], staged: StagedChangeSet, about: dict[str, Any]) -> None:
    """Merge the classes before the people, whose rows say which classes they are in."""
    counts = staged.started.counts
    many = staged.started.changes >= MANY_CHANGES
    if many:
        connection.execute(QUERIES["analyze"])
    if staged.counted["classes", "removed"]:
        connection.execute(QUERIES["stage_lost_places"], about)
    for kind, statements in _RECORDS.items():
        _remove_and_update(staged, kind, statements, about)
        made = connection.execute(statements.create, about).rowcount if staged.counted[kind, "created"] else 0
        _expect(f"{kind} created", counts[kind].created, made)
    created = removed = 0
    for kind, (part, people) in _PEOPLE.items():
        connection.execute(QUERIES["forget_moved"])
        connection.execute(QUERIES["gather_moved"], {**about, "part": part})
        if many:
            connection.execute(QUERIES["analyze_moved"])
        moved, gained, lost = _row(connection.execute(QUERIES["count_moved"]))
        known = connection.execute(people.move, about).rowcount
        _remove_and_update(staged, kind, people, about)
        made = made_with_classes = 0
        if staged.counted[kind, "created"]:
            made, made_with_classes = _row(connection.execute(people.create, about))
        _expect(f"{kind} created", counts[kind].created, made)
        if known + made_with_classes != moved:
            raise MisfitError(
                f"places of nobody: of {moved} {kind} whose classes change, {moved - known - made_with_classes} are "
                "not in the roster, or not in the classes that the change set was computed against"
            )
        created, removed = created + gained, removed + lost
    _expect("places created", counts["places"].created, created)
    _expect("places updated", counts["places"].updated, staged.places_updated)
    _expect("places removed", counts["places"].removed, removed)


def _remove_and_update(
    staged: StagedChangeSet, kind: RecordKind, statements: MergeStatements, about: dict[str, Any]
) -> None:
    """Run what there is something for: each statement reads all that is staged."""
    execute, counts = staged.connection.execute, staged.started.counts[kind]
    removed = execute(statements.remove, about).rowcount if staged.counted[kind, "removed"] else 0
    _expect(f"{kind} removed", counts.removed, removed)
    updated = execute(statements.update, about).rowcount if staged.counted[kind, "updated"] else 0
    _expect(f"{kind} updated", counts.updated, updated)


def _row(cursor: psycopg.Cursor[Any]) -> tuple[int, ...]:
    row: tuple[int, ...] | None = cursor.fetchone()
    assert row is not None, "a count is always answered"
    return row


def _expect(what: str, counted: int, done: int) -> None:
    if counted != done:
        raise MisfitError(f"{what}: the header counts {counted}, the accounts database would have {done}")


def _look_over(connection: psycopg.Connection[Any], staged: StagedChangeSet) -> None:
    """Have PostgreSQL look over the tables that have grown much, before it does so by itself, a minute later.

    Until then it plans for tables as they were before: after a large first load every page of a class took seconds.
    """
    counts = staged.started.counts
    grown = [kind for kind in RECORD_KINDS if counts[kind].created >= MUCH_GROWN]
    if not grown:
        return
    changes = {"kinds": grown, "created": [counts[kind].created for kind in grown]}
    for (table,) in connection.execute(QUERIES["outgrown"], changes).fetchall():
        connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))


def _close_version(
    connection: psycopg.Connection[Any], staged: StagedChangeSet, version: int, digest: bytes, updates: int
) -> None:
    """Tell everybody that the district is at this version, and end the night."""
    started = staged.started
    synced = RosterSynced(
        district=started.district,
        sync_id=started.sync_id,
        change_set=started.change_set,
        roster_version=version,
        updates=updates,
        totals={kind: started.counts[kind].after for kind in KINDS},
        digest=digest.hex(),
        synced_at=now(),
    )
    connection.execute(
        OUTBOX_INSERT,
        outbox_row(
            UPDATES,
            "dev.rollcall.roster.synced.v1",
            synced,
            key=started.district,
            source="/rollcall/apply",
            identity=(started.sync_id, started.change_set),
            correlation_id=started.sync_id,
            causation_id=started.change_set,
        ),
    )
    _end_night(connection, staged, version, "applied" if updates else "unchanged")


def _end_night(connection: psycopg.Connection[Any], staged: StagedChangeSet, version: int, state: NightState) -> None:
    """End the night of this sync; another sync may have brought the very same change set before."""
    started = staged.started
    connection.execute(
        NIGHTS["applied"],
        {
            "sync_id": started.sync_id,
            "state": state,
            "change_set": started.change_set,
            "roster_version": version,
            "counts": Jsonb({kind: counts.model_dump() for kind, counts in started.counts.items()}),
            "defects": Jsonb(started.defects),
            "at": now(),
        },
    )


def _pause(connection: psycopg.Connection[Any], district_id: str) -> str | None:
    """Give the name of the pause that the district is in now, or None."""
    registered = district(connection, district_id)
    pause = calendar_of(connection, registered).pause_at(now()) if registered is not None else None
    return pause.name if pause is not None else None


def _ask_again(connection: psycopg.Connection[Any], staged: StagedChangeSet, why: str) -> None:
    """Have the district synced afresh in place of a change set that can no longer be applied."""
    started = staged.started
    fresh = SyncRequested(
        district=started.district,
        sync_id=event_id("stale", started.change_set, started.sync_id),
        reason="stale",
        requested_at=now(),
    )
    request_sync(connection, fresh, "/rollcall/apply")
    connection.execute(
        NIGHTS["follow"],
        {
            "sync_id": started.sync_id,
            "text": f"{why}; sync {fresh.sync_id} takes its place",
            "followed_by": fresh.sync_id,
            "at": now(),
        },
    )
