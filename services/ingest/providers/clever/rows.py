"""Clever's rows, v3.0 and v3.1, with only the fields Rollcall uses: all else is dropped while decoding.

Every string may be absent, null or "" (clever.md section 7). Guardians, race, addresses and the like have no field.
"""

from typing import Annotated, Generic, TypeAlias, TypeVar

import msgspec

NOT_READABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises where something is not of a row's form, is not UTF-8, or lies too deep."""

CleverId: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]
Ids: TypeAlias = tuple[str | None, ...] | None


class Row(msgspec.Struct, frozen=True, gc=False):
    """What every record of Clever's has: the id, the one and only key."""

    id: CleverId


class DistrictRow(Row, frozen=True):
    """The district that the token sees (section 7.1)."""

    state: str | None = None
    last_sync: str | None = None


class SchoolRow(Row, frozen=True):
    """A school (section 7.2)."""

    name: str | None = None
    school_number: str | None = None


class TermRow(Row, frozen=True):
    """A term; both days belong to it (section 7.7)."""

    start_date: str | None = None
    end_date: str | None = None


class CourseRow(Row, frozen=True):
    """A course (section 7.7)."""

    name: str | None = None
    number: str | None = None


class Name(msgspec.Struct, frozen=True, gc=False):
    """A person's name; Rollcall does not use the middle one."""

    first: str | None = None
    last: str | None = None


class StudentRole(msgspec.Struct, frozen=True, gc=False):
    """What a user is as a student (section 7.4); `preferred_name` is v3.1 only."""

    school: str | None = None
    schools: Ids = None
    student_number: str | None = None
    grade: str | None = None
    dob: str | None = None
    preferred_name: Name | None = None


class TeacherRole(msgspec.Struct, frozen=True, gc=False):
    """What a user is as a teacher (section 7.5)."""

    school: str | None = None
    schools: Ids = None
    teacher_number: str | None = None


class OtherRole(msgspec.Struct, frozen=True, gc=False):
    """A role that is not rostered; only that it is held matters."""


class Roles(msgspec.Struct, frozen=True, gc=False):
    """The roles a user holds: those that are present (section 7.3)."""

    student: StudentRole | None = None
    teacher: TeacherRole | None = None
    staff: OtherRole | None = None
    district_admin: OtherRole | None = None
    contact: OtherRole | None = None


class UserRow(Row, frozen=True):
    """A person, with all of their roles (section 7.3)."""

    roles: Roles
    email: str | None = None
    name: Name | None = None


class SectionRow(Row, frozen=True):
    """A section with its members: Clever has no enrollments of their own (section 7.6)."""

    name: str | None = None
    school: str | None = None
    course: str | None = None
    term_id: str | None = None
    teacher: str | None = None
    teachers: Ids = None
    students: Ids = None
    grade: str | None = None
    subject: str | None = None


class HeldRoles(msgspec.Struct, frozen=True, gc=False):
    """The names of a user's roles alone, for a row that is otherwise unreadable."""

    roles: dict[str, msgspec.Raw]


class Link(msgspec.Struct, frozen=True, gc=False):
    """One of a page's links: `next`, `prev` or `self`; `uri` is a path without a host."""

    rel: str | None = None
    uri: str | None = None


class PageItem(msgspec.Struct, frozen=True, gc=False):
    """A record's envelope inside a list; the record stays raw until it is known what to read from it."""

    data: msgspec.Raw


AnyRow = TypeVar("AnyRow", bound=Row)


class RowItem(msgspec.Struct, Generic[AnyRow], frozen=True, gc=False):
    """An item of which it is known what to read from it."""

    data: AnyRow


class PageBody(msgspec.Struct, frozen=True):
    """A list's envelope (section 4). Without `data` it is no page; without `links` it does not say where it ends."""

    data: list[PageItem]
    links: list[Link] | None = None


class PageEnd(msgspec.Struct, frozen=True):
    """The beginning or the end of a list's envelope: its links alone."""

    links: list[Link] | None = None


class DistrictToken(msgspec.Struct, frozen=True):
    """A district's current token, as the list of tokens has it (section 2)."""

    class Owner(msgspec.Struct, frozen=True):
        """Whose token it is."""

        id: str | None = None

    owner: Owner
    access_token: str


class TokenList(msgspec.Struct, frozen=True):
    """The list of tokens."""

    data: list[DistrictToken]
