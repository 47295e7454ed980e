"""What guard writes about a change set: headers as they go on, what became of a hold, whom it tells (pure)."""

from datetime import datetime

from schemas.cloudevents import CloudEvent
from schemas.events import Approval, ChangeSetStarted, HoldSuperseded, Notice, Reason
from schemas.topics import APPROVED, HELD, NOTICES
from services.guard.policy import HeldBy
from services.messages import make_event


def approved_header(started: ChangeSetStarted, approval: Approval, cause: str | None) -> CloudEvent:
    """Give the header as it goes to `roster.approved`: with the approval."""
    return make_event(
        APPROVED,
        started.model_copy(update={"held_by": None, "reasons": (), "approval": approval}),
        source="guard",
        identity=(APPROVED.name, started.change_set, started.snapshot_id),
        correlation_id=started.sync_id,
        causation_id=cause,
    )


def held_header(
    started: ChangeSetStarted, reasons: tuple[Reason, ...], held_by: HeldBy | None, cause: str | None
) -> CloudEvent:
    """Give the header as it goes to `roster.held`: with who holds the set, and the reasons."""
    return make_event(
        HELD,
        started.model_copy(update={"held_by": held_by, "reasons": reasons}),
        source="guard",
        identity=(HELD.name, started.change_set, started.snapshot_id, held_by),
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
