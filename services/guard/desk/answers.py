"""What the desk's read model answers with: frozen, and complete enough that a page needs nothing else."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, TypeAlias

from schemas.events import Operation
from schemas.records import Kind, RecordKind

DistrictState: TypeAlias = Literal["held", "broken", "paused", "done", "to come"]
"""In the order of the board: what needs somebody comes first."""

DISTRICT_STATES: tuple[DistrictState, ...] = ("held", "broken", "paused", "done", "to come")

Outcome: TypeAlias = Literal[
    "asked for",
    "pulling",
    "comparing",
    "applying",
    "applied",
    "unchanged",
    "held",
    "rejected",
    "superseded",
    "stale",
    "failed",
]
"""How far a sync is, or how it ended. 'applying': let through by guard, or by a reviewer, and not yet applied. 'stale':
the roster had moved on, or a pause had begun, and a fresh sync was asked for in its place."""

HeldState: TypeAlias = Literal["arriving", "held", "released", "rejected", "superseded"]
"""'arriving': not every change is here yet; it is not to be reviewed before they are."""


@dataclass(frozen=True, slots=True)
class Counts:
    """One kind's total before, and what a change set does to it."""

    existing: int = 0
    created: int = 0
    updated: int = 0
    removed: int = 0

    @property
    def changed(self) -> int:
        """Everything that would not be as it was."""
        return self.created + self.updated + self.removed

    @property
    def after(self) -> int:
        """The total once applied."""
        return self.existing + self.created - self.removed

    @property
    def percent(self) -> int | None:
        """The share that changes, in whole percent rounded half up; None where nothing exists."""
        return (self.changed * 200 + self.existing) // (2 * self.existing) if self.existing else None


@dataclass(frozen=True, slots=True)
class ReasonShown:
    """One reason to hold: a code for programs, a sentence for people, the numbers; `limit` in percent."""

    code: str
    text: str
    kind: Kind | None = None
    changed: int | None = None
    existing: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class NightShown:
    """One sync of a district. What is not known (yet) is None or empty.

    `limits` is the percent of each kind that could change that night; of a night that was not held no topic tells it.
    """

    district: str
    sync_id: str
    outcome: Outcome
    began_at: datetime
    ended_at: datetime | None
    provider: str | None
    change_set: str | None
    roster_version: int | None
    counts: dict[Kind, Counts]
    held: bool
    held_by: Literal["policy", "pause", "operator"] | None
    reasons: tuple[ReasonShown, ...]
    failure_code: str | None
    failure_text: str | None
    defects: dict[str, int]
    limits: dict[Kind, int]


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One district on the board.

    `text` says in a sentence why it is where it is; `change_set` is the one to review, where one is held or paused;
    `waiting` counts the nights since it was last applied; `told_at` is when its contact was told of this; `next_night`
    is when its next one comes.
    """

    district: str
    state: DistrictState
    since: datetime | None
    text: str
    change_set: str | None
    night: NightShown | None
    totals: dict[Kind, int]
    roster_version: int | None
    waiting: int
    told_at: datetime | None
    next_night: datetime | None


@dataclass(frozen=True, slots=True)
class Board:
    """The board: how many districts are in each state over all, and the rows that were searched for."""

    tonight_from: datetime
    states: dict[DistrictState, int]
    rows: tuple[BoardRow, ...]


@dataclass(frozen=True, slots=True)
class SchoolBar:
    """How many changes touch one school; `name` is its id where the topics never named it."""

    school: str
    name: str
    created: int
    updated: int
    removed: int
    kinds: dict[RecordKind, int]

    @property
    def changes(self) -> int:
        """All of them."""
        return self.created + self.updated + self.removed


@dataclass(frozen=True, slots=True)
class Difference:
    """Changes of one kind and operation that are in one of two sets alone."""

    kind: RecordKind
    op: Operation
    only_here: int
    only_before: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """This set against the district's held set before it. Without differences both would do exactly the same."""

    change_set: str
    held_at: datetime
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class DecisionShown:
    """A decision on this set and guard's answer to it.

    'waiting' until guard has answered; 'awaits' where it counts and something else must come first. `answer_text` says
    what that is, or why it was refused.
    """

    event_id: str
    decision: Literal["approve", "reject"]
    reviewer: str
    reason: str
    decided_at: datetime
    answer: Literal["waiting", "awaits", "followed", "refused"]
    answer_text: str | None
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Awaiting:
    """An approval that counts, and what must come before the set is released; `until` is the pause's last day."""

    reviewer: str
    waits_for: str
    until: date | None
    since: datetime


@dataclass(frozen=True, slots=True)
class NowAndThen:
    """A number as it is applied, and as it would be once the set is."""

    before: int
    after: int


@dataclass(frozen=True, slots=True)
class EmptiedSchoolShown:
    """A school that would lose all its students."""

    school: str
    name: str
    students: int


@dataclass(frozen=True, slots=True)
class HeldSetShown:
    """A held set as a reviewer needs it. `changes` is how many; `by_school` is worst first: most removed, most changes.

    `proofs` are sentences. `loaded` is how many changes are here; they are gone once `changes_deleted_at` is set.
    `applied_at` is when a released set was applied, `applied_version` the roster version that it made; `afresh_at` is
    when a fresh sync was asked for in its place, as the roster had moved on or a pause had begun. `limits` are
    percents; `awaits` is set while an approval of a held set waits for something else.
    """

    district: str
    provider: str | None
    change_set: str
    snapshot_id: str
    sync_id: str
    base_version: int
    state: HeldState
    held_by: Literal["policy", "pause", "operator"]
    held_at: datetime
    reasons: tuple[ReasonShown, ...]
    limits: dict[Kind, int]
    counts: dict[Kind, Counts]
    classes_without_teacher: NowAndThen | None
    students_without_class: NowAndThen | None
    changes: int
    loaded: int
    changes_by_kind: dict[tuple[RecordKind, Operation], int]
    by_school: tuple[SchoolBar, ...]
    emptied_schools: tuple[EmptiedSchoolShown, ...]
    renumbered: dict[RecordKind, int]
    previous: Comparison | None
    proofs: tuple[str, ...]
    defects: dict[str, int]
    ended_at: datetime | None
    ended_by: str | None
    ended_reason: str | None
    superseded_by: str | None
    applied_at: datetime | None
    applied_version: int | None
    afresh_at: datetime | None
    awaits: Awaiting | None
    changes_deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field before and after; of a created or removed record one side is None. Hidden values are HIDDEN."""

    field: str
    before: Any
    after: Any
    changed: bool


@dataclass(frozen=True, slots=True)
class ChangeShown:
    """One change, before and after side by side.

    `title` is a school's or class's name (nobody's), None for people. `schools` are (id, name). `fields` are the
    record's fields in its own order; a class's places are the ids who come and who leave, in `joining` and `leaving`.
    `same_as` is the id of the record it is taken for, renumbered.
    """

    place: int
    op: Operation
    kind: RecordKind
    id: str
    title: str | None
    schools: tuple[tuple[str, str], ...]
    same_as: str | None
    fields: tuple[FieldChange, ...]
    joining: tuple[str, ...]
    leaving: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """One page of a set's changes, numbered from 1; `total` counts all that the filters let through."""

    changes: tuple[ChangeShown, ...]
    total: int
    page: int
    size: int

    @property
    def pages(self) -> int:
        """How many pages there are; an empty answer has one."""
        return max(1, -(-self.total // self.size))
