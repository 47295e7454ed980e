"""Follows what reviewers decide: the handler for `roster.decisions`."""

import structlog

from schemas.cloudevents import header
from schemas.events import HoldRejected, ReviewDecision
from schemas.topics import HELD
from services.async_publisher import AsyncPublisher
from services.clock import now
from services.faust_worker import Delivery
from services.guard import holds, reviews
from services.guard.outgoing import awaits, expired, refused
from services.guard.release import ExpiredError, Releases
from services.messages import make_event

log = structlog.get_logger()


class Decisions:
    """The handler for `roster.decisions`. A decision is acknowledged once it is followed to its end, or refused.

    Delivered again it goes on from the state on record, so that an approval is followed however often the worker is
    killed, and nothing is released without one. What was approved in a pause is released by `Reopening`.
    """

    def __init__(self, transact: holds.Transactions, publisher: AsyncPublisher, releases: Releases) -> None:
        self._transact = transact
        self._publisher = publisher
        self._releases = releases

    async def take(self, delivery: Delivery) -> None:
        """Handle one decision. Raises UnreadableMessageError for what must become a dead letter."""
        decision = delivery.event()
        if not isinstance(decision, ReviewDecision):  # about a person, and activation's
            delivery.ack()
            return
        cause = header(delivery.message.headers, "ce_id")
        reviewed = await self._transact(reviews.decide, decision, cause)
        held = reviewed.held
        if held is None or reviewed.refusal is not None:
            await self._refuse(decision, reviewed.refusal or "", cause)
        elif reviewed.awaited is not None:
            await self._publisher.publish(HELD, awaits(held, reviewed.awaited, cause))
        elif held.state == "approved" and held.paused_until is None:
            await self._release(decision, held, cause)
        elif held.state == "rejected":
            await self._tell_rejected(decision, held, cause)
        delivery.ack()

    async def _release(self, decision: ReviewDecision, held: holds.HeldSet, cause: str | None) -> None:
        try:
            await self._releases.release(held, cause)
        except ExpiredError:
            await self._refuse(decision, expired(held), cause)
            await self._transact(holds.expire, held)

    async def _tell_rejected(self, decision: ReviewDecision, held: holds.HeldSet, cause: str | None) -> None:
        rejected = HoldRejected(
            district=held.district,
            change_set=held.change_set,
            reviewer=decision.reviewer,
            reason=held.decision_reason or "",
            rejected_at=decision.decided_at,
        )
        event = make_event(
            HELD,
            rejected,
            source="guard",
            identity=(held.change_set, held.snapshot_id),
            correlation_id=held.sync_id,
            causation_id=cause,
        )
        await self._publisher.publish(HELD, event)
        log.info("rejected", district=held.district, sync_id=held.sync_id, change_set=held.change_set)

    async def _refuse(self, decision: ReviewDecision, text: str, cause: str | None) -> None:
        await self._publisher.publish(HELD, refused(decision, text, now(), cause))
        log.info("decision-refused", district=decision.district, change_set=decision.change_set)
