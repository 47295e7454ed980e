"""A review decision from the command line: published, and followed until it has taken effect or was refused."""

from dataclasses import dataclass
from typing import Any, Literal

from rich.console import Console

from schemas.cloudevents import UnreadableMessageError, decode
from schemas.events import DecisionRefused, HoldAwaits, HoldRejected, HoldReleased, HoldSuperseded, ReviewDecision
from schemas.topics import DECISIONS, HELD
from services.cli.failures import HELD as HELD_STATUS
from services.cli.failures import CommandError
from services.cli.held_sets import HeldSet
from services.cli.night_answer import exit_status, night_answer
from services.cli.night_watch import QUIET_SECONDS, NightProgress, NightWatch
from services.cli.operator_session import OperatorSession
from services.cli.sync_command import current_version
from services.clock import now
from services.messages import Publisher, make_event
from services.topic_reader import StoredMessage, TopicReader


@dataclass(frozen=True, slots=True)
class Decision:
    """What a reviewer says, and why."""

    verb: Literal["approve", "reject"]
    reviewer: str
    reason: str


class Review:
    """The review of one held change set."""

    def __init__(self, session: OperatorSession, held: HeldSet) -> None:
        self._session = session
        self._held = held

    def publish(self, decision: Decision) -> ReviewDecision:
        """Put the decision on `roster.decisions`, durably, and give it; guard follows it. Raises PublishError."""
        data = ReviewDecision(
            district=self._held.district,
            change_set=self._held.change_set,
            decision=decision.verb,
            reviewer=decision.reviewer,
            reason=decision.reason,
            decided_at=now(),
        )
        event = make_event(
            DECISIONS,
            data,
            source="command-line",
            identity=(data.change_set, data.decision, data.reviewer, data.decided_at.isoformat()),
            correlation_id=self._held.sync_id,
        )
        publisher = Publisher(
            self._session.installation.kafka, self._session.settings.topic_prefix, "rollcall-command-line"
        )
        try:
            publisher.publish(DECISIONS, event)
            publisher.flush()
        finally:
            publisher.close()
        return data

    def follow(self, decision: Decision, console: Console) -> tuple[dict[str, Any], int]:
        """Publish the decision and give what became of it, with the exit status.

        Raises CommandError 'refused' where guard does not follow it.
        """
        held, connection = self._held, self._session.connection
        topic = TopicReader(self._session.installation.kafka, self._session.settings.topic_prefix, HELD)
        watch = NightWatch(connection)
        before = topic.ends()
        self.publish(decision)
        followed = self._await_guard(topic, before, decision.reviewer, console)
        answered = {
            "change_set": held.change_set,
            "district": held.district,
            "decision": decision.verb,
            "reviewer": decision.reviewer,
        }
        if isinstance(followed, HoldAwaits):
            return {**answered, "outcome": "held", "waits_for": _what(followed)}, HELD_STATUS
        if isinstance(followed, HoldRejected):
            return {**answered, "reviewer": followed.reviewer, "outcome": "rejected"}, 0
        with NightProgress(console) as progress:
            [night] = watch.until_ended([held.sync_id], progress)
        ended = night_answer(night, current_version(connection, held.district))
        return ended, exit_status([ended])

    def _await_guard(
        self, topic: TopicReader, before: dict[int, int], reviewer: str, console: Console
    ) -> HoldReleased | HoldRejected | HoldAwaits:
        quiet = 0
        for stored in topic.follow(before):
            for event in map(_event, stored):
                if getattr(event, "change_set", None) != self._held.change_set:
                    continue
                if isinstance(event, HoldAwaits | DecisionRefused) and event.reviewer != reviewer:
                    continue
                if isinstance(event, HoldReleased | HoldRejected | HoldAwaits):
                    return event
                if isinstance(event, DecisionRefused):
                    raise CommandError("refused", event.text)
                if isinstance(event, HoldSuperseded):
                    raise CommandError(
                        "superseded",
                        f"change set {event.change_set} has been superseded by {event.by_change_set}; review that one",
                    )
            quiet = 0 if stored else quiet + 1
            if quiet == QUIET_SECONDS:
                console.print("guard has not answered yet; `rollcall status` shows whether it is up. Waiting on.")
        raise AssertionError("a topic is followed without an end")


def _what(awaits: HoldAwaits) -> str:
    if awaits.waits_for == "second reviewer":
        return "the approval of another reviewer"
    return f"the end of the pause after {awaits.until}"


def _event(stored: StoredMessage) -> object:
    try:
        return decode(HELD, stored.message.headers, stored.message.value)
    except UnreadableMessageError:
        return None  # guard has set it aside; it is not the answer that is waited for
