"""Judges change sets by what the accounts database knows, and keeps how each one was judged."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from schemas.events import ChangeSetStarted, Reason
from services.clock import now
from services.district_rows import district
from services.guard.holds import QUERIES, Connection, counts_json, reasons_json
from services.guard.rules_rows import circumstances
from services.guard.verdict import Rejection, Verdict, verdict
from services.nights import QUERIES as NIGHTS


@dataclass(frozen=True, slots=True)
class Judged:
    """The judgement on record. `superseded` are the change sets that gave way to it."""

    verdict: Verdict
    judged_at: datetime
    superseded: tuple[str, ...]


UNCHANGED = Verdict()
"""What changes nothing always passes, whatever the circumstances (`policy.judge`): they are not asked for."""


def judge_now(connection: Connection, header: ChangeSetStarted, limit_percent: int) -> Verdict | None:
    """Judge a change set as things are at this moment; give None where the district is not registered."""
    registered = district(connection, header.district)
    if registered is None:
        return None
    with connection.cursor(row_factory=class_row(Rejection)) as cursor:
        about = {"district": header.district, "content": header.content}
        rejection = cursor.execute(QUERIES["rejection"], about).fetchone()
    return verdict(header, circumstances(connection, registered, now(), header, limit_percent), rejection)


def judge_once(connection: Connection, header: ChangeSetStarted, limit_percent: int) -> Judged | None:
    """Judge a change set and let it supersede what its district has held; judged before, give that judgement.

    Gives None where the district is not registered.
    """
    fresh = judge_now(connection, header, limit_percent) if header.changes else UNCHANGED
    if fresh is None:
        return None
    about: dict[str, Any] = {
        "change_set": header.change_set,
        "snapshot_id": header.snapshot_id,
        "district": header.district,
        "sync_id": header.sync_id,
        "counts": counts_json(header),
        "defects": Jsonb(header.defects),
        "verdict": "hold" if fresh.reasons else "pass",
        "reasons": reasons_json(fresh.reasons),
        "held_by": fresh.held_by,
        "quiet": fresh.quiet,
        "paused_until": fresh.paused_until,
        "limits": Jsonb(dict(fresh.limits)),
        "judged_at": now(),
    }
    recorded = connection.execute(QUERIES["judge"], about).fetchone()
    if recorded is None:
        return None
    reasons, held_by, quiet, paused_until, limits, judged_at = recorded
    superseded = tuple(change_set for (change_set,) in connection.execute(QUERIES["supersede"], about))
    for change_set in superseded:
        connection.execute(NIGHTS["decided"], {"change_set": change_set, "state": "superseded"})
    connection.execute(NIGHTS["judged"], about)
    read = tuple(Reason.model_validate(reason) for reason in reasons)
    return Judged(Verdict(read, held_by, quiet, paused_until, limits), judged_at, superseded)
