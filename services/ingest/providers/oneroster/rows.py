"""OneRoster's rows as both its REST collections and its CSV files give them, before anything is decided about them.

Only the fields Rollcall uses stand here, so that passwords, telephones, guardians and demographics are dropped while
decoding. Values are kept as the provider wrote them; reading them leniently is `values.py`'s job. References are plain
sourcedIds: of a `{href, sourcedId, type}` only the sourcedId is ever used.
"""

from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Generic, Self, TypeAlias, TypeVar

import msgspec
from blake3 import blake3

Value = TypeVar("Value")


class OrgRow(msgspec.Struct, frozen=True, gc=False):
    """An org: a school where `type` is 'school'."""

    sourced_id: str
    status: str = ""
    name: str = ""
    type: str = ""
    identifier: str = ""


class SessionRow(msgspec.Struct, frozen=True, gc=False):
    """An academic session of any type; `end_date` is exclusive in 1.2, counted in on 1.1 data."""

    sourced_id: str
    status: str = ""
    type: str = ""
    start_date: str = ""
    end_date: str = ""
    school_year: str = ""


class CourseRow(msgspec.Struct, frozen=True, gc=False):
    """A course; its school year (a session) decides for classes without terms."""

    sourced_id: str
    status: str = ""
    title: str = ""
    school_year_id: str = ""


class ClassRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A class (Clever's section)."""

    sourced_id: str
    status: str = ""
    title: str = ""
    course_id: str = ""
    school_id: str = ""
    term_ids: tuple[str, ...] = ()
    grades: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()


class RoleRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One role of a user at one org. 1.1 gives one role for each of `orgs[]`; 1.2 a list, or roles.csv."""

    role: str
    org_id: str = ""


class UserRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A user with all of its roles. `birth_date` comes from demographics where a package holds them."""

    sourced_id: str
    status: str = ""
    enabled: str = ""
    given_name: str = ""
    family_name: str = ""
    preferred_given_name: str = ""
    preferred_family_name: str = ""
    email: str = ""
    identifier: str = ""
    grades: tuple[str, ...] = ()
    roles: tuple[RoleRow, ...] = ()
    birth_date: str = ""


class UserRows(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Some users: their ids, their rows as msgpack, which hardly anybody reads, and the digests of these.

    They are in blocks, each with a digest of its own. A block ends behind each row whose digest begins as one of
    sixteen does, so that a row that comes or goes moves the ends of its own block and of no other, wherever pages end.
    """

    ids: list[str]
    rows: list[bytes]
    digests: list[bytes]
    block_ends: list[int]
    block_digests: list[bytes]

    @classmethod
    def of(cls, rows: Sequence[UserRow]) -> Self:
        """Take rows."""
        encoded = list(map(_encode, rows))
        digests = [blake3(row).digest() for row in encoded]
        ends = [at for at, digest in enumerate(digests, start=1) if digest[0] < _ENDS_BLOCK_BELOW or at == len(rows)]
        of_blocks = [blake3(b"".join(digests[begin:end])).digest() for begin, end in pairwise((0, *ends))]
        return cls([row.sourced_id for row in rows], encoded, digests, ends, of_blocks)

    def row(self, at: int) -> UserRow:
        """Give one of the rows."""
        return _user_row.decode(self.rows[at])


_ENDS_BLOCK_BELOW = 256 // 16
_encode = msgspec.msgpack.Encoder().encode
_user_row = msgspec.msgpack.Decoder(UserRow)


class EnrollmentRow(msgspec.Struct, frozen=True, gc=False):
    """One person's part in one class. `sourced_id` is no key: membership is (class, user, role)."""

    sourced_id: str
    class_id: str
    user_id: str
    status: str = ""
    school_id: str = ""
    role: str = ""
    primary: str = ""
    begin_date: str = ""
    end_date: str = ""


Terms: TypeAlias = tuple[str, str, str, str, str]
"""On what terms somebody is in a class: the enrollment's status, role, primary, begin and end date."""


class Repeated(msgspec.Struct, Generic[Value], array_like=True, frozen=True, gc=False):
    """A column in which the same values come again and again: each once, and which of them each row has.

    `at` are the rows' places in `values`, from 0, 32 bits each.
    """

    values: list[Value]
    at: bytes

    @classmethod
    def of(cls, column: Iterable[Value]) -> Self:
        """Make the column of each row's value."""
        places: dict[Value, int] = {}
        at = array("I", [places.setdefault(value, len(places)) for value in column])
        return cls(list(places), at.tobytes())

    def __getitem__(self, row: int) -> Value:
        """Give a row's value."""
        return self.values[memoryview(self.at).cast("I")[row]]


class EnrollmentColumns(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Some enrollments, column by column."""

    user_ids: list[str]
    class_ids: Repeated[str]
    school_ids: Repeated[str]
    terms: Repeated[Terms]

    @classmethod
    def of(cls, rows: Sequence[EnrollmentRow]) -> Self:
        """Make the columns of rows."""
        return cls(
            [row.user_id for row in rows],
            Repeated.of(row.class_id for row in rows),
            Repeated.of(row.school_id for row in rows),
            Repeated.of((row.status, row.role, row.primary, row.begin_date, row.end_date) for row in rows),
        )

    def row(self, at: int) -> EnrollmentRow:
        """Give one of the enrollments; its own sourcedId, which is no key, is not among the columns."""
        status, role, primary, begin, end = self.terms[at]
        return EnrollmentRow(
            "", self.class_ids[at], self.user_ids[at], status, self.school_ids[at], role, primary, begin, end
        )
