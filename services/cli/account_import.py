"""Accounts from a file into the accounts database: streamed, checked as a whole, made as a whole or not at all.

The rows go by COPY into a temporary table, so that memory does not grow with the file; what only all of them together
can tell (an id twice, an account that exists) PostgreSQL finds there, set by set.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from services.cli.account_lines import AccountLine, BadLine, account_lines
from services.database.queries import Queries

QUERIES = Queries("services.cli", "account_import.sql")

_SPREADING = ("spread_emails", "spread_identities", "spread_classes", "spread_seats", "analyze")
_MAKING = ("make_accounts", "make_emails", "make_identities", "make_classes", "make_seats", "make_work")

MOST_TOLD = 100
"""How many bad lines are told; the others are only counted."""


@dataclass
class Import:
    """What came of a file: how many accounts, emails and ids it holds, and what is wrong with it."""

    accounts: int = 0
    emails: int = 0
    identities: int = 0
    problems: int = 0
    told: list[BadLine] = field(default_factory=list)

    def refuse(self, lines: Sequence[BadLine], problems: int) -> None:
        """Count what is wrong, and keep it to be told while there is room."""
        self.problems += problems
        self.told += lines[: MOST_TOLD - len(self.told)]


def import_accounts(
    connection: psycopg.Connection[Any], text: Iterable[str], *, shared_emails: bool, check_only: bool
) -> Import:
    """Make the accounts of a CSV file, or say what is wrong with it; then, and with `check_only`, none is made.

    `text` are the file's lines as `account_lines` takes them. Unless `shared_emails`, an email that two accounts would
    have is wrong too: a file that is given twice would make everybody twice. Raises psycopg.Error.
    """
    found = Import()
    with connection.transaction(force_rollback=check_only):
        connection.execute(QUERIES["stage"])
        _copy(connection, account_lines(text), found)
        _check_together(connection, found, shared_emails=shared_emails)
        if not found.problems and not check_only:
            for step in _MAKING:
                connection.execute(QUERIES[step])
    found.told.sort(key=lambda bad: bad.line)
    return found


def _copy(connection: psycopg.Connection[Any], lines: Iterable[AccountLine | BadLine], found: Import) -> None:
    with connection.cursor() as cursor, cursor.copy(QUERIES["copy"]) as copy:
        copy.set_types(["int8", "text", *["text[]"] * 8])
        for line in lines:
            if isinstance(line, BadLine):
                found.refuse([line], 1)
                continue
            found.accounts += 1
            found.emails += len(line.emails)
            found.identities += len(line.identities)
            copy.write_row(
                (
                    line.line,
                    line.display_name,
                    list(line.emails),
                    [identity.provider for identity in line.identities],
                    [identity.tenant for identity in line.identities],
                    [identity.subject for identity in line.identities],
                    list(line.teaches),
                    [seat.teacher_email for seat in line.learns_in],
                    [seat.class_name for seat in line.learns_in],
                    list(line.work),
                )
            )
    for step in _SPREADING:
        connection.execute(QUERIES[step])


def _check_together(connection: psycopg.Connection[Any], found: Import, *, shared_emails: bool) -> None:
    checks = {
        "ids_twice": "the id that it gives stands on line {other} too; one person's id belongs to one account",
        "ids_taken": "the id that it gives belongs to account {other} already; take the id out, or the line",
    }
    checks |= {
        "classes_twice": "it teaches two classes of one name; name them apart",
        "seats_unknown": "it learns in a class that no line of the file teaches, or more than one does; name a class "
        "by an email of its teacher's line and its name",
    }
    if not shared_emails:
        checks |= {
            "emails_twice": "an email that it gives stands on line {other} too; take one line out, or say "
            "--shared-emails",
            "emails_taken": "an email that it gives is that of account {other} already; take the line out if it is the "
            "same person, or say --shared-emails",
        }
    for check, text in checks.items():
        if rows := connection.execute(QUERIES[check], {"most": MOST_TOLD}).fetchall():
            found.refuse([BadLine(line, text.format(other=other)) for line, other, _ in rows], rows[0][2])
