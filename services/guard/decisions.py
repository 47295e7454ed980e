"""Whether a review decision may be followed, and what its reviewer is told where it may not (pure)."""

from collections.abc import Sequence
from datetime import UTC

from schemas.events import ReviewDecision
from services.guard.holds import HeldSet

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


def is_among(reviewer: str, others: Sequence[str]) -> bool:
    """Say whether somebody is one of these, whichever way they write their name."""
    return reviewer.strip().casefold() in {other.strip().casefold() for other in others}
