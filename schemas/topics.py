"""Every topic, declared once: its key, what is on it, who writes and who reads it, how long it is kept.

The topics of a broker, their access rules, the JSON Schemas and the AsyncAPI document all come from here.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from schemas import events

Worker: TypeAlias = Literal[
    "scheduler",
    "ingest",
    "diff",
    "guard",
    "apply",
    "relay",
    "activation",
    "activation-web",
    "notifier",
    "desk-feed",
    "desk",
]

DAY_MS = 24 * 60 * 60 * 1000
PAGE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Topic:
    """A topic. `types` maps the CloudEvents type of each message to its model; retention and sizes in ms and bytes."""

    name: str
    key: str
    types: dict[str, type[events.Event]]
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    retention_ms: int = 30 * DAY_MS
    partitions: int = 6
    max_message_bytes: int = 1024 * 1024
    compacted: bool = False
    config: dict[str, str] = field(default_factory=dict)

    @property
    def kafka_config(self) -> dict[str, str]:
        """Give the topic's broker settings."""
        return {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.max_message_bytes),
            **self.config,
        }


_CHANGE_SET: dict[str, type[events.Event]] = {
    "dev.rollcall.change-set.started.v1": events.ChangeSetStarted,
    "dev.rollcall.change-set.chunk.v1": events.ChangeSetChunk,
    "dev.rollcall.change-set.completed.v1": events.ChangeSetCompleted,
}

SYNC_REQUESTS = Topic(
    name="roster.sync-requests",
    key="district",
    types={"dev.rollcall.sync.requested.v1": events.SyncRequested},
    writers=("scheduler", "relay", "rollcall", "desk"),
    readers=("ingest", "desk-feed"),
)

SNAPSHOTS = Topic(
    name="roster.snapshots",
    key="district",
    types={
        "dev.rollcall.snapshot.started.v1": events.SnapshotStarted,
        "dev.rollcall.snapshot.page.v1": events.SnapshotPage,
        "dev.rollcall.snapshot.completed.v1": events.SnapshotCompleted,
        "dev.rollcall.snapshot.aborted.v1": events.SnapshotAborted,
    },
    writers=("ingest",),
    readers=("diff", "desk-feed"),
    retention_ms=3 * DAY_MS,
    max_message_bytes=PAGE_BYTES,
)

CHANGES = Topic(
    name="roster.changes",
    key="district",
    types=_CHANGE_SET,
    writers=("diff",),
    readers=("guard", "desk-feed"),
    retention_ms=7 * DAY_MS,
    max_message_bytes=PAGE_BYTES,
)

APPROVED = Topic(
    name="roster.approved",
    key="district",
    types=_CHANGE_SET,
    writers=("guard",),
    readers=("apply",),
    max_message_bytes=PAGE_BYTES,
)

HELD = Topic(
    name="roster.held",
    key="district",
    types={
        **_CHANGE_SET,
        "dev.rollcall.hold.superseded.v1": events.HoldSuperseded,
        "dev.rollcall.hold.awaits.v1": events.HoldAwaits,
        "dev.rollcall.hold.released.v1": events.HoldReleased,
        "dev.rollcall.hold.rejected.v1": events.HoldRejected,
        "dev.rollcall.decision.refused.v1": events.DecisionRefused,
    },
    writers=("guard",),
    readers=("guard", "desk-feed", "review tooling"),
    retention_ms=120 * DAY_MS,
    max_message_bytes=PAGE_BYTES,
)

DECISIONS = Topic(
    name="roster.decisions",
    key="district",
    types={
        "dev.rollcall.review.decision.v1": events.ReviewDecision,
        "dev.rollcall.conflict.resolved.v1": events.ConflictResolved,
    },
    writers=("desk", "rollcall", "review tooling"),
    readers=("guard", "activation", "desk-feed"),
    retention_ms=120 * DAY_MS,
)

UPDATES = Topic(
    name="roster.updates",
    key="the entity",
    types={
        **{
            f"dev.rollcall.{word}.{op}.v1": events.RosterUpdate
            for word in ("school", "teacher", "student", "class")
            for op in ("created", "updated", "removed")
        },
        "dev.rollcall.roster.synced.v1": events.RosterSynced,
    },
    writers=("relay",),
    readers=("activation", "desk-feed", "subscribers"),
    compacted=True,
    config={"min.compaction.lag.ms": str(7 * DAY_MS)},
)

ACTIVATIONS = Topic(
    name="roster.activations",
    key="the person",
    types={
        f"dev.rollcall.activation.{state}.v1": events.ActivationChanged
        for state in ("activated", "required", "conflict", "linked", "deactivated")
    },
    writers=("relay",),
    readers=("desk-feed", "subscribers"),
)

NOTICES = Topic(
    name="roster.notices",
    key="district",
    types={"dev.rollcall.notice.v1": events.Notice},
    writers=("guard", "scheduler", "relay"),
    readers=("notifier", "desk-feed"),
)

DEAD_LETTERS = Topic(
    name="roster.dead-letters",
    key="as it came",
    types={},
    writers=("every worker",),
    readers=("rollcall dead-letters",),
    retention_ms=120 * DAY_MS,
    max_message_bytes=PAGE_BYTES + 64 * 1024,
)

TOPICS: tuple[Topic, ...] = (
    SYNC_REQUESTS,
    SNAPSHOTS,
    CHANGES,
    APPROVED,
    HELD,
    DECISIONS,
    UPDATES,
    ACTIVATIONS,
    NOTICES,
    DEAD_LETTERS,
)
