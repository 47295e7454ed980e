"""Every event that Rollcall's workers exchange, as frozen pydantic models.

Events are named in the past, decisions in the imperative. A model tolerates fields it does not know, so that a newer
writer never breaks an older reader; what it does know is checked when the event is written and when it is read.
"""

from datetime import date, datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from schemas.records import Kind, Record, RecordKind

Digest: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
DistrictId: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Count: TypeAlias = Annotated[int, Field(ge=0)]
Operation: TypeAlias = Literal["created", "updated", "removed"]


class Event(BaseModel):
    """What all events share: they never change once made."""

    model_config = ConfigDict(frozen=True)

    district: DistrictId


# ---------------------------------------------------------------- roster.sync-requests


class SyncRequested(Event):
    """Somebody, or the schedule, wants this district's roster pulled now."""

    sync_id: str
    reason: Literal["night", "by hand", "caught up", "stale", "pause over"]
    requested_at: datetime


# ---------------------------------------------------------------- roster.snapshots


class CollectionProof(BaseModel):
    """How one of the provider's collections was proved whole (promise 1)."""

    model_config = ConfigDict(frozen=True)

    collection: str
    pages: Count
    rows: Count
    distinct: Count
    total: Count | None = Field(default=None, description="what the provider said there are, where it says so")
    end: str = Field(description="why this was the end: 'no next page', 'total reached', 'empty page', 'end of file'")
    digest: Digest = Field(
        description="a digest over the rows, or over a digest of each row, in the order in which they came"
    )


class SnapshotStarted(Event):
    """A pull has begun. An earlier snapshot of this district that has not completed is void from here on."""

    sync_id: str
    snapshot_id: str
    provider: str
    started_at: datetime


class Entry(BaseModel):
    """One record of a snapshot with its digest."""

    model_config = ConfigDict(frozen=True)

    id: str
    digest: Digest
    record: Annotated[Record, Field(discriminator="type")]


class SnapshotPage(Event):
    """Some records of one kind. Pages of a snapshot count from 1 without a gap.

    `kept` are ids whose records could not be relied on: what is applied under them stays, nothing new is made.
    """

    sync_id: str
    snapshot_id: str
    page: Annotated[int, Field(ge=1)]
    kind: RecordKind
    entries: tuple[Entry, ...] = ()
    kept: tuple[str, ...] = ()


class SnapshotCompleted(Event):
    """The pull is whole: so many pages, so many records of each kind, proved so."""

    sync_id: str
    snapshot_id: str
    pages: Count
    records: dict[RecordKind, Count] = Field(description="entries of each kind, `kept` not among them")
    proofs: tuple[CollectionProof, ...]
    defects: dict[str, Count]
    completed_at: datetime


class SnapshotAborted(Event):
    """The pull did not finish. Nothing changes because of it (promise 1)."""

    sync_id: str
    snapshot_id: str
    code: str = Field(description="what went wrong, for programs: 'disconnected', 'provider-unavailable', …")
    text: str = Field(description="what went wrong and what to do, for people; never a name or an address of a child")
    aborted_at: datetime


# ---------------------------------------------------------------- roster.changes, roster.approved, roster.held


class KindCounts(BaseModel):
    """One kind's total before, and what this change set does to it."""

    model_config = ConfigDict(frozen=True)

    existing: Count = 0
    created: Count = 0
    updated: Count = 0
    removed: Count = 0

    @property
    def changed(self) -> int:
        """Everything that would not be as it was."""
        return self.created + self.updated + self.removed

    @property
    def after(self) -> int:
        """The total once applied."""
        return self.existing + self.created - self.removed


class Reason(BaseModel):
    """Why a change set is held: a code for programs, the kind where there is one, the numbers, a sentence."""

    model_config = ConfigDict(frozen=True)

    code: str
    kind: Kind | None = None
    text: str
    changed: Count | None = None
    existing: Count | None = None
    limit: Count | None = Field(default=None, description="percent")


class Approval(BaseModel):
    """Who or what let a change set through."""

    model_config = ConfigDict(frozen=True)

    by: Literal["policy", "reviewer", "pause over"]
    reviewer: str | None = None
    reason: str | None = None
    approved_at: datetime


class EmptiedSchool(BaseModel):
    """A school that had students and would have none."""

    model_config = ConfigDict(frozen=True)

    school: str
    students: Annotated[int, Field(ge=1, description="how many it had")]


class BeforeAndAfter(BaseModel):
    """A number as it is applied, and as it would be."""

    model_config = ConfigDict(frozen=True)

    before: Count
    after: Count


class ChangeSetStarted(Event):
    """The header: everything guard must know to route what follows in one pass (promise 4).

    On `roster.held` it carries the reasons, on `roster.approved` the approval; on `roster.changes` neither.
    """

    sync_id: str
    snapshot_id: str
    change_set: Digest = Field(
        description="made from the district, the base version and every change: same set, same id"
    )
    base_version: Count = Field(description="the roster version that the change set was computed against")
    counts: dict[Kind, KindCounts]
    changes: Count
    chunks: Count
    content: Digest | None = Field(
        default=None, description="made from the district and every change: the same content, whatever the base version"
    )
    emptied_schools: tuple[EmptiedSchool, ...] = ()
    renumbered: dict[RecordKind, Count] = Field(
        default_factory=dict,
        description="how many who leave agree with one who comes: people on email or number, classes on name, school",
    )
    classes_without_teacher: BeforeAndAfter | None = None
    students_without_class: BeforeAndAfter | None = None
    proofs: tuple[CollectionProof, ...] = ()
    defects: dict[str, Count] = Field(default_factory=dict)
    held_by: Literal["policy", "pause", "operator"] | None = None
    limits: dict[Kind, Count] = Field(
        default_factory=dict, description="percent of each kind that could change that night without being held"
    )
    reasons: tuple[Reason, ...] = ()
    approval: Approval | None = None
    started_at: datetime


class Change(BaseModel):
    """One record created, updated or removed. `before` and `record` are whole: what was, and what is to be."""

    model_config = ConfigDict(frozen=True)

    op: Operation
    kind: RecordKind
    id: str
    before_digest: Digest | None = None
    digest: Digest | None = None
    before: Annotated[Record, Field(discriminator="type")] | None = None
    record: Annotated[Record, Field(discriminator="type")] | None = None


class ChangeSetChunk(Event):
    """Some changes of a change set. Chunks count from 1 without a gap; the same set is always cut in the same way."""

    change_set: Digest
    snapshot_id: str
    chunk: Annotated[int, Field(ge=1)]
    changes: tuple[Change, ...]


class ChangeSetCompleted(Event):
    """The last of a change set: what must have arrived by now."""

    sync_id: str
    change_set: Digest
    snapshot_id: str
    changes: Count
    chunks: Count
    completed_at: datetime


class HoldSuperseded(Event):
    """A newer change set of the district has replaced this held one; it can no longer be approved (promise 5)."""

    change_set: Digest
    by_change_set: Digest
    superseded_at: datetime


class HoldReleased(Event):
    """A held change set has been approved and is on `roster.approved` in full."""

    change_set: Digest
    approval: Approval


class HoldRejected(Event):
    """A reviewer has refused a held change set; it is not applied."""

    change_set: Digest
    reviewer: str
    reason: str
    rejected_at: datetime


class HoldAwaits(Event):
    """An approval of a held change set counts, and something else must come before the set is released."""

    change_set: Digest
    reviewer: str
    waits_for: Literal["second reviewer", "end of pause"]
    until: date | None = Field(default=None, description="the last day of the pause, in the district's time zone")
    text: str
    awaits_since: datetime


class DecisionRefused(Event):
    """A review decision could not be followed: the set is superseded, decided already, or unknown."""

    change_set: str
    decision: Literal["approve", "reject"]
    reviewer: str
    text: str
    refused_at: datetime


# ---------------------------------------------------------------- roster.decisions


class ReviewDecision(Event):
    """Approve or reject exactly this held change set."""

    change_set: str
    decision: Literal["approve", "reject"]
    reviewer: Annotated[str, Field(min_length=1)]
    reason: str
    decided_at: datetime


class ConflictResolved(Event):
    """A person has said whose account a rostered person in conflict has; None: ask the rostered person at sign-in."""

    kind: Literal["teachers", "students"]
    id: str
    account_id: str | None
    reviewer: Annotated[str, Field(min_length=1)]
    reason: str
    decided_at: datetime


# ---------------------------------------------------------------- roster.updates


class RosterUpdate(Event):
    """One record as it now is (`record`, absent when removed), its roster version and its place in that version."""

    roster_version: Annotated[int, Field(ge=1)]
    position: Annotated[int, Field(ge=1, description="1 to `updates` of the version's RosterSynced")]
    op: Operation
    kind: RecordKind
    id: str
    digest: Digest | None = None
    record: Annotated[Record, Field(discriminator="type")] | None = None


class RosterSynced(Event):
    """The district is at this version; with the counts and the digest a subscriber can prove it is in step.

    `digest` is the sum modulo 2^128 of the digests of every record of the district, so that order does not matter.
    A night that changed nothing repeats the version with no updates.
    """

    sync_id: str
    change_set: Digest
    roster_version: Count
    updates: Count
    totals: dict[Kind, Count]
    digest: Digest
    synced_at: datetime


# ---------------------------------------------------------------- roster.activations


class ActivationChanged(Event):
    """A rostered person's account: found, to be asked for, in conflict, or let go.

    `state` is also the last word of the event's type. `account_id` is absent where there is none. Activated: the
    account was found. Linked: the person at sign-in, or a reviewer, said which account it is.
    """

    kind: Literal["teachers", "students"]
    id: str
    state: Literal["activated", "required", "conflict", "linked", "deactivated"]
    account_id: str | None = None
    roster_version: Count
    reason: str = Field(default="", description="why, for programs: 'same-email', 'shared-email', 'account-taken', …")
    text: str = Field(default="", description="why, in words without a name or an address")
    candidates: tuple[str, ...] = Field(default=(), description="of a conflict: the accounts that it could be")


# ---------------------------------------------------------------- roster.notices


class Notice(Event):
    """Something a district's contact and the operators must be told. Never names a child."""

    code: Literal["held", "pause-ahead", "pause-begun", "pause-over", "disconnected", "conflicts"]
    subject_id: str = Field(description="what it is about (a change set, a pause): one notice each, however often sent")
    text: str
    noticed_at: datetime
