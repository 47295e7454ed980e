"""What is remembered of Clever's users and sections, and how a row of tonight is found to be the same."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import TypeAlias

import msgspec

from services.ingest.defects import DefectCode
from services.ingest.remembered_rows import RememberedRow, RowMemory

Counts: TypeAlias = dict[DefectCode, int]

_STAMPS = re.compile(rb'(?:,"(?:created|last_modified)":"[0-9TZ:.+-]*")+')
_CREATED, _LAST_MODIFIED = b',"created":"', b',"last_modified":"'


class RememberedUser(RememberedRow, frozen=True):
    """What a user's row became: entries of a snapshot page, or none; `email` is in the form in which it is compared.

    `number` stands for the person in `RememberedSection.students`.
    """

    digest: bytes
    number: int
    student: bytes | None = None
    teacher: bytes | None = None
    email: str | None = None
    defects: Counts | None = None


class RememberedSection(RememberedRow, frozen=True):
    """What a section's row became. `facts` is all that its record is made of besides its students.

    `students` are the numbers of its students, 32 bits each, ascending; None where it may not be remembered.
    """

    facts: tuple[str | tuple[str | None, ...] | None, ...]
    students: bytes | None
    entry: bytes
    defects: Counts | None = None


def row_digests(raws: Iterable[msgspec.Raw]) -> list[bytes]:
    """Give the digest of each row's bytes, without its `created` and `last_modified`, which move for everybody [9].

    They are left out only where they are written as Clever writes them; otherwise a row merely seems to have changed.
    An unescaped quote behind a comma begins a key in JSON, and nothing that we read has such a key.
    """
    sha256, stamps_at = hashlib.sha256, _STAMPS.match
    digests = []
    ending = None  # most rows of a page end with the same stamps
    for raw in raws:
        row = bytes(raw)
        if ending is not None and row.endswith(ending):
            digests.append(sha256(row[: -len(ending)]).digest())
            continue
        at = row.rfind(_CREATED)
        if at < 0:
            at = row.rfind(_LAST_MODIFIED)
        stamps = stamps_at(row, at) if at >= 0 else None
        if stamps is not None and stamps.end() == len(row) - 1:
            if row.startswith(_CREATED, at):
                ending = row[at:]
            row = row[:at]
        elif stamps is not None:
            row = row[:at] + row[stamps.end() :]
        digests.append(sha256(row).digest())
    return digests


class KnownUsers:
    """The users of the last pull whose schools were those of tonight, and the numbers of all people."""

    def __init__(self, memory: RowMemory | None, schools: Iterable[str]) -> None:
        self._memory = memory
        self._context = msgspec.json.encode(sorted(schools)).decode()
        self._recall = memory.recall("users", RememberedUser, self._context) if memory is not None else None
        self._new_number = memory.new_number if memory is not None else count(1).__next__
        self._users: list[RememberedUser] = []
        self._numbers: dict[str, int] | None = None

    def between(self, first: str, last: str) -> Mapping[bytes, RememberedUser]:
        """Give the users remembered from id `first` to `last` by their rows' digest."""
        self._users = list(self._recall.between(first, last)) if self._recall is not None else []
        self._numbers = None
        return {user.digest: user for user in self._users}

    def number(self, id_: str) -> int:
        """Give the number of somebody whose row has changed, or is new."""
        if self._numbers is None:
            self._numbers = {user.id: user.number for user in self._users}
        return self._numbers.get(id_) or self._new_number()

    def remember(self, users: Sequence[RememberedUser]) -> None:
        """Remember a page of users."""
        if self._memory is not None:
            self._memory.remember("users", users, self._context)


class KnownSections:
    """The sections of the last pull."""

    def __init__(self, memory: RowMemory | None) -> None:
        self._memory = memory
        self._recall = memory.recall("sections", RememberedSection) if memory is not None else None

    def between(self, first: str, last: str) -> Mapping[str, RememberedSection]:
        """Give the sections remembered from id `first` to `last`."""
        if self._recall is None:
            return {}
        return {section.id: section for section in self._recall.between(first, last)}

    def remember(self, sections: Sequence[RememberedSection]) -> None:
        """Remember those of a page's sections that may be."""
        if self._memory is not None:
            self._memory.remember("sections", [section for section in sections if section.students is not None])
