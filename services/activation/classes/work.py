"""What an account has done in the product: its own, whatever district it is in or leaves."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from services.activation.classes.acting import QUERIES, acting


@dataclass(frozen=True, slots=True)
class Work:
    """A piece of work that was done."""

    work_id: UUID
    title: str
    done_at: datetime


def work_of(connection: psycopg.Connection[Any], account_id: UUID) -> list[Work]:
    """Give the account's newest hundred pieces of work, the newest first. Raises UnknownError."""
    with acting(connection, account_id), connection.cursor(row_factory=class_row(Work)) as cursor:
        return cursor.execute(QUERIES["work"]).fetchall()


def record_work(connection: psycopg.Connection[Any], account_id: UUID, title: str) -> Work:
    """Write down work that the account has done; the title is not empty. Raises UnknownError."""
    with acting(connection, account_id), connection.cursor(row_factory=class_row(Work)) as cursor:
        work = cursor.execute(QUERIES["record_work"], {"title": title}).fetchone()
        assert work is not None, "an insert that returns its row gives one"
        return work
