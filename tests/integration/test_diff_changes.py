"""What diff finds, on the fast ways and the slow one, against a look at every record; on a real PostgreSQL."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any

import msgspec
import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.records import RECORD_KINDS, Class, Record, RecordKind, Student, digest_of, encode_record
from services.database.connect import connect
from services.diff.applied import AppliedRoster
from services.diff.change_set import ChangeSet, compare_all, work_out
from services.diff.unchanged import is_unchanged
from tests.arrived import Arrived, Night, Roster, apply_change_set, nights

Changes = dict[tuple[str, RecordKind, str], tuple[bytes | None, bytes | None]]
"""By operation, kind and id: the record as it was and as it will be, as canonical JSON."""


def _comes_of(applied: Roster, night: Night) -> Roster:
    """Give the roster that the night leaves, looking at every record."""
    records, kept = night
    after: Roster = {
        kind: {**{id_: applied[kind][id_] for id_ in kept[kind] & applied[kind].keys()}, **records[kind]}
        for kind in RECORD_KINDS
    }
    for id_, class_ in after["classes"].items():
        assert isinstance(class_, Class)
        after["classes"][id_] = replace(
            class_,
            teachers=tuple(person for person in class_.teachers if person in after["teachers"]),
            students=tuple(person for person in class_.students if person in after["students"]),
        )
    return after


def _changes(before: Roster, after: Roster) -> Changes:
    changes: Changes = {}
    for kind in RECORD_KINDS:
        for id_ in before[kind].keys() | after[kind].keys():
            was, will = before[kind].get(id_), after[kind].get(id_)
            if was != will:
                op = "created" if was is None else "removed" if will is None else "updated"
                changes[op, kind, id_] = (encode_record(was) if was else None, encode_record(will) if will else None)
    return changes


class _Change(msgspec.Struct):
    op: str
    kind: RecordKind
    id: str
    before_digest: str | None = None
    digest: str | None = None
    before: msgspec.Raw = msgspec.Raw()
    record: msgspec.Raw = msgspec.Raw()


def _told(found: ChangeSet) -> Changes:
    changes: Changes = {}
    for chunk in found.chunks:
        for change in msgspec.json.decode(chunk, type=list[_Change]):
            was, will = bytes(change.before) or None, bytes(change.record) or None
            assert change.before_digest == (digest_of(was) if was else None)
            assert change.digest == (digest_of(will) if will else None)
            changes[change.op, change.kind, change.id] = (was, will)
    return changes


def _header(found: ChangeSet) -> dict[str, Any]:
    return {**asdict(replace(found, chunks=[])), "chunks": list(found.chunks)}  # type: ignore[arg-type]


def _register(connection: psycopg.Connection[Any]) -> None:
    connection.execute("DELETE FROM districts; DELETE FROM retired_districts")
    connection.execute(
        "INSERT INTO districts (district, name, provider, url, timezone, plan)"
        " VALUES ('springfield', 'Springfield', 'clever', 'http://127.0.0.1:9', 'UTC', 'districts')"
    )
    connection.execute("INSERT INTO rosters (district) VALUES ('springfield')")


def _night(dsn: str, roster: Roster, night: Night, number: str) -> Roster:
    """Compare and apply one night; give the roster after it."""
    after = _comes_of(roster, night)
    expected = _changes(roster, after)
    with (
        closing(Arrived(*night)) as arrived,
        connect(dsn, "rollcall_diff") as connection,
        AppliedRoster(connection, "springfield") as applied,
    ):
        baseline = applied.totals()
        found = work_out("springfield", applied, arrived.records, chunk_records=3)
        compared = compare_all("springfield", applied, baseline, arrived.records, chunk_records=3)
        unchanged = is_unchanged(arrived.records, baseline, applied.with_ids)
    with closing(found.chunks), closing(compared.chunks):
        assert _told(found) == expected
        assert _header(found) == _header(compared)
        assert not (unchanged and expected)
        _assert_header_is_right(found, roster, after, expected)
        apply_change_set(dsn, found, sync_id=f"sync-{number}", snapshot_id=f"snapshot-{number}")
    return after


def _assert_header_is_right(found: ChangeSet, before: Roster, after: Roster, changes: Changes) -> None:
    for kind in RECORD_KINDS:
        counts = found.counts[kind]
        assert (counts.existing, counts.after) == (len(before[kind]), len(after[kind]))
        assert counts.updated == sum(1 for op, of, _ in changes if (op, of) == ("updated", kind))
    was, will = _students_of_schools(before), _students_of_schools(after)
    emptied = [(school, students) for school, students in sorted(was.items()) if school not in will]
    assert [(one.school, one.students) for one in found.emptied_schools] == emptied
    if changes:
        for told, count in (
            (found.classes_without_teacher, _classes_without_teacher),
            (found.students_without_class, _students_without_class),
        ):
            assert told is not None
            assert (told.before, told.after) == (count(before), count(after))


def _students_of_schools(roster: Roster) -> Mapping[str, int]:
    schools: dict[str, int] = {}
    for student in roster["students"].values():
        assert isinstance(student, Student)
        for school in student.schools:
            schools[school] = schools.get(school, 0) + 1
    return schools


def _classes_without_teacher(roster: Roster) -> int:
    return sum(1 for class_ in roster["classes"].values() if isinstance(class_, Class) and not class_.teachers)


def _students_without_class(roster: Roster) -> int:
    placed = {id_ for class_ in roster["classes"].values() if isinstance(class_, Class) for id_ in class_.students}
    return len(roster["students"].keys() - placed)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(nights(), min_size=1, max_size=3))
def test_diff_finds_exactly_what_a_look_at_every_record_finds_and_nothing_in_the_same_night_again(
    database: str, history: list[Night]
) -> None:
    roster: Roster = {kind: {} for kind in RECORD_KINDS}
    with psycopg.connect(database, autocommit=True) as connection:
        _register(connection)
    for number, night in enumerate(history):
        roster = _night(database, roster, night, f"{number}")
        assert _night(database, roster, night, f"{number}-again") == roster
        same: Night = (roster, {kind: set() for kind in RECORD_KINDS})
        assert _night(database, roster, same, f"{number}-as-applied") == roster


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), first=nights())
def test_a_night_is_seen_to_be_unchanged_without_its_records_whatever_of_it_is_kept(
    database: str, data: st.DataObject, first: Night
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        _register(connection)
    roster = _night(database, {kind: {} for kind in RECORD_KINDS}, first, "first")
    some = {kind: data.draw(st.sets(st.sampled_from(sorted(of)))) if of else set() for kind, of in roster.items()}
    rest: dict[RecordKind, dict[str, Record]] = {
        kind: {id_: record for id_, record in of.items() if id_ not in some[kind]} for kind, of in roster.items()
    }
    with (
        closing(Arrived(rest, some)) as arrived,
        connect(database, "rollcall_diff") as connection,
        AppliedRoster(connection, "springfield") as applied,
    ):
        assert is_unchanged(arrived.records, applied.totals(), applied.with_ids)
