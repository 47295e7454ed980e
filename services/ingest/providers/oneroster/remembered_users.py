"""What is remembered of OneRoster's users, block by block, so that who is as before is not worked out again."""

from array import array
from collections.abc import Iterable, Sequence

import numpy as np

from services.ingest.known_rows import Counts, Known, by_place
from services.ingest.providers.oneroster.person import Person
from services.ingest.remembered_rows import RememberedBlock, RowMemory


class UsersBlock(RememberedBlock, frozen=True):
    """What users that came one after the other became, in columns; `defects` by their places, from 0."""

    states: bytes
    teachers: list[bytes]
    students: list[bytes]
    emails: bytes
    names: bytes
    defects: dict[int, Counts]

    @classmethod
    def of(cls, digest: bytes, persons: Sequence[Person]) -> "UsersBlock":
        """Make a block of what users became."""
        ids, digests, states, teachers, students, emails, names, defects = zip(*persons, strict=True)
        return cls(
            *(digest, list(ids), b"".join(digests), bytes(states), list(teachers), list(students)),
            *(array("q", emails).tobytes(), array("q", names).tobytes()),
            by_place(defects),
        )

    def persons(self) -> Iterable[Person]:
        """Give what the users became, one by one."""
        emails, names = (np.frombuffer(column, dtype=np.int64).tolist() for column in (self.emails, self.names))
        columns = (self.ids, self.row_digests(), self.states, self.teachers, self.students, emails, names)
        return map(Person._make, zip(*columns, map(self.defects.get, range(len(self.ids))), strict=True))


class UserMemory:
    """The users of the last pull in which all that they depend on besides their rows, `context`, was as it is."""

    def __init__(self, memory: RowMemory | None, context: str) -> None:
        self._memory = memory
        self._context = context
        self._recall = memory.recall("users", UsersBlock, context) if memory is not None else None

    def between(self, first: str, last: str) -> Known[UsersBlock, Person]:
        """Give the users remembered from id `first` to `last`. Later calls ask for higher ids."""
        blocks = self._recall.between(first, last) if self._recall is not None else []
        return Known(blocks, UsersBlock.persons)

    def remember(self, blocks: Sequence[UsersBlock]) -> None:
        """Remember a page's users, in ascending order of id, all above those of the call before."""
        if self._memory is not None:
            self._memory.remember("users", blocks, self._context)
