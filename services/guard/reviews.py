"""Follows review decisions in the accounts database, and keeps every one of them with what its reviewer saw."""

from dataclasses import dataclass
from datetime import UTC
from typing import Any

from psycopg.types.json import Jsonb

from schemas.events import ReviewDecision
from services.clock import now
from services.district_rows import district
from services.guard.decisions import Awaited, awaited, refusal
from services.guard.holds import QUERIES, Connection, HeldSet, read
from services.guard.rules_rows import calendar_of
from services.nights import QUERIES as NIGHTS


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The set as it is after a decision; why the decision was refused, if it was; what must come before a release."""

    held: HeldSet | None
    refusal: str | None = None
    awaited: Awaited | None = None


def decide(connection: Connection, decision: ReviewDecision, decision_id: str | None) -> Reviewed:
    """Follow a decision about what is held; a set that is not held stays as it was.

    A first approval of two is written down and the set stays held. What is approved in a pause waits for its end. The
    same decision delivered again changes nothing. `decision_id` is the event's.
    """
    held = read(connection, decision.change_set, lock=True)
    about: dict[str, Any] = {
        "change_set": decision.change_set,
        "district": decision.district,
        "decision": decision.decision,
        "reviewer": decision.reviewer,
        "reason": decision.reason,
        "decided_at": decision.decided_at.astimezone(UTC),
        "decision_id": decision_id,
    }
    if held is None:
        return Reviewed(None, refusal(decision, None, ()))
    if held.district == decision.district and (counts_for := _followed_before(connection, held, about)) is not None:
        return Reviewed(held, awaited=awaited(decision, held, counts_for=counts_for))
    about["snapshot_id"] = held.snapshot_id
    approved_by = [reviewer for (reviewer,) in connection.execute(QUERIES["approvals"], about)]
    text = refusal(decision, held, approved_by)
    if text is not None or held.state != "held":
        again = awaited(decision, held, counts_for=None) if text is None else None
        return Reviewed(held, text, again)
    decisive = decision.decision == "reject" or len(approved_by) + 1 >= held.approvals_needed
    saw = {
        "counts": held.counts,
        "reasons": held.reasons,
        "changes": held.changes,
        "base_version": held.base_version,
        "held_by": held.held_by,
        "held_at": held.held_at.isoformat(),
    }
    connection.execute(QUERIES["review"], {**about, "content": held.content, "saw": Jsonb(saw), "decisive": decisive})
    if decisive:
        _write(connection, held, about)
    now_held = read(connection, decision.change_set)
    return Reviewed(now_held, awaited=awaited(decision, now_held, counts_for=held.snapshot_id))


def _followed_before(connection: Connection, held: HeldSet, about: dict[str, Any]) -> str | None:
    """Give the snapshot of which this very decision was followed, if it was delivered before.

    Decisions from before reviews were kept are known by the set's last one.
    """
    row = connection.execute(QUERIES["reviewed"], about).fetchone()
    if row is not None:
        return str(row[0])
    if (held.decided_by, held.decided_at) == (about["reviewer"], about["decided_at"]):
        return held.snapshot_id
    return None


def _write(connection: Connection, held: HeldSet, about: dict[str, Any]) -> None:
    state, pause = "rejected", None
    if about["decision"] == "approve":
        registered = district(connection, held.district)
        assert registered is not None, "holds go with their district"
        state, pause = "approved", calendar_of(connection, registered).pause_at(now())
    about = {**about, "state": state, "paused_until": pause.last_day if pause is not None else None}
    connection.execute(QUERIES["decide"], about)
    if pause is None:
        connection.execute(NIGHTS["decided"], about)
