"""The seam between a provider and the snapshot: what each provider's adapter gives, and how it fails."""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Protocol

from schemas.records import Record, RecordKind
from services.ingest.defects import DefectCode

if TYPE_CHECKING:  # pydantic is a third of the memory of the process that works on pages
    from schemas.events import CollectionProof


class PullFailedError(Exception):
    """A pull cannot go on, and changes nothing (promise 1).

    `code` is for programs: 'wrong-credentials', 'disconnected', 'not-found', 'provider-unavailable', 'rate-limited',
    'incomplete', 'not-a-roster', 'misconfigured', 'moved', 'disk-full', 'fault'. The text says what is wrong, where,
    and what to do; it carries ids, addresses of servers and numbers, never a person's name or email, never a secret.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class RosterMovedError(Exception):
    """The provider's data changed while it was read: everything read so far is void, read it again from the start."""


@dataclass(slots=True)
class PullReport:
    """What a pull learned besides the records: how each collection was proved whole, and the defects it met."""

    proofs: "list[CollectionProof]" = field(default_factory=list)
    defects: Counter[DefectCode] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Some records of one kind, ready to publish: as records, or as the JSON that `entries.encode_entry` gives.

    `kept` are ids that the provider sent in a form that nobody can rely on (two differing records under one id, an
    unknown status): what is applied under them stays as it is, and nothing new is made of them.
    """

    kind: RecordKind
    records: Sequence[Record] = ()
    kept: Sequence[str] = ()
    entries: Sequence[bytes] = ()


class RosterSource(Protocol):
    """One way to read a district's roster.

    `read` gives the district's schools, teachers, students and classes, each id once, in any number of pages (at most
    some thousands of records each), with every reference inside a class resolved to a record of the same read. It
    fills `report` as it goes, and counts every defect that it repairs or drops. `today` is the date in the district's
    own time zone; it decides which terms are current.

    It raises PullFailedError when the roster cannot be read whole, RosterMovedError when it changed under way. When
    it ends without an error, the collections were complete.
    """

    def read(self, today: date, report: PullReport) -> AsyncGenerator[RecordPage, None]:
        """Give the roster's pages, as the class promises."""
