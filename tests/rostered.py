"""A district's roster and its activations put straight into the accounts database, as apply and activation would."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg

from schemas.records import Class, Record, RecordKind, Student, Teacher, digest_of, encode_record


def add_roster(
    connection: psycopg.Connection[Any], district: str, records: Mapping[RecordKind, Sequence[Record]]
) -> None:
    """Register the district and write its records, all at roster version 1, in the role that may."""
    with connection.transaction():
        connection.execute(
            "INSERT INTO districts (district, name, provider, url, timezone, plan)"
            " VALUES (%s, %s, 'clever', 'http://127.0.0.1:9', 'America/Chicago', 'districts')",
            (district, district.title()),
        )
        connection.execute("INSERT INTO rosters (district, roster_version) VALUES (%s, 1)", (district,))
        connection.execute(
            "INSERT INTO ledger (district, roster_version, change_set, sync_id, approval, counts, proofs, defects,"
            " updates, digest) VALUES (%s, 1, %s, 'sync-1', '{\"by\": \"policy\"}', '{}', '[]', '{}', 1, '')",
            (district, f"set-of-{district}"),
        )
        connection.execute("SET LOCAL ROLE rollcall_apply")
        for kind in ("schools", "teachers", "students", "classes"):
            for record in records.get(kind, ()):
                _write(connection, district, kind, record)


def _write(connection: psycopg.Connection[Any], district: str, kind: str, record: Record) -> None:
    values: dict[str, Any] = {
        name: list(value) if isinstance(value, tuple) else value
        for name in record.__slots__
        if name != "type" and (value := getattr(record, name)) is not None
    }
    digest = bytes.fromhex(digest_of(encode_record(record)))
    columns = {"district": district, "digest": digest, "roster_version": 1, **values}
    connection.execute(
        f"INSERT INTO {kind} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})".encode(),
        list(columns.values()),
    )
    if isinstance(record, Class):
        for table, people in (("teachers", record.teachers), ("students", record.students)):
            connection.execute(
                f"UPDATE {table} SET classes = classes || %s WHERE district = %s AND id = ANY(%s)".encode(),
                ([record.id], district, list(people)),
            )


def add_account(connection: psycopg.Connection[Any], *emails: str) -> str:
    """Make an account and give its id."""
    [(account_id,)] = connection.execute("INSERT INTO accounts DEFAULT VALUES RETURNING account_id").fetchall()
    for email in emails:
        connection.execute("INSERT INTO account_emails (account_id, email) VALUES (%s, %s)", (account_id, email))
    return str(account_id)


def activate(
    connection: psycopg.Connection[Any],
    district: str,
    person: Teacher | Student,
    state: str,
    reason: str,
    account_id: str | None = None,
    candidates: Sequence[str] = (),
) -> None:
    """Write what matching has come to about a person."""
    could_be = [UUID(one) for one in candidates]
    connection.execute(
        "INSERT INTO activations (district, kind, id, email_key, state, account_id, reason, candidates, roster_version)"
        " VALUES (%s, %s, %s, lower(%s), %s, %s, %s, %s, 1)",
        (district, f"{person.type}s", person.id, person.email, state, account_id, reason, could_be),
    )
