"""Whether a review decision may be followed, and what its reviewer is told where it may not (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from schemas.events import ReviewDecision
from services.guard.holds import HeldSet


@dataclass(frozen=True, slots=True)
class Awaited:
    """What an approval that counts waits for, and since when; `until` is the last day of the pause."""

    what: Literal["second reviewer", "end of pause"]
    reviewer: str
    since: datetime
    until: date | None = None


_FITS = {"approve": ("approved", "released"), "reject": ("rejected",)}


def refusal(decision: ReviewDecision, held: HeldSet | None, approved_by: Sequence[str]) -> str | None:
    """Say why the decision is refused, or None where it may be followed, or was when it was delivered before.

    `held` is the set as it is before the decision, `approved_by` who has approved it as it is now.
    """
    subject = f"change set {decision.change_set} of district {decision.district}"
    if held is None or held.district != decision.district:
        return f"{subject} was never held; check the change set and the district"
    if held.state != "held":
        return _refusal_of_decided(decision, held, subject)
    if decision.decision == "approve" and is_among(decision.reviewer, approved_by):
        return f"{subject} needs the approval of two reviewers, and {decision.reviewer} has given theirs already"
    return None


def _refusal_of_decided(decision: ReviewDecision, held: HeldSet, subject: str) -> str | None:
    same_message = held.decided_at == decision.decided_at.astimezone(UTC)
    if held.decided_by == decision.reviewer and (same_message or held.state in _FITS[decision.decision]):
        return None
    if held.state == "superseded":
        return f"{subject} has been superseded by a newer one; review that one"
    if held.decided_by is None:
        return f"{subject} went through by itself when its pause was over"
    word = "rejected" if held.state == "rejected" else "approved"
    return f"{subject} was {word} already by {held.decided_by}; the next night brings what is still to be decided"


def awaited(decision: ReviewDecision, held: HeldSet | None, *, counts_for: str | None) -> Awaited | None:
    """Say what must come before an approved set is released, or None where nothing must, or it is not to be released.

    `held` is the set as it is after the decision, `counts_for` the snapshot of which the decision was followed.
    """
    if held is None or decision.decision != "approve":
        return None
    if held.state == "held" and counts_for == held.snapshot_id:
        return Awaited("second reviewer", decision.reviewer, decision.decided_at)
    if held.decided_by == decision.reviewer:
        return awaited_pause(held)
    return None


def awaited_pause(held: HeldSet) -> Awaited | None:
    """Say what a set waits for that was approved in a pause, tonight or, the same set, on a night before."""
    if held.state != "approved" or held.paused_until is None or held.decided_by is None or held.decided_at is None:
        return None
    return Awaited("end of pause", held.decided_by, held.decided_at, held.paused_until)


def is_among(reviewer: str, others: Sequence[str]) -> bool:
    """Say whether somebody is one of these, whichever way they write their name."""
    return reviewer.strip().casefold() in {other.strip().casefold() for other in others}
