"""What is done with a change set, by the house's rules and by what reviewers have said of its content (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from schemas.events import ChangeSetStarted, Reason
from schemas.records import Kind
from services.guard.policy import Circumstances, HeldBy, Hold, judge


@dataclass(frozen=True, slots=True)
class Rejection:
    """The last word that reviewers have said of a content, where that was a rejection."""

    reviewer: str
    reason: str
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """Held where there are reasons.

    `quiet`: nobody is told, as a reviewer has seen this very content. `paused_until` is the last day of the pause where
    nothing but that holds the set. `limits` is the percent of each kind that could change without being held.
    """

    reasons: tuple[Reason, ...] = ()
    held_by: HeldBy | None = None
    quiet: bool = False
    paused_until: date | None = None
    limits: Mapping[Kind, int] = field(default_factory=dict)


def verdict(header: ChangeSetStarted, circumstances: Circumstances, rejection: Rejection | None) -> Verdict:
    """Give what is done with the change set.

    A content that was rejected is held again, whatever else speaks for it, until it changes or somebody approves it.
    """
    judgement = judge(header, circumstances)
    reasons = judgement.reasons if isinstance(judgement, Hold) else ()
    held_by = judgement.held_by if isinstance(judgement, Hold) else None
    limits = {kind: limit.percent for kind, limit in circumstances.limits.items()}
    if rejection is not None and header.changes:
        asked_for = any(reason.code == "look-first" for reason in reasons)
        return Verdict((*reasons, _rejected(rejection)), "policy", quiet=not asked_for, limits=limits)
    pause = circumstances.pause if held_by == "pause" else None
    return Verdict(reasons, held_by, paused_until=pause.last_day if pause is not None else None, limits=limits)


def approvals_needed(changes: int, two_reviewers_above: int | None) -> int:
    """Give how many reviewers must approve a set of so many changes."""
    return 2 if two_reviewers_above is not None and changes > two_reviewers_above else 1


def _rejected(rejection: Rejection) -> Reason:
    day = rejection.decided_at
    return Reason(
        code="rejected-before",
        text=f"{rejection.reviewer} rejected this very content on {day.day} {day:%B %Y} ({rejection.reason}); it stays "
        "held until it changes or is approved",
    )
