"""What guard writes about a change set: headers as they go on, what became of a hold, whom it tells (pure)."""

from datetime import UTC, date, datetime

from schemas.cloudevents import CloudEvent
from schemas.events import (
    Approval,
    ChangeSetStarted,
    DecisionRefused,
    HoldAwaits,
    HoldSuperseded,
    Notice,
    Reason,
    ReviewDecision,
)
from schemas.topics import APPROVED, HELD, NOTICES
from services.guard.decisions import Awaited
from services.guard.holds import HeldSet
from services.guard.verdict import Verdict
from services.messages import make_event


def approved_header(started: ChangeSetStarted, approval: Approval, cause: str | None) -> CloudEvent:
    """Give the header as it goes to `roster.approved`: with the approval."""
    return make_event(
        APPROVED,
        started.model_copy(update={"held_by": None, "limits": {}, "reasons": (), "approval": approval}),
        source="guard",
        identity=(APPROVED.name, started.change_set, started.snapshot_id),
        correlation_id=started.sync_id,
        causation_id=cause,
    )


def held_header(started: ChangeSetStarted, held: Verdict, cause: str | None) -> CloudEvent:
    """Give the header as it goes to `roster.held`: with who holds the set, the reasons, and the limits that counted."""
    return make_event(
        HELD,
        started.model_copy(update={"held_by": held.held_by, "limits": dict(held.limits), "reasons": held.reasons}),
        source="guard",
        identity=(HELD.name, started.change_set, started.snapshot_id, held.held_by),
        correlation_id=started.sync_id,
        causation_id=cause,
    )


def superseded(started: ChangeSetStarted, change_set: str, at: datetime, cause: str | None) -> CloudEvent:
    """Give what tells that a newer set has taken the place of a held one."""
    return make_event(
        HELD,
        HoldSuperseded(
            district=started.district, change_set=change_set, by_change_set=started.change_set, superseded_at=at
        ),
        source="guard",
        identity=(change_set, started.change_set, started.snapshot_id),
        correlation_id=started.sync_id,
        causation_id=cause,
    )


def awaits(held: HeldSet, awaited: Awaited, cause: str | None) -> CloudEvent:
    """Give what tells that an approval counts and something else must come first: the same one however often given."""
    subject = f"change set {held.change_set} of district {held.district}"
    if awaited.what == "second reviewer":
        text = (
            f"{subject} has {held.changes:,} changes and needs the approval of two reviewers: {awaited.reviewer} has "
            "approved it, and somebody else must"
        )
    else:
        text = f"{subject} is approved by {awaited.reviewer} and goes on when its pause is over{_after(awaited.until)}"
    return make_event(
        HELD,
        HoldAwaits(
            district=held.district,
            change_set=held.change_set,
            reviewer=awaited.reviewer,
            waits_for=awaited.what,
            until=awaited.until,
            text=text,
            awaits_since=awaited.since,
        ),
        source="guard",
        identity=(held.change_set, held.snapshot_id, awaited.what, awaited.reviewer),
        correlation_id=held.sync_id,
        causation_id=cause,
    )


def refused(decision: ReviewDecision, text: str, at: datetime, cause: str | None) -> CloudEvent:
    """Give what tells a reviewer why a decision is not followed, or no longer."""
    return make_event(
        HELD,
        DecisionRefused(
            district=decision.district,
            change_set=decision.change_set,
            decision=decision.decision,
            reviewer=decision.reviewer,
            text=text,
            refused_at=at,
        ),
        source="guard",
        identity=(decision.change_set, decision.decision, decision.reviewer, decision.decided_at.astimezone(UTC)),
        causation_id=cause,
    )


def expired(held: HeldSet) -> str:
    """Say to whoever approved a set why it is not released."""
    return (
        f"change set {held.change_set} of district {held.district} has expired: it is no longer whole on {HELD.name}; "
        "a fresh sync of the district has been asked for"
    )


def held_notice(started: ChangeSetStarted, reasons: tuple[Reason, ...], at: datetime, cause: str | None) -> CloudEvent:
    """Give the notice that somebody must review the set: the same one however often it is given."""
    notice = Notice(
        district=started.district,
        code="held",
        subject_id=started.change_set,
        text="Tonight's roster change is held until somebody has reviewed it: "
        + "; ".join(reason.text for reason in reasons),
        noticed_at=at,
    )
    return make_event(
        NOTICES,
        notice,
        source="guard",
        identity=(notice.code, started.change_set),
        correlation_id=started.sync_id,
        causation_id=cause,
    )


def _after(last_day: date | None) -> str:
    return f", after {last_day.day} {last_day:%B %Y}" if last_day is not None else ""
