"""Which classes are of the current term: pure rules over the pull's academic sessions (oneroster.md section 10).

A class is current if any of its sessions, of whatever type, covers the day. Sessions nest and overlap, and a district
has no one current term, so each class is decided by itself.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from services.ingest.providers.oneroster.rows import SessionRow
from services.ingest.providers.oneroster.values import Defects, read_date, read_status

LONGEST_GAP = timedelta(days=120)
"""How long after the last term its classes stay while no other has begun: a summer, not a year of stale data."""


@dataclass(frozen=True, slots=True)
class Term:
    """The days of one session, both counted in, and its type. A day that is None is open."""

    first: date | None
    last: date | None
    type: str = "term"

    def covers(self, day: date) -> bool:
        """Tell whether the day lies in the term."""
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


def term_of(row: SessionRow, *, end_date_is_exclusive: bool, defects: Defects) -> Term | None:
    """Give the session's days, or None where nothing can be decided by it: removed, without dates, or reversed.

    `end_date_is_exclusive` is true for 1.2, whose endDate is the first day after the session.
    """
    if read_status(row.status, defects) == "removed":
        return None
    first, last = read_date(row.start_date, defects), read_date(row.end_date, defects)
    if first is not None and last is not None and last < first:
        defects["term-dates-reversed"] += 1
        return None
    if first is None and last is None:
        return None
    if last is not None and end_date_is_exclusive:
        last -= timedelta(days=1)
    return Term(first, last, row.type.strip().lower())


def deciding_day(today: date, named: Collection[Term], known: Iterable[Term]) -> date:
    """Give the day by which classes and enrollments are current: today, or in a gap the last day of the last term.

    Between terms nothing is current, and that must not remove anybody (section 10). It is a gap where none of the
    `known` terms covers today that is of a type which classes use; `named` are the terms that classes name. Without one
    that ended within LONGEST_GAP the day is today.
    """
    types = {term.type for term in named}
    if any(term.covers(today) for term in known if term.type in types):
        return today
    ended = [term.last for term in named if term.last is not None and today - LONGEST_GAP <= term.last < today]
    return max(ended, default=today)
