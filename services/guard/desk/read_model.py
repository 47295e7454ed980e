"""What the desk's pages ask: every function reads the schema `desk` as the role `rollcall_desk`, and nothing else.

Connections are psycopg's, synchronous (`services.database.connect.connect(dsn, "rollcall_desk")`). A change set is
named by its id; where it was held more than once, under several snapshots, the newest is meant. The feed notifies
the channel `desk`, with the district as payload, whenever something has changed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

import psycopg
from psycopg.rows import dict_row

from schemas.events import Operation
from schemas.records import RecordKind
from services.clock import now
from services.database.queries import Queries
from services.guard.desk.answers import (
    DISTRICT_STATES,
    Awaiting,
    Board,
    ChangeShown,
    ChangesPage,
    Comparison,
    DecisionShown,
    Difference,
    EmptiedSchoolShown,
    HeldSetShown,
    NightShown,
    NowAndThen,
    SchoolBar,
)
from services.guard.desk.board import row_shown, tonight_from
from services.guard.desk.foresight import next_night
from services.guard.desk.words import (
    change_shown,
    counts_shown,
    limits_shown,
    night_shown,
    proof_in_words,
    reasons_shown,
)
from services.ingest.schedule import ScheduledDistrict, Window

Connection: TypeAlias = psycopg.Connection[Any]
Row: TypeAlias = dict[str, Any]

QUERIES = Queries("services.guard.desk", "read_model.sql")
CHANNEL = "desk"

_LIKE_LITERALLY = str.maketrans({"%": r"\%", "_": r"\_", "\\": r"\\"})


def _rows(connection: Connection, query: str, **parameters: object) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        # Planned anew each time: which filters there are decides which index serves.
        return cursor.execute(QUERIES[query], parameters, prepare=False).fetchall()


def board(
    connection: Connection, search: str = "", *, at: datetime | None = None, window: Window | None = None
) -> Board:
    """Give the board as it is at a moment (now): the districts whose id contains `search`, what needs somebody first.

    With the window of the nights it says of each registered district when its next night is. Tonight is counted from
    the last 22:00 UTC on: every night of the United States begins after it.
    """
    at = at or now()
    nights = {row["district"]: night_shown(row, at) for row in _rows(connection, "last_nights")}
    shown = [
        row_shown(row, nights.get(row["district"]), at, _next_night(row, at, window))
        for row in _rows(connection, "board")
    ]
    states = Counter(row.state for row in shown)
    wanted = [row for row in shown if search.strip().lower() in row.district]
    wanted.sort(key=lambda row: (DISTRICT_STATES.index(row.state), row.district))
    return Board(tonight_from(at), {state: states[state] for state in DISTRICT_STATES}, tuple(wanted))


def _next_night(row: Row, at: datetime, window: Window | None) -> datetime | None:
    if window is None or not row["has_nights"]:
        return None
    return next_night(ScheduledDistrict(row["district"], row["timezone"], row["registered_at"]), at, window)


def held_set(connection: Connection, change_set: str) -> HeldSetShown | None:
    """Give a held set, decided or not; None where the desk has never seen one of this id."""
    rows = _rows(connection, "held_sets", change_set=change_set, district=None, limit=1)
    return _held_set(connection, rows[0]) if rows else None


def held_sets(connection: Connection, district: str, limit: int = 20) -> tuple[HeldSetShown, ...]:
    """Give the district's held sets, the newest first."""
    rows = _rows(connection, "held_sets", change_set=None, district=district, limit=limit)
    return tuple(_held_set(connection, row) for row in rows)


def _held_set(connection: Connection, row: Row) -> HeldSetShown:
    counted = _rows(connection, "counts", held_set=row["held_set"])
    emptied = row["emptied_schools"]
    ids = {count["school"] for count in counted} | {school["school"] for school in emptied}
    names = _school_names(connection, row["district"], ids)
    reasons = reasons_shown(row["reasons"])
    return HeldSetShown(
        district=row["district"],
        provider=row["provider"],
        change_set=row["change_set"],
        snapshot_id=row["snapshot_id"],
        sync_id=row["sync_id"],
        base_version=row["base_version"],
        state="arriving" if row["state"] == "held" and row["whole_at"] is None else row["state"],
        held_by=row["held_by"],
        held_at=row["held_at"],
        reasons=reasons,
        limits=limits_shown(row["limits"], reasons),
        counts=counts_shown(row["counts"]),
        classes_without_teacher=_now_and_then(row["classes_without_teacher"]),
        students_without_class=_now_and_then(row["students_without_class"]),
        changes=row["changes"],
        loaded=row["loaded"],
        changes_by_kind={(count["kind"], count["op"]): count["changes"] for count in counted if not count["school"]},
        by_school=_bars(counted, names),
        emptied_schools=tuple(
            EmptiedSchoolShown(school["school"], names.get(school["school"], school["school"]), school["students"])
            for school in emptied
        ),
        renumbered=row["renumbered"],
        previous=_comparison(row),
        proofs=tuple(proof_in_words(proof) for proof in row["proofs"]),
        defects=row["defects"],
        ended_at=row["ended_at"],
        ended_by=row["ended_by"],
        ended_reason=row["ended_reason"],
        superseded_by=row["superseded_by"],
        applied_at=row["applied_at"],
        applied_version=row["applied_version"],
        afresh_at=row["afresh_at"] if row["state"] == "released" and row["applied_at"] is None else None,
        awaits=_awaiting(row),
        changes_deleted_at=row["changes_deleted_at"],
    )


def _now_and_then(told: Row | None) -> NowAndThen | None:
    return NowAndThen(told["before"], told["after"]) if told is not None else None


def _awaiting(row: Row) -> Awaiting | None:
    if row["state"] != "held" or row["awaits_reviewer"] is None:
        return None
    return Awaiting(row["awaits_reviewer"], row["waits_for"], row["awaits_until"], row["awaits_since"])


def _school_names(connection: Connection, district: str, ids: Iterable[str]) -> dict[str, str]:
    rows = _rows(connection, "school_names", district=district, ids=list(ids))
    return {row["id"]: row["name"] for row in rows}


def _bars(counted: list[Row], names: Mapping[str, str]) -> tuple[SchoolBar, ...]:
    ops: dict[str, Counter[str]] = {}
    kinds: dict[str, Counter[RecordKind]] = {}
    for count in counted:
        if count["school"]:
            ops.setdefault(count["school"], Counter())[count["op"]] += count["changes"]
            kinds.setdefault(count["school"], Counter())[count["kind"]] += count["changes"]
    bars = [
        SchoolBar(school, names.get(school, school), op["created"], op["updated"], op["removed"], dict(kinds[school]))
        for school, op in ops.items()
    ]
    return tuple(sorted(bars, key=lambda bar: (-bar.removed, -bar.changes, bar.school)))


def _comparison(row: Row) -> Comparison | None:
    if row["previous_change_set"] is None:
        return None
    differences = tuple(Difference(**difference) for difference in row["differences"])
    return Comparison(row["previous_change_set"], row["previous_held_at"], differences)


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
    their names. Unless `names`, what tells who somebody is comes as HIDDEN. A page past the end is empty, and so is a
    set that is not whole yet, or whose changes are deleted. Raises ValueError for a page or a size below 1.
    """
    if page < 1 or size < 1:
        raise ValueError(f"pages and sizes count from 1, not {page} and {size}")
    sets = _rows(connection, "pageable", change_set=change_set)
    if not sets:
        return ChangesPage((), 0, page, size)
    search = search.strip()
    asked = {
        "held_set": sets[0]["held_set"],
        "op": op,
        "kind": kind,
        "school": school,
        "search": search,
        "part": f"%{search.translate(_LIKE_LITERALLY)}%",
    }
    [(total,)] = connection.execute(QUERIES["total_found" if search else "total"], asked, prepare=False).fetchall()
    rows = _rows(connection, "page", **asked, size=size, skip=(page - 1) * size) if total else []
    schools = _school_names(connection, sets[0]["district"], {each for row in rows for each in row["schools"]})
    return ChangesPage(tuple(change_shown(row, schools, names=names) for row in rows), int(total), page, size)


def change(connection: Connection, change_set: str, place: int, *, names: bool = False) -> ChangeShown | None:
    """Give one change by its `place`; None where there is none (any more)."""
    for held in _rows(connection, "pageable", change_set=change_set):
        for row in _rows(connection, "change", held_set=held["held_set"], place=place):
            schools = _school_names(connection, held["district"], row["schools"])
            return change_shown(row, schools, names=names)
    return None


def history(connection: Connection, district: str, nights: int = 60) -> tuple[NightShown, ...]:
    """Give the district's last syncs, the oldest first; none where the desk does not know the district."""
    at = now()
    rows = _rows(connection, "nights_of", district=district, nights=nights)
    return tuple(night_shown(row, at) for row in reversed(rows))


def record_look(connection: Connection, reviewer: str, change_set: str, what: str) -> None:
    """Write down that somebody asked to see names: `what` says which ('page 3 of students', 'change 65537')."""
    about = {"reviewer": reviewer, "change_set": change_set, "what": what, "at": now()}
    connection.execute(QUERIES["look"], about)


def decisions(connection: Connection, change_set: str) -> tuple[DecisionShown, ...]:
    """Give every decision on this set, whichever tool made it, with guard's answer, the oldest first."""
    return tuple(_decision(row) for row in _rows(connection, "decisions", change_set=change_set))


def _decision(row: Row) -> DecisionShown:
    about = {name: row[name] for name in ("event_id", "decision", "reviewer", "reason", "decided_at")}
    if row["refusal"] is not None:
        return DecisionShown(**about, answer="refused", answer_text=row["refusal"], answered_at=row["refused_at"])
    if row["state"] == {"approve": "released", "reject": "rejected"}[row["decision"]]:
        return DecisionShown(**about, answer="followed", answer_text=None, answered_at=row["ended_at"])
    if row["waits_for"] is not None and row["state"] == "held":
        return DecisionShown(**about, answer="awaits", answer_text=row["awaits_text"], answered_at=row["awaits_since"])
    return DecisionShown(**about, answer="waiting", answer_text=None, answered_at=None)
