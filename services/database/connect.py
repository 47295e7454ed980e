"""Connections to the accounts database, each in the role of the worker that opens it."""

from typing import Literal, TypeAlias

import psycopg
from psycopg import conninfo, sql
from psycopg.rows import TupleRow

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


def with_role(dsn: str, role: Role) -> str:
    """Give the address under which a connection takes up the role as it opens, before it can do anything else."""
    options = conninfo.conninfo_to_dict(dsn).get("options")
    return conninfo.make_conninfo(dsn, options=f"{options or ''} -c role={role}".strip(), application_name=role)


def connect(dsn: str, role: Role) -> psycopg.Connection[TupleRow]:
    """Open a connection that may do what the role may do. Raises psycopg.OperationalError where nobody answers."""
    return psycopg.connect(with_role(dsn, role), autocommit=True)


def listen(connection: psycopg.Connection[TupleRow], channel: str) -> None:
    """Have the connection hear the channel's notifications from now on."""
    connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
