"""The users of a pull: which of them are teachers and students, each id once (oneroster.md sections 8, 9 and 13).

Of each user little more than the id stays in memory. Entries wait in a file until the last user has come, because an id
that comes once more with other values takes the first ones back.
"""

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain, pairwise
from tempfile import SpooledTemporaryFile
from typing import Literal, TypeAlias

import cramjam
import msgspec
import numpy as np

from services.ingest.providers.oneroster.id_order import AscendingIds
from services.ingest.providers.oneroster.id_positions import IdPositions
from services.ingest.providers.oneroster.id_texts import IdTexts
from services.ingest.providers.oneroster.masked_names import masked_students
from services.ingest.providers.oneroster.person import KEPT, STUDENT, TEACHER, Person, make_person
from services.ingest.providers.oneroster.places import Indexes
from services.ingest.providers.oneroster.remembered_users import UserMemory, UsersBlock
from services.ingest.providers.oneroster.rows import UserRows
from services.ingest.providers.oneroster.schools import Schools
from services.ingest.providers.oneroster.values import Defects
from services.ingest.remembered_rows import NO_DIGEST, RowMemory
from services.ingest.source import RecordPage

PersonKind: TypeAlias = Literal["teachers", "students"]

_BITS: dict[PersonKind, int] = {"teachers": TEACHER, "students": STUDENT}
_IN_MEMORY_BYTES = 1 << 20


class _Shelf:
    """Entries of one kind with their ids, compressed by the page; in a temporary file once they are many."""

    def __init__(self, kind: PersonKind, page_records: int) -> None:
        self.kind = kind
        self._page_records = page_records
        self._open: list[tuple[str, bytes]] = []
        self._closed = SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - it lives as long as the shelf
        self._sizes: list[int] = []
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(list[tuple[str, bytes]])

    def add(self, entries: Iterable[tuple[str, bytes]]) -> None:
        self._open += entries
        while len(self._open) >= self._page_records:
            encoded = self._encoder.encode(self._open[: self._page_records])
            del self._open[: self._page_records]
            page = bytes(cramjam.zstd.compress(encoded, 1))
            self._closed.write(page)
            self._sizes.append(len(page))

    def pages(self) -> Iterator[list[tuple[str, bytes]]]:
        self._closed.seek(0)
        for size in self._sizes:
            yield self._decoder.decode(bytes(cramjam.zstd.decompress(self._closed.read(size))))
        if self._open:
            yield self._open


class People:
    """The users of one pull, by index: `ids` are their sourcedIds, `states` what is known of them (`person.py`).

    With a `memory`, which must have begun, what a user became is not worked out again where its row, and everything
    else that it depends on, is as it was. That is so where users come in the order of their ids.
    """

    def __init__(self, schools: Schools, defects: Defects, page_records: int, memory: RowMemory | None = None) -> None:
        self._schools = schools
        self._defects = defects
        self._page_records = page_records
        self._memory = memory
        self.ids = IdTexts()
        self.states = bytearray()
        self._order = AscendingIds()
        self._index = IdPositions()
        self._row_marks = array("q")
        self._emails = array("q")
        self._names = array("q")
        self._shelves = _Shelf("teachers", page_records), _Shelf("students", page_records)

    def find(self, sourced_id: str) -> int | None:
        """Give the index of a user in `ids` and `states`, or None where it is not in the pull."""
        index = int(self._index.find([sourced_id])[0])
        return None if index < 0 else index

    def find_all(self, sourced_ids: Sequence[str]) -> Indexes:
        """Give for each user what `find` gives, -1 for None."""
        return self._index.find(sourced_ids)

    def state_of(self, indexes: Indexes) -> Indexes:
        """Give the states of users; that of the index -1 means nothing."""
        states = np.frombuffer(self.states or b"\0", dtype=np.uint8)
        return states[indexes].astype(np.int64)

    def settle(self) -> None:
        """Count what only shows once all users have come, and prepare for finding them. Call it after the last one."""
        self._index.settle()
        emails, names = (_given(column) for column in (self._emails, self._names))
        emails.sort()
        if shared := int(np.count_nonzero(emails[1:] == emails[:-1])):
            self._defects["email-shared"] += shared
        if masked := masked_students(names):
            self._defects["names-obfuscated"] += masked
        # What was needed for counting only goes before the enrollments come.
        self._row_marks, self._emails, self._names = array("q"), array("q"), array("q")

    @cached_property
    def _remembered(self) -> UserMemory:
        return UserMemory(self._memory, self._schools.as_context())

    def add(self, users: UserRows) -> None:
        """Take users, once the schools are settled."""
        if not users.ids:
            return
        if self._order.goes_on(users.ids):
            blocks = self._blocks(users)
            self._remembered.remember(blocks)
            self._index.add(users.ids)
            self._add_new(blocks)
            return
        new: dict[str, int] = {}
        persons: list[Person] = []
        again: list[tuple[int, Person]] = []
        for at, before in enumerate(self._index.find(users.ids).tolist()):
            person = self._person(users, at)
            index = before if before >= 0 else new.setdefault(person.id, len(self.ids) + len(persons))
            if index == len(self.ids) + len(persons):
                persons.append(person)
            else:
                again.append((index, person))
        self._index.add(list(new))
        if persons:
            self._add_new([UsersBlock.of(NO_DIGEST, persons)])
        for index, person in again:
            self._add_again(index, person)

    def _blocks(self, users: UserRows) -> list[UsersBlock]:
        """Give what the users became; what is remembered is not read."""
        known = self._remembered.between(users.ids[0], users.ids[-1])
        blocks = list(map(known.take, users.block_digests))  # all blocks, before any row
        return [
            block
            or UsersBlock.of(
                digest, [known.rows.get(users.digests[at]) or self._person(users, at) for at in range(begin, end)]
            )
            for block, digest, (begin, end) in zip(
                blocks, users.block_digests, pairwise((0, *users.block_ends)), strict=True
            )
        ]

    def _person(self, users: UserRows, at: int) -> Person:
        return make_person(users.row(at), users.digests[at], self._schools)

    def _add_new(self, blocks: Sequence[UsersBlock]) -> None:
        ids = list(chain.from_iterable(block.ids for block in blocks))
        self.ids.extend(ids)
        self.states += b"".join(block.states for block in blocks)
        digests = np.frombuffer(b"".join(block.digests for block in blocks), dtype=np.int64).reshape(len(ids), -1)
        self._row_marks.frombytes(digests[:, 0].tobytes())
        self._emails.frombytes(b"".join(block.emails for block in blocks))
        self._names.frombytes(b"".join(block.names for block in blocks))
        for counts in chain.from_iterable(block.defects.values() for block in blocks):
            self._defects.update(counts)
        teachers = chain.from_iterable(block.teachers for block in blocks)
        students = chain.from_iterable(block.students for block in blocks)
        for shelf, entries in zip(self._shelves, (teachers, students), strict=True):
            shelf.add((id_, entry) for id_, entry in zip(ids, entries, strict=True) if entry)

    def _add_again(self, index: int, person: Person) -> None:
        if self._row_marks[index] == int.from_bytes(person.digest[:8], sys.byteorder, signed=True):
            self._defects["id-twice"] += 1
            return
        self._defects["id-twice-differing"] += 1
        self.states[index] |= KEPT | person.state & (TEACHER | STUDENT)

    def pages(self) -> Iterator[RecordPage]:
        """Give all teachers, then all students, and the ids of each that are kept."""
        for shelf in self._shelves:
            yield from self._pages_of(shelf)

    def _pages_of(self, shelf: _Shelf) -> Iterator[RecordPage]:
        of_kind = KEPT | _BITS[shelf.kind]
        states = np.frombuffer(self.states, dtype=np.uint8)
        kept = sorted(self.ids.at(np.flatnonzero(states & of_kind == of_kind)))
        left_out = frozenset(kept)
        for page in shelf.pages():
            if entries := [entry for id_, entry in page if id_ not in left_out]:
                yield RecordPage(shelf.kind, entries=entries)
        for start in range(0, len(kept), self._page_records):
            yield RecordPage(shelf.kind, kept=kept[start : start + self._page_records])


def _given(column: "array[int]") -> Indexes:
    """Give the numbers of a column that are not 0, which stands for nothing given."""
    numbers: Indexes = np.frombuffer(column, dtype=np.int64)
    given: Indexes = numbers[numbers != 0]
    return given
