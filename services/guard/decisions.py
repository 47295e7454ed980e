"""Whether a review decision was followed, and what its reviewer is told where it was not (pure)."""

from datetime import UTC

from schemas.events import ReviewDecision
from services.guard.holds import HeldSet

_FITS = {"approve": ("approved", "released"), "reject": ("rejected",)}


def refusal(decision: ReviewDecision, held: HeldSet | None) -> str | None:
    """Say why the decision is refused, or None where it was followed, now or when it was delivered before.

    `held` is the set as it is after the decision was tried on it.
    """
    subject = f"change set {decision.change_set} of district {decision.district}"
    if held is None or held.district != decision.district:
        return f"{subject} was never held; check the change set and the district"
    same_message = held.decided_at == decision.decided_at.astimezone(UTC)
    if held.decided_by == decision.reviewer and (same_message or held.state in _FITS[decision.decision]):
        return None
    if held.state == "superseded":
        return f"{subject} has been superseded by a newer one; review that one"
    word = "rejected" if held.state == "rejected" else "approved"
    return f"{subject} was {word} already by {held.decided_by}; the next night brings what is still to be decided"
