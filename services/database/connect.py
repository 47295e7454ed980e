"""Connections to the accounts database, each in the role of the worker that opens it."""

from typing import Literal, TypeAlias

import psycopg
from psycopg import conninfo, sql
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

Role: TypeAlias = Literal[
    "rollcall_scheduler",
    "rollcall_ingest",
    "rollcall_diff",
    "rollcall_guard",
    "rollcall_apply",
    "rollcall_relay",
    "rollcall_activation",
    "rollcall_notifier",
    "rollcall_desk",
    "rollcall_operator",
    "rollcall_product",
    "rollcall_sign_in",
]

Database: TypeAlias = ConnectionPool[psycopg.Connection[TupleRow]]
"""Connections that are opened once and lent out: opening one costs PostgreSQL as much as a small district's night."""

_WAIT_SECONDS = 10.0


def with_role(dsn: str, role: Role) -> str:
    """Give the address under which a connection takes up the role as it opens, before it can do anything else."""
    options = conninfo.conninfo_to_dict(dsn).get("options")
    return conninfo.make_conninfo(dsn, options=f"{options or ''} -c role={role}".strip(), application_name=role)


def connect(dsn: str, role: Role) -> psycopg.Connection[TupleRow]:
    """Open a connection that may do what the role may do. Raises psycopg.OperationalError where nobody answers."""
    return psycopg.connect(with_role(dsn, role), autocommit=True)


def pool(dsn: str, role: Role, most: int) -> Database:
    """Make a pool of at most so many connections as `connect` gives; open it by entering its context.

    What is lent has just answered. Whoever has made temporary tables empties them before it goes back.
    Asking for one raises psycopg.OperationalError where nobody answers for ten seconds.
    """
    return ConnectionPool(
        with_role(dsn, role),
        kwargs={"autocommit": True, "prepare_threshold": None},  # no plan of a small district serves a large one
        min_size=1,
        max_size=most,
        timeout=_WAIT_SECONDS,
        check=ConnectionPool.check_connection,
        open=False,
    )


def listen(connection: psycopg.Connection[TupleRow], channel: str) -> None:
    """Have the connection hear the channel's notifications from now on."""
    connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
