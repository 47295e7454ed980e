"""What another limit would have made of the past nights (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.events import KindCounts, Reason
from schemas.records import Kind
from services.guard.policy import LIMIT_OF_A_WEEK, KindLimit, too_large


@dataclass(frozen=True, slots=True)
class PastJudgement:
    """A judgement on record; `floors` are the district's as they are now."""

    district: str
    change_set: str
    judged_at: datetime
    reasons: tuple[Reason, ...]
    counts: Mapping[Kind, KindCounts]
    floors: Mapping[Kind, int]


@dataclass(frozen=True, slots=True)
class Replayed:
    """A past judgement, and the reasons there would have been."""

    past: PastJudgement
    reasons: tuple[Reason, ...]

    @property
    def held_then(self) -> bool:
        """Say whether it was held."""
        return bool(self.past.reasons)

    @property
    def would_be_held(self) -> bool:
        """Say whether it would have been held with the other limit."""
        return bool(self.reasons)


def replay(past: PastJudgement, percent: int, kinds: Sequence[Kind]) -> Replayed:
    """Judge a past night's sizes with another limit for these kinds; all that has to do with no limit stays.

    A first load is judged by no limit. What a higher limit would have let pass the week's rule passes it; removals of a
    week that were within the limit of then are not looked at again, as the week's history is not kept.
    """
    if not any(counts.existing for counts in past.counts.values()):
        return Replayed(past, past.reasons)
    kept = tuple(reason for reason in past.reasons if not _is_undone(reason, percent, kinds))
    return Replayed(past, (*kept, *_too_large(past, percent, kinds)))


def _is_undone(reason: Reason, percent: int, kinds: Sequence[Kind]) -> bool:
    if reason.kind not in kinds:
        return False
    if reason.code == "too-large-over-a-week" and reason.changed is not None and reason.existing is not None:
        return reason.changed * 100 <= max(LIMIT_OF_A_WEEK, percent) * reason.existing
    return reason.code == "too-large"


def _too_large(past: PastJudgement, percent: int, kinds: Sequence[Kind]) -> Iterator[Reason]:
    for kind in kinds:
        limit = KindLimit(percent, past.floors.get(kind, 0))
        yield from too_large(kind, past.counts.get(kind, KindCounts()), limit)
