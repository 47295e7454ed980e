"""`rollcall doctor`: PostgreSQL, the migrations, the rules in its triggers, the roles and its clock."""

from collections.abc import Iterator
from typing import get_args

import psycopg

from services.cli.checks import Check
from services.clock import now
from services.database.connect import Role, connect
from services.database.migrate import migrations

MOST_SKEW_SECONDS = 5.0


def database_checks(dsn: str) -> Iterator[Check]:
    """Look at the server, the schema, each worker's role and the clock. Raises psycopg.Error."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield Check("postgresql", ok=True, text=f"version {connection.info.server_version // 10000} answers")
        yield _clock(connection)
        schema = _schema(connection)
        yield schema
        yield _triggers(connection)
    if schema.ok:
        yield _roles(dsn)


def _clock(connection: psycopg.Connection[tuple[object, ...]]) -> Check:
    before = now()
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None, "a clock always has a time"
    theirs, ours = row[0], before + (now() - before) / 2
    skew = abs((theirs - ours).total_seconds())  # type: ignore[operator]  # timestamptz comes as datetime
    if skew > MOST_SKEW_SECONDS:
        return Check("clocks", ok=False, text=f"PostgreSQL's clock is {skew:,.0f} s off; let both keep time by NTP")
    return Check("clocks", ok=True, text="this machine and PostgreSQL agree")


def _schema(connection: psycopg.Connection[tuple[object, ...]]) -> Check:
    known = {migration.number: migration.name for migration in migrations()}
    try:
        ran = {row[0] for row in connection.execute("SELECT number FROM migrations")}
    except psycopg.errors.UndefinedTable:
        ran = set()
    missing = [name for number, name in known.items() if number not in ran]
    if missing:
        return Check("migrations", ok=False, text=f"not run yet: {', '.join(missing)}; `rollcall up` runs them")
    if ran - known.keys():
        return Check("migrations", ok=False, text="the database is newer than this Rollcall; install the newer version")
    return Check("migrations", ok=True, text=f"all {len(known)} have run")


def _triggers(connection: psycopg.Connection[tuple[object, ...]]) -> Check:
    """A trigger that somebody switched off for a repair, and forgot, no longer enforces its rule (promise 7)."""
    off = connection.execute(
        "SELECT tgrelid::regclass || '.' || tgname FROM pg_trigger"
        " WHERE NOT tgisinternal AND tgenabled <> 'O' ORDER BY 1"
    ).fetchall()
    if off:
        text = f"switched off: {', '.join(str(name) for (name,) in off)}; ALTER TABLE … ENABLE TRIGGER … for each"
        return Check("triggers", ok=False, text=text)
    return Check("triggers", ok=True, text="the rules that the database enforces are switched on")


def _roles(dsn: str) -> Check:
    refused = []
    for role in get_args(Role):
        try:
            connect(dsn, role).close()
        except psycopg.OperationalError:
            refused.append(role)
    if refused:
        return Check(
            "roles",
            ok=False,
            text=f"this user may not work as {', '.join(refused)}; have a superuser GRANT these roles to it",
        )
    return Check("roles", ok=True, text=f"all {len(get_args(Role))} may be assumed")
