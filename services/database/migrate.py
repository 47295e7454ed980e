"""Brings the accounts database to the newest schema: plain numbered SQL files, each run once, in order.

A file's name is NNNN_pre_….sql or NNNN_post_….sql: `pre` is safe while the old code still runs, `post` is run after
it is gone. Each file is one transaction together with the row that says it was run.
"""

import re
import sys
from dataclasses import dataclass
from importlib.resources import files

import psycopg

from services.installation import find_installation
from services.settings import Settings

_NAME = re.compile(r"(\d{4})_(pre|post)_[a-z0-9_]+\.sql")
_LOCK = 0x526F6C6C  # any number, the same for every migrating process
_OLDEST_SERVER = 17  # it can be granted to have a table analyzed (MAINTAIN)


class MigrationError(Exception):
    """The database and the migrations do not fit together; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    sql: str


def migrations() -> list[Migration]:
    """Give all migrations in order. Raises MigrationError for a bad name, a gap or a number used twice."""
    found = []
    for path in files("services.database").joinpath("migrations").iterdir():
        if not path.name.endswith(".sql"):
            continue
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"migration {path.name} is not named NNNN_pre_….sql or NNNN_post_….sql")
        found.append(Migration(int(match[1]), path.name, path.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationError("the migrations' numbers do not count from 0001 without a gap")
    return found


def migrate(dsn: str) -> list[str]:
    """Run what has not been run yet and give those names; running it twice, or from two machines, does no harm.

    Raises MigrationError where the database is newer than this code or its server too old, psycopg.Error where a file
    fails.
    """
    done: list[str] = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        if (server := connection.info.server_version // 10_000) < _OLDEST_SERVER:
            raise MigrationError(
                f"Rollcall needs PostgreSQL {_OLDEST_SERVER} or newer and this is PostgreSQL {server}; upgrade it, "
                "or name another one in ROLLCALL_DATABASE"
            )
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, name text NOT NULL,"
            " run_at timestamptz NOT NULL DEFAULT now())"
        )
        ran: dict[int, str] = dict(connection.execute("SELECT number, name FROM migrations").fetchall())
        known = migrations()
        unknown = sorted(set(ran) - {migration.number for migration in known})
        if unknown:
            raise MigrationError(
                f"the database has run migration {ran[unknown[-1]]}, which this version of Rollcall does not have; "
                "install the version that has it"
            )
        for migration in known:
            if migration.number in ran:
                continue
            with connection.transaction():
                connection.execute(migration.sql.encode())
                connection.execute(
                    "INSERT INTO migrations (number, name) VALUES (%s, %s)", (migration.number, migration.name)
                )
            done.append(migration.name)
    return done


def main() -> None:
    """Migrate the database of this installation and say what was run."""
    done = migrate(find_installation(Settings()).database)
    sys.stdout.write("".join(f"{name}\n" for name in done) or "nothing to run, the schema is the newest\n")


if __name__ == "__main__":
    main()
