"""Times matching itself, without Kafka: `python -m tests.bench.matching --people 1000000`.

A first load of one district against twice as many accounts, then a night in which one in a hundred changes, then the
same again, then as many new emails of accounts. Of a hundred people 90 have an account, 8 have none, 2 share an email.
Each ends with a check of what must have come out; a wrong result fails, a slow one never does.
"""

import argparse
import resource
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from services.activation.account_changes import CHANGES
from services.activation.matching import PersonKey, Rostered, match_changed_accounts, match_roster
from services.activation.worker import BATCH_MESSAGES
from services.database.connect import connect
from services.database.migrate import migrate
from tests.stack import new_database, postgres_for_tests

screen = Console()


class WrongResultError(Exception):
    """People did not end with the accounts that they must have."""


def _person(number: int) -> Rostered:
    email = number - 1 if number % 100 == 99 else number  # the last two of a hundred share theirs
    return Rostered(
        PersonKey("springfield", "students", f"{number:024x}"),
        1,
        False,
        f"Student{email}@school.example",
        str(number),
        "2012-03-04",
        f"Given{number}",
        f"Family{number}",
    )


def _make_accounts(connection: psycopg.Connection[Any], people: int) -> None:
    """Twice as many accounts as people: of those of the district, and of others."""
    connection.execute(
        "INSERT INTO districts (district, name, provider, url, timezone, plan)"
        " VALUES ('springfield', 'Springfield', 'clever', 'http://127.0.0.1:9', 'UTC', 'districts')"
    )
    connection.execute("INSERT INTO rosters (district) VALUES ('springfield')")
    connection.execute(
        "CREATE TEMPORARY TABLE made AS SELECT gen_random_uuid() AS account_id, n,"
        " CASE WHEN n < %(people)s AND n %% 100 NOT BETWEEN 90 AND 97 THEN 'student' || n || '@school.example'"
        " ELSE 'somebody' || n || '@home.example' END AS email FROM generate_series(0, 2 * %(people)s - 1) n",
        {"people": people},
    )
    connection.execute("INSERT INTO accounts (account_id) SELECT account_id FROM made")
    connection.execute("INSERT INTO account_emails (account_id, email) SELECT account_id, email FROM made")
    connection.execute("TRUNCATE account_changes")  # nobody is rostered yet
    connection.execute("ANALYZE accounts, account_emails")


def _turns(people: Iterator[Rostered]) -> Iterator[list[Rostered]]:
    turn: list[Rostered] = []
    for person in people:
        turn.append(person)
        if len(turn) == BATCH_MESSAGES:
            yield turn
            turn = []
    if turn:
        yield turn


class Clock:
    """Seconds on the wall, and of CPU: of this process and, where it runs on this machine, of PostgreSQL's for it."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._pids = [pid for pid in (psutil.Process().pid, connection.info.backend_pid) if psutil.pid_exists(pid)]
        self._wall, self._cpu = time.monotonic(), self._used()

    def _used(self) -> float:
        return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in self._pids)

    def lap(self) -> tuple[float, float]:
        """Give the seconds on the wall and of CPU since the last lap."""
        wall, cpu = time.monotonic(), self._used()
        lap = wall - self._wall, cpu - self._cpu
        self._wall, self._cpu = wall, cpu
        return lap


def _expect(connection: psycopg.Connection[Any], what: str, expected: int, query: str) -> None:
    row = connection.execute(query.encode()).fetchone()
    if row is None or row[0] != expected:
        raise WrongResultError(f"{what}: {row and row[0]} instead of {expected}")


def _rows(
    connection: psycopg.Connection[Any], matching: psycopg.Connection[Any], people: int
) -> Iterator[tuple[str, int, tuple[float, float]]]:
    """Give what was measured: what, how many people or changes, seconds on the wall and of CPU."""
    clock = Clock(matching)
    for turn in _turns(_person(number) for number in range(people)):
        match_roster(matching, turn)
    yield "first load", people, clock.lap()
    _expect(connection, "activated", people * 90 // 100, "SELECT count(*) FROM activations WHERE state = 'activated'")
    _expect(connection, "in conflict", people * 2 // 100, "SELECT count(*) FROM activations WHERE state = 'conflict'")
    _expect(connection, "told of", people, "SELECT count(*) FROM outbox")
    connection.execute("TRUNCATE outbox")
    changed = [
        replace(_person(number), roster_version=2, email=f"new{number}@school.example")
        for number in range(0, people, 100)
    ]
    for what, told in (("one in a hundred gets a new email", 0), ("the same again", 0)):
        clock.lap()
        for turn in _turns(iter(changed)):
            match_roster(matching, turn)
        yield what, len(changed), clock.lap()
        _expect(connection, "told of", told, "SELECT count(*) FROM outbox")
    connection.execute(
        "INSERT INTO account_emails (account_id, email)"
        " SELECT account_id, 'new' || (row_number() OVER () * 100) || '@school.example'"
        " FROM account_emails WHERE email LIKE 'somebody%%' LIMIT %s",
        (people // 100,),
    )
    clock.lap()
    while match_changed_accounts(matching, CHANGES):
        pass
    yield "as many emails of other accounts", people // 100, clock.lap()
    _expect(
        connection,
        "in conflict with another account",
        people // 100 - 1,
        "SELECT count(*) FROM activations WHERE reason = 'email-and-id-differ'",
    )


def main() -> None:
    """Run it and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100_000, help="a multiple of 100")
    people = parser.parse_args().people
    table = Table("what", "people", "seconds", "CPU seconds", "µs of CPU each")
    with postgres_for_tests() as postgres, new_database(postgres) as database:
        migrate(database)
        with (
            psycopg.connect(database, autocommit=True) as connection,
            connect(database, "rollcall_activation") as matching,
        ):
            begun = time.monotonic()
            _make_accounts(connection, people)
            screen.print(f"{2 * people:,} accounts made in {time.monotonic() - begun:.1f} s")
            for what, number, (seconds, cpu) in _rows(connection, matching, people):
                table.add_row(what, f"{number:,}", f"{seconds:.1f}", f"{cpu:.1f}", f"{cpu / number * 1e6:.0f}")
    screen.print(table)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    screen.print(f"the most memory of the process that matches: {peak} MiB")


if __name__ == "__main__":
    main()
