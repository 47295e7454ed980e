"""Shows whether the tables bloat over many nights: `python -m tests.bench.bloat --nights 100 --students 2000`.

Each night goes through guard's judgement, apply's staging and merge, the relay's deletion and activation's matching, in
the workers' roles, without Kafka: 1% of the students are renamed, 1% change classes, a few leave and as many come. The
roster's size stays, so that its tables may grow by what autovacuum leaves behind and no more. Autovacuum is as
installed, but looks every second in place of every minute, and a night lasts at least that long in place of a day.

Fails where a table or index that holds what is true now is more than twice its size after night 1 (and more than
64 pages larger), or where a journal grows by more than so many bytes a night.
"""

import argparse
import json
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from deploy.local import ports
from deploy.local.postgres import Postgres
from schemas.events import Change, ChangeSetChunk, ChangeSetCompleted, ChangeSetStarted
from schemas.records import KINDS, Class, Record, School, Student, Teacher
from services.activation.matching import PersonKey, Rostered, match_roster
from services.apply.merge import merge
from services.apply.relay import OLDEST
from services.apply.relay import QUERIES as RELAY
from services.apply.staging import StagedChangeSet
from services.database.connect import connect
from services.guard.judging import judge_once
from tests.change_sets import approved, created, removed, updated
from tests.rosters import add_district
from tests.stack import migrate_without_holidays, new_database

DISTRICT = "springfield"
PLACES_A_STUDENT = 6
TOLD_AFTER = (1, 10, 50, 100)

JOURNALS = {"ledger": 8_192, "nights": 8_192, "judgements": 8_192}
"""What is kept of every night on purpose, and the bytes that a night may add, indexes included."""

SIZES = """
    SELECT n.nspname || '.' || c.relname, c.relkind::text, pg_relation_size(c.oid),
           coalesce(s.n_dead_tup, 0), coalesce(t.relname, c.relname)
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
    LEFT JOIN pg_index i ON i.indexrelid = c.oid
    LEFT JOIN pg_class t ON t.oid = i.indrelid
    WHERE (n.nspname IN ('public', 'desk', 'sign_in') OR n.nspname = 'pg_catalog' AND c.relname IN
           ('pg_attribute', 'pg_class', 'pg_type', 'pg_statistic', 'pg_depend', 'pg_index'))
        AND c.relkind IN ('r', 'i')
    ORDER BY 3 DESC
"""

screen = Console()


class BloatError(Exception):
    """A table has grown beyond its bound."""


class Roster:
    """A district's people and classes from night to night."""

    def __init__(self, students: int) -> None:
        self._made = students
        self.school = School("s1", "Lincoln")
        self.teachers = [_teacher(number) for number in range(max(1, students // 17))]
        self.students = [_student(number) for number in range(students)]
        number = max(PLACES_A_STUDENT, students // 4)
        ids = [student.id for student in self.students]
        members: list[list[str]] = [[] for _ in range(number)]
        for at, id_ in enumerate(ids):
            for place in range(PLACES_A_STUDENT):
                members[(at + place * 7) % number].append(id_)
        self.classes = [
            Class(f"c{at}", f"Class {at}", "s1", (self.teachers[at % len(self.teachers)].id,), tuple(sorted(of_class)))
            for at, of_class in enumerate(members)
        ]

    def first(self) -> list[Change]:
        """Give the changes of the first load."""
        records: list[Record] = [self.school, *self.teachers, *self.students, *self.classes]
        return [created(record) for record in records]

    def night(self, number: int) -> list[Change]:
        """Give a night's changes: a hundredth renamed, a hundredth in another class, a five-hundredth left and come."""
        share = max(1, len(self.students) // 100)
        start = number * share % len(self.students)
        changes: list[Change] = []
        for at in (place % len(self.students) for place in range(start, start + share)):
            before = self.students[at]
            self.students[at] = replace(before, family=f"Lee {number}", display_name=f"Sam Lee {number}")
            changes.append(updated(before, self.students[at]))
        gone = [self.students[(start + share + at) % len(self.students)] for at in range(max(1, share // 5))]
        come = [_student(self._made + at) for at in range(len(gone))]
        self._made += len(come)
        taking = {before.id: after.id for before, after in zip(gone, come, strict=True)}
        self.students = [each for each in self.students if each.id not in taking] + come
        moving = {each.id for each in self.students[start : start + share]}
        for at, before_class in enumerate(self.classes):
            following = self.classes[at - 1].students
            ids = {taking.get(id_, id_) for id_ in before_class.students}
            if moved := sorted(ids & moving)[:1]:
                moving -= set(moved)
                ids -= set(moved)
            ids |= {id_ for id_ in following[:1] if id_ not in taking and at % 100 == number % 100}
            after_class = replace(before_class, students=tuple(sorted(ids)))
            if after_class != before_class:
                self.classes[at] = after_class
                changes.append(updated(before_class, after_class))
        return [*map(removed, gone), *map(created, come), *changes]


def _student(number: int) -> Student:
    return Student(f"p{number:08}", f"p{number}@school.example", "Sam", f"Lee {number}", f"Sam {number}", ("s1",))


def _teacher(number: int) -> Teacher:
    return Teacher(f"t{number:08}", f"t{number}@school.example", "Ada", f"Hand {number}", f"Ada {number}", ("s1",))


def play(database: str, changes: list[Change]) -> None:
    """Take a night's changes through guard, apply, relay and activation."""
    with connect(database, "rollcall_apply") as connection:
        row = connection.execute(
            f"SELECT roster_version, {', '.join(KINDS)} FROM rosters WHERE district = %s".encode(), (DISTRICT,)
        ).fetchone()
        assert row is not None
        version, *existing = row
        events = approved(DISTRICT, version, changes, dict(zip(KINDS, existing, strict=True)), chunk=1000)
        started, *chunks, completed = events
        assert isinstance(started, ChangeSetStarted)
        assert isinstance(completed, ChangeSetCompleted)
        connection.execute(
            "INSERT INTO nights (sync_id, district, reason, state, requested_at)"
            " VALUES (%s, %s, 'schedule', 'comparing', now())",
            (started.sync_id, DISTRICT),
        )
        with connect(database, "rollcall_guard") as guard, guard.transaction():
            judge_once(guard, started, 50)
        staged = StagedChangeSet(connection, started)
        for chunk in chunks:
            assert isinstance(chunk, ChangeSetChunk)
            staged.add(chunk.model_dump_json().encode())
        staged.check_whole(completed)
        if (outcome := merge(staged)) != "applied":
            raise BloatError(f"the night was {outcome}")
    with connect(database, "rollcall_relay") as relay:
        while rows := relay.execute(RELAY["oldest"], OLDEST).fetchall():
            relay.execute(RELAY["published"], {"positions": [row[0] for row in rows]})
    with connect(database, "rollcall_activation") as activation:
        match_roster(activation, _people(changes, version + 1))
    with connect(database, "rollcall_relay") as relay:
        while rows := relay.execute(RELAY["oldest"], OLDEST).fetchall():
            relay.execute(RELAY["published"], {"positions": [row[0] for row in rows]})


def _people(changes: list[Change], version: int) -> Iterator[Rostered]:
    for change in changes:
        if change.kind in {"teachers", "students"}:
            record: Record | None = change.record
            key = PersonKey(DISTRICT, change.kind, change.id)
            if isinstance(record, Teacher | Student):
                yield Rostered(key, version, False, record.email, None, None, record.given, record.family)
            else:
                yield Rostered(key, version, True)


def _make_accounts(database: str, people: int) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(
            "WITH made AS (INSERT INTO accounts SELECT FROM generate_series(1, %s) RETURNING account_id)"
            " INSERT INTO account_emails (account_id, email)"
            " SELECT account_id, 'p' || row_number() OVER () || '@school.example' FROM made",
            (people,),
        )
        connection.execute("TRUNCATE account_changes")


def sizes(database: str) -> dict[str, dict[str, Any]]:
    """Give bytes, dead rows and the table of each table and index."""
    with psycopg.connect(database) as connection:
        connection.execute("SELECT pg_stat_clear_snapshot()")
        return {
            name: {"index": kind == "i", "bytes": size, "dead": dead, "table": table}
            for name, kind, size, dead, table in connection.execute(SIZES.encode())
        }


def faults(first: dict[str, dict[str, Any]], last: dict[str, dict[str, Any]], nights: int) -> list[str]:
    """Say which tables and indexes have grown beyond their bounds since night 1."""
    found = []
    for name, now in last.items():
        before = first.get(name, {"bytes": 0})["bytes"]
        grown = now["bytes"] - before
        if (journal := JOURNALS.get(now["table"])) is not None:
            if grown > journal * nights:
                found.append(f"{name} grows by {grown // nights:,} bytes a night; {journal:,} are its bound")
        elif now["bytes"] > 2 * before and grown > 64 * 8192:
            found.append(f"{name} had {before:,} bytes after night 1 and has {now['bytes']:,}")
    return found


def main() -> None:
    """Play the nights, print the sizes, fail where a bound is passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bloat", description=__doc__)
    parser.add_argument("--nights", type=int, default=100)
    parser.add_argument("--students", type=int, default=2_000)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    given = parser.parse_args()
    told: dict[int, dict[str, dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="rollcall-bloat-", ignore_cleanup_errors=True) as home:
        server = Postgres(Path(home) / "postgres", ports.any_free())
        server.start()
        try:
            with new_database(server.address("postgres")) as database:
                migrate_without_holidays(database)
                with psycopg.connect(database, autocommit=True) as connection:
                    connection.execute("ALTER SYSTEM SET autovacuum_naptime = '1s'")
                    connection.execute("SELECT pg_reload_conf()")
                add_district(database, DISTRICT)
                _make_accounts(database, given.students)
                roster = Roster(given.students)
                for number in range(1, given.nights + 1):
                    begun = time.monotonic()
                    play(database, roster.first() if number == 1 else roster.night(number))
                    time.sleep(max(0.0, 1.2 - (time.monotonic() - begun)))  # a day in which autovacuum looks once
                    if number in TOLD_AFTER or number == given.nights:
                        told[number] = sizes(database)
        finally:
            server.stop()
    _print(told)
    result = {"run": uuid.uuid4().hex, "nights": given.nights, "students": given.students, "after": told}
    if given.json is not None:
        given.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if found := faults(told[1], told[max(told)], given.nights):
        raise SystemExit("\n".join(found))


def _print(told: dict[int, dict[str, dict[str, Any]]]) -> None:
    last = told[max(told)]
    table = Table("table or index", *(f"KiB after {night}" for night in told), "dead rows", title="sizes")
    for name, now in last.items():
        if now["bytes"] > 16_384:
            kib = [f"{of.get(name, {'bytes': 0})['bytes'] / 1024:,.0f}" for of in told.values()]
            table.add_row(name, *kib, "" if now["index"] else f"{now['dead']:,}")
    screen.print(table)


if __name__ == "__main__":
    main()
