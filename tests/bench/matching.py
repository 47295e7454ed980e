"""Times matching itself, without Kafka: `python -m tests.bench.matching --people 1000000`.

A first load of one district as the night brings it, then a night in which one in a hundred changes, then the same
again, then as many new emails of accounts. As in the night, PostgreSQL flushes what it commits, people come in turns of
one partition after another, emails say nothing of the order of ids, and there are twice as many accounts and another
district. Of a hundred people 90 have an account, 8 have none, 2 share an email. Each ends with a check of what must
have come out; a wrong result fails, a slow one never does.
"""

import argparse
import resource
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from deploy.local import ports
from deploy.local.postgres import Postgres
from schemas.topics import UPDATES
from services.activation.account_changes import CHANGES
from services.activation.matching import PersonKey, Rostered, match_changed_accounts, match_roster
from services.activation.worker import BATCH_MESSAGES
from services.database.connect import connect
from services.database.migrate import migrate
from tests.bench.accounts import ACCOUNTS_A_PERSON
from tests.bench.proof import WrongResultError
from tests.outbox import COLUMNS, events

DISTRICT = "springfield"
OTHER_DISTRICT = "shelbyville"
NAMES = ["leilani", "bo", "alexandria", "olu", "fatima", "jing", "zuri", "maximilian", "ichiro", "mei", "thandi"]

screen = Console()


@contextmanager
def _postgres() -> Iterator[str]:
    """Give the address of a PostgreSQL of the settings that nights are measured with."""
    with tempfile.TemporaryDirectory(prefix="rollcall-bench-", ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder), ports.any_free())
        server.start()
        try:
            yield server.address()
        finally:
            server.stop()


def _key(number: int) -> PersonKey:
    return PersonKey(DISTRICT, "students", f"5fb850ea5a000006{number:08x}")


def _person(number: int) -> Rostered:
    own = number - 1 if number % 100 == 99 else number  # the last two of a hundred share their email
    return Rostered(
        _key(number),
        1,
        False,
        f"{NAMES[own % len(NAMES)].title()}{own}@students.{DISTRICT}.example",
        str(number),
        "2012-03-04",
        NAMES[number % len(NAMES)].title(),
        "Featherstonehaugh",
    )


def _with_new_email(number: int) -> Rostered:
    return replace(_person(number), roster_version=2, email=f"new{number}@school.example")


def _make_accounts(connection: psycopg.Connection[Any], people: int) -> None:
    """What was there before: accounts of the district's people and of others, and a district a fifth as large."""
    for district in (DISTRICT, OTHER_DISTRICT):
        connection.execute(
            "INSERT INTO districts (district, name, provider, url, timezone, plan)"
            " VALUES (%s, 'A town', 'clever', 'http://127.0.0.1:9', 'UTC', 'districts')",
            (district,),
        )
    connection.execute("INSERT INTO rosters (district) VALUES (%s)", (DISTRICT,))
    connection.execute(
        "CREATE TEMPORARY TABLE made AS SELECT gen_random_uuid() AS account_id, n,"
        " CASE WHEN n < %(people)s AND n %% 100 NOT BETWEEN 90 AND 97"
        " THEN (%(names)s::text[])[1 + n %% cardinality(%(names)s::text[])] || n || '@students.springfield.example'"
        " ELSE 'somebody' || n || '@home.example' END AS email FROM generate_series(0, %(accounts)s - 1) n",
        {"people": people, "accounts": round(people * ACCOUNTS_A_PERSON), "names": NAMES},
    )
    connection.execute("INSERT INTO accounts (account_id) SELECT account_id FROM made ORDER BY account_id")
    connection.execute(
        "INSERT INTO account_emails (account_id, email) SELECT account_id, email FROM made ORDER BY account_id"
    )
    connection.execute(
        "CREATE TEMPORARY TABLE others AS SELECT %s AS district, 'students' AS kind,"
        " '4ec0d1b25b00000' || lpad(to_hex(n), 9, '0') AS id, account_id, email, n::text AS number"
        " FROM made WHERE n BETWEEN %s AND %s",
        (OTHER_DISTRICT, people, people + people // 5),
    )
    connection.execute(
        "INSERT INTO identities (district, kind, subject, account_id, number, provider, tenant, proof)"
        " SELECT district, kind, id, account_id, number, 'clever', '', 'email' FROM others"
    )
    connection.execute(
        "INSERT INTO activations (district, kind, id, account_id, email_key, number, roster_version, state)"
        " SELECT district, kind, id, account_id, email, number, 1, 'activated' FROM others"
    )
    connection.execute("TRUNCATE account_changes")  # they are matched
    connection.execute("VACUUM ANALYZE accounts, account_emails, activations, identities")


def _turns(numbers: Iterable[int]) -> Iterator[list[int]]:
    """Give the turns in which partitions bring these people: each partition's in order, one partition after another."""
    lanes: list[list[int]] = [[] for _ in range(UPDATES.partitions)]
    for number in numbers:
        lanes[zlib.crc32(_key(number).id.encode()) % len(lanes)].append(number)
    for start in range(0, max(map(len, lanes)), BATCH_MESSAGES):
        yield from filter(None, (lane[start : start + BATCH_MESSAGES] for lane in lanes))


class Clock:
    """Seconds on the wall, and of CPU: of PostgreSQL's process for the connection, and of this one."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._processes = [psutil.Process(connection.info.backend_pid), psutil.Process()]
        self._last = self._now()

    def _now(self) -> list[float]:
        return [time.monotonic(), *(sum(process.cpu_times()[:2]) for process in self._processes)]

    def lap(self) -> list[float]:
        """Give the seconds on the wall and of CPU, of PostgreSQL and of this process, since the last lap."""
        last, self._last = self._last, self._now()
        return [now - then for now, then in zip(self._last, last, strict=True)]


def _expect(connection: psycopg.Connection[Any], what: str, expected: int, query: str) -> None:
    row = connection.execute(query.encode()).fetchone()
    if row is None or row[0] != expected:
        raise WrongResultError(f"{what}: {row and row[0]} instead of {expected}")


def _rows(
    connection: psycopg.Connection[Any], matching: psycopg.Connection[Any], people: int
) -> Iterator[tuple[str, int, list[float]]]:
    """Give what was measured: what, how many people or changes, and the seconds as Clock gives them."""
    of_district = f"FROM activations WHERE district = '{DISTRICT}'"
    turns = list(_turns(range(people)))
    clock = Clock(matching)
    for turn in turns:
        match_roster(matching, map(_person, turn))
    yield "first load", people, clock.lap()
    _expect(connection, "activated", people * 90 // 100, f"SELECT count(*) {of_district} AND state = 'activated'")
    _expect(connection, "in conflict", people * 2 // 100, f"SELECT count(*) {of_district} AND state = 'conflict'")
    told_of = events(connection.execute(f"SELECT {COLUMNS} FROM outbox".encode()).fetchall())
    if len({event.entity for event in told_of}) != people:
        raise WrongResultError(f"told of {len(told_of)} instead of {people}")
    connection.execute("TRUNCATE outbox")
    for what, told in (("one in a hundred gets a new email", 0), ("the same again", 0)):
        clock.lap()
        for turn in _turns(range(0, people, 100)):
            match_roster(matching, map(_with_new_email, turn))
        yield what, people // 100, clock.lap()
        _expect(connection, "told of", told, "SELECT count(*) FROM outbox")
    connection.execute(
        "INSERT INTO account_emails (account_id, email)"
        " SELECT account_id, 'new' || ((row_number() OVER () - 1) * 100) || '@school.example'"
        " FROM account_emails WHERE email LIKE 'somebody%%' AND account_id NOT IN (SELECT account_id FROM identities)"
        " LIMIT %s",
        (people // 100,),
    )
    clock.lap()
    while match_changed_accounts(matching, CHANGES):
        pass
    yield "as many emails of other accounts", people // 100, clock.lap()
    _expect(
        connection,
        "in conflict with another account",
        people // 100,
        f"SELECT count(*) {of_district} AND reason = 'email-and-id-differ'",
    )


def main() -> None:
    """Run it and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.matching", description=__doc__)
    parser.add_argument("--people", type=int, default=100_000, help="a multiple of 100")
    people = parser.parse_args().people
    table = Table("what", "people", "seconds", "CPU s", "PostgreSQL µs each", "this process µs each")
    with _postgres() as database:
        migrate(database)
        with (
            psycopg.connect(database, autocommit=True) as connection,
            connect(database, "rollcall_activation") as matching,
        ):
            begun = time.monotonic()
            _make_accounts(connection, people)
            screen.print(f"accounts made in {time.monotonic() - begun:.1f} s")
            for what, number, (seconds, server, own) in _rows(connection, matching, people):
                each = [f"{cpu / number * 1e6:.1f}" for cpu in (server, own)]
                table.add_row(what, f"{number:,}", f"{seconds:.1f}", f"{server + own:.1f}", *each)
    screen.print(table)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    screen.print(f"the most memory of the process that matches: {peak} MiB")


if __name__ == "__main__":
    main()
