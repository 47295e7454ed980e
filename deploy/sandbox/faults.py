"""Misbehaviour on demand: which answer of a sandbox district goes wrong, how, and how often."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import msgspec

FaultKind: TypeAlias = Literal[
    "status",
    "html",
    "empty-body",
    "truncated",
    "hang",
    "slow",
    "drip",
    "empty",
    "stuck",
    "endless",
    "moved",
    "shuffled",
    "unsorted",
    "clamped",
    "no-total",
    "total-changes",
    "no-content",
    "bare-list",
    "no-envelope",
    "paused",
    "obfuscated",
]

FAULTS: dict[FaultKind, str] = {
    "status": "answers `status` (429 with a reset header `seconds` ahead, 401, 404, 500, 502, 503, …)",
    "html": "answers 200 with a page for people",
    "empty-body": "answers 200 with nothing",
    "truncated": "promises the whole body, sends half of it and hangs up",
    "hang": "accepts the request and says nothing for `seconds`, then answers 503",
    "slow": "answers properly, after `seconds`",
    "drip": "sends the body in ten pieces over `seconds`",
    "empty": "gives no rows and no next page, as if the collection were empty",
    "stuck": "Clever's next link leads to the same page again; OneRoster ignores the offset",
    "endless": "Clever names a next page after the last one; OneRoster starts again from the first row",
    "moved": "from this page on, `rows` rows before it are gone (or, below 0, new), and the revision is another",
    "shuffled": "gives the rows in another order at every answer",
    "unsorted": "gives the rows in an order of its own, the same each time, whatever sort was asked for",
    "clamped": "gives at most `limit` rows a page without saying so",
    "no-total": "leaves out the count headers",
    "total-changes": "says another total on every page",
    "no-content": "answers 204 where there are no rows",
    "bare-list": "gives the rows without an envelope",
    "no-envelope": "gives the rows under a key that nobody knows",
    "paused": "Clever's district is paused",
    "obfuscated": "ClassLink says that fields are obfuscated",
}


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One misbehaviour. It strikes requests for `collection` (a path's first word, `*` for all), on `page` (from 1,
    any without it), after the first `skip` such requests, `times` times (until cleared without it).
    """

    kind: FaultKind
    collection: str = "*"
    page: int | None = None
    skip: int = 0
    times: int | None = None
    status: int = 500
    seconds: float = 5.0
    rows: int = 1
    limit: int = 100

    def strikes(self, collection: str, page: int) -> bool:
        """Tell whether a request is of those that this fault is for."""
        if self.collection not in {"*", collection}:
            return False
        if self.page is None:
            return True
        return page >= self.page if self.kind == "moved" else page == self.page


@dataclass(slots=True)
class Faults:
    """A district's faults, with how many requests each has met."""

    faults: list[Fault] = field(default_factory=list)
    _met: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._met = [0] * len(self.faults)

    def add(self, fault: Fault) -> None:
        """Add a fault."""
        self.faults.append(fault)
        self._met.append(0)

    def clear(self) -> None:
        """Behave again."""
        self.faults.clear()
        self._met.clear()

    def strike(self, collection: str, page: int) -> dict[FaultKind, Fault]:
        """Give the faults for this request, one of each kind, and count it."""
        struck: dict[FaultKind, Fault] = {}
        for number, fault in enumerate(self.faults):
            if not fault.strikes(collection, page):
                continue
            self._met[number] += 1
            turn = self._met[number] - fault.skip
            if turn >= 1 and (fault.times is None or turn <= fault.times):
                struck.setdefault(fault.kind, fault)
        return struck
