"""What the desk's pages ask: every function reads the schema `desk` as the role `rollcall_desk`, and nothing else.

Connections are psycopg's, synchronous (`services.database.connect.connect(dsn, "rollcall_desk")`). A change set is
named by its id; where it was held more than once, under several snapshots, the newest is meant. The feed notifies
the channel `desk`, with the district as payload, whenever something has changed.
"""

from datetime import datetime
from typing import Any, TypeAlias

import psycopg

from schemas.events import Operation
from schemas.records import RecordKind
from services.guard.desk.answers import Board, ChangeShown, ChangesPage, DecisionShown, HeldSetShown, NightShown

Connection: TypeAlias = psycopg.Connection[Any]

CHANNEL = "desk"


def board(connection: Connection, search: str = "", *, at: datetime | None = None) -> Board:
    """Give the board as it is at a moment (now): the districts whose id contains `search`, what needs somebody first.

    Tonight is counted from the last 22:00 UTC on: every night of the United States begins after it.
    """
    raise NotImplementedError


def held_set(connection: Connection, change_set: str) -> HeldSetShown | None:
    """Give a held set, decided or not; None where the desk has never seen one of this id."""
    raise NotImplementedError


def held_sets(connection: Connection, district: str, limit: int = 20) -> tuple[HeldSetShown, ...]:
    """Give the district's held sets, the newest first."""
    raise NotImplementedError


def changes(
    connection: Connection,
    change_set: str,
    *,
    op: Operation | None = None,
    kind: RecordKind | None = None,
    school: str | None = None,
    search: str = "",
    page: int = 1,
    size: int = 50,
    names: bool = False,
) -> ChangesPage:
    """Give a page of a held set's changes in the set's order, a renumbered record beside the one it is the same as.

    `search` is the beginning of an id, or part of a school's or a class's name in any case; people are not found by
    their names. Unless `names`, what tells who somebody is comes as HIDDEN. A page past the end is empty.
    """
    raise NotImplementedError


def change(connection: Connection, change_set: str, place: int, *, names: bool = False) -> ChangeShown | None:
    """Give one change by its `place`; None where there is none (any more)."""
    raise NotImplementedError


def history(connection: Connection, district: str, nights: int = 60) -> tuple[NightShown, ...]:
    """Give the district's last syncs, the oldest first; none where the desk does not know the district."""
    raise NotImplementedError


def record_look(connection: Connection, reviewer: str, change_set: str, what: str) -> None:
    """Write down that somebody asked to see names: `what` says which ('page 3 of students', 'change 65537')."""
    raise NotImplementedError


def decisions(connection: Connection, change_set: str) -> tuple[DecisionShown, ...]:
    """Give every decision on this set, whichever tool made it, with guard's answer, the oldest first."""
    raise NotImplementedError
