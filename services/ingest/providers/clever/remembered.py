"""What is remembered of Clever's users and sections, block by block, and what of it still holds."""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain, count
from operator import eq
from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np

from services.ingest.known_rows import Counts, Holds, Known, by_place
from services.ingest.remembered_rows import RememberedBlock, RowMemory

NUMBER = np.dtype(np.uint32)


class RememberedUser(NamedTuple):
    """What a user's row became: entries of a snapshot page, or b"" for none; the email as it is compared, or "".

    `number` stands for the person in `RememberedSection`.
    """

    id: str
    digest: bytes
    number: int
    student: bytes = b""
    teacher: bytes = b""
    email: str = ""
    defects: Counts | None = None


class RememberedSection(NamedTuple):
    """What a section's row became, an entry of a snapshot page or b"" for none, and what that depended on.

    That is a term, of which we knew whether it is current; a course, by a name; a school, which was there or not; and
    people who were there, by their numbers. Where it depended on more, it does not `last`, and is not taken again.
    """

    id: str
    digest: bytes
    entry: bytes
    term: str | None
    is_current: bool | None
    course: str | None
    course_name: str | None
    school: str | None
    has_school: bool
    students: bytes = b""
    teachers: bytes = b""
    lasts: bool = True
    defects: Counts | None = None


class UsersBlock(RememberedBlock, frozen=True):
    """Users that came one after the other, in columns; `defects` by their places, from 0."""

    numbers: bytes
    students: list[bytes]
    teachers: list[bytes]
    emails: list[str]
    defects: dict[int, Counts]

    @classmethod
    def of(cls, digest: bytes, users: Sequence[RememberedUser]) -> "UsersBlock":
        """Make a block of users."""
        ids, digests, numbers, students, teachers, emails, defects = map(list, zip(*users, strict=True))
        return cls(digest, ids, b"".join(digests), numbers_of(numbers), students, teachers, emails, by_place(defects))

    def rows(self) -> Iterable[RememberedUser]:
        """Give the users one by one."""
        numbers = np.frombuffer(self.numbers, dtype=NUMBER).tolist()
        columns = (self.ids, self.row_digests(), numbers, self.students, self.teachers, self.emails)
        return map(RememberedUser, *columns, map(self.defects.get, range(len(self.ids))))


class SectionsBlock(RememberedBlock, frozen=True):
    """Sections that came one after the other, in columns; `defects` by their places, from 0."""

    entries: list[bytes]
    terms: list[str | None]
    is_current: list[bool | None]
    courses: list[str | None]
    course_names: list[str | None]
    schools: list[str | None]
    has_school: list[bool]
    students: list[bytes]
    teachers: list[bytes]
    lasts: list[bool]
    defects: dict[int, Counts]

    @classmethod
    def of(cls, digest: bytes, sections: Sequence[RememberedSection]) -> "SectionsBlock":
        """Make a block of sections."""
        columns: list[list[Any]] = list(map(list, zip(*sections, strict=True)))
        ids, digests, entries, terms, is_current, courses, course_names, schools, has_school, *rest = columns
        students, teachers, lasts, defects = rest
        return cls(
            *(digest, ids, b"".join(digests), entries, terms, is_current, courses, course_names, schools, has_school),
            *(students, teachers, lasts, by_place(defects)),
        )

    def rows(self) -> Iterable[RememberedSection]:
        """Give the sections one by one."""
        dependent = (self.terms, self.is_current, self.courses, self.course_names, self.schools, self.has_school)
        columns = (self.entries, *dependent, self.students, self.teachers, self.lasts)
        defects = map(self.defects.get, range(len(self.ids)))
        return map(RememberedSection, self.ids, self.row_digests(), *columns, defects)


KnownUsers: TypeAlias = Known[UsersBlock, RememberedUser]
KnownSections: TypeAlias = Known[SectionsBlock, RememberedSection]


class UserMemory:
    """The users of the last pull whose schools were those of tonight, and the numbers of all people."""

    def __init__(self, memory: RowMemory | None, schools: Iterable[str]) -> None:
        self._memory = memory
        self._context = msgspec.json.encode(sorted(schools)).decode()
        self._recall = memory.recall("users", UsersBlock, self._context) if memory is not None else None
        self._new_number = memory.new_number if memory is not None else count(1).__next__
        self._known: KnownUsers = Known((), UsersBlock.rows)

    def around(self, first: str, last: str) -> KnownUsers:
        """Give the users remembered from id `first` to `last`. Later calls ask for higher ids."""
        blocks = self._recall.between(first, last) if self._recall is not None else []
        self._known = Known(blocks, UsersBlock.rows)
        return self._known

    def number(self, id_: str) -> int:
        """Give the number of somebody who is on the page last asked about, in a block that was not taken."""
        known = self._known.rows_by_id.get(id_)
        return known.number if known is not None else self._new_number()

    def remember(self, blocks: Sequence[UsersBlock]) -> None:
        """Remember a page's users."""
        if self._memory is not None:
            self._memory.remember("users", blocks, self._context)


class SectionMemory:
    """The sections of the last pull, and whether what they depended on is as it was: everything else must be read.

    `students` and `teachers` are the numbers of those who are there tonight.
    """

    def __init__(
        self,
        memory: RowMemory | None,
        *,
        is_current: Mapping[str, bool],
        courses: Mapping[str, str | None],
        schools: AbstractSet[str],
        students: Iterable[int],
        teachers: Iterable[int],
    ) -> None:
        self._memory = memory
        self._recall = memory.recall("sections", SectionsBlock) if memory is not None else None
        self._is_current: Callable[[Any], object] = is_current.get
        self._courses: Callable[[Any], object] = courses.get
        self._schools = schools
        self._students, self._teachers = _there(students), _there(teachers)

    def around(self, first: str, last: str) -> KnownSections:
        """Give the sections remembered from id `first` to `last`. Later calls ask for higher ids."""
        blocks = self._recall.between(first, last) if self._recall is not None else []
        return Known(blocks, SectionsBlock.rows, self._holds(blocks))

    def remember(self, blocks: Sequence[SectionsBlock]) -> None:
        """Remember a page's sections."""
        if self._memory is not None:
            self._memory.remember("sections", blocks)

    def _holds(self, blocks: Sequence[SectionsBlock]) -> Holds:
        def column(name: str) -> list[Any]:
            return list(chain.from_iterable(getattr(block, name) for block in blocks))

        return (
            np.array(column("lasts"), dtype=bool)
            & _alike(map(self._is_current, column("terms")), column("is_current"))
            & _alike(map(self._courses, column("courses")), column("course_names"))
            & _alike(map(self._schools.__contains__, column("schools")), column("has_school"))
            & _all_there(column("students"), self._students)
            & _all_there(column("teachers"), self._teachers)
        )


def numbers_of(numbers: Sequence[int]) -> bytes:
    """Give people's numbers as they are kept, 32 bits each."""
    return array("I", numbers).tobytes()


def _alike(now: Iterable[object], before: Sequence[object]) -> Holds:
    return np.fromiter(map(eq, now, before), dtype=bool, count=len(before))


def _there(numbers: Iterable[int]) -> Holds:
    """Give for each number whether it is among these; for the last one, and all above it, that it is not."""
    found = np.fromiter(numbers, dtype=np.int64)
    there = np.zeros(int(found.max(initial=0)) + 2, dtype=bool)
    there[found] = True
    return there


def _all_there(people: Sequence[bytes], there: Holds) -> Holds:
    sizes = np.fromiter(map(len, people), dtype=np.int64, count=len(people)) // NUMBER.itemsize
    missing = ~there[np.minimum(np.frombuffer(b"".join(people), dtype=NUMBER), len(there) - 1)]
    before = np.concatenate(([0], np.cumsum(missing)))
    ends = np.cumsum(sizes)
    return np.asarray(before[ends] == before[ends - sizes])
