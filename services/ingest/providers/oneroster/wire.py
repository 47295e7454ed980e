"""The shapes that OneRoster's specifications give its JSON, 1.1 and 1.2 in one, and how they become rows.

None of them can be part of a cycle, so the garbage collector need not follow them (`gc=False`).
Only the fields that Rollcall uses stand here and nothing else is ever decoded, so that passwords, telephones, guardians
and demographics never leave the raw page. Sources: the OpenAPI files of OneRoster 1.1 and 1.2.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import msgspec

from services.ingest.providers.oneroster.rows import (
    ClassRow,
    CourseRow,
    EnrollmentColumns,
    OrgRow,
    Repeated,
    RoleRow,
    SessionRow,
    UserRow,
    UserRows,
)


class Reference(msgspec.Struct, rename="camel", gc=False):
    """A `{href, sourcedId, type}`, of which nothing but the sourcedId is used: no href is followed, ever."""

    sourced_id: str


class RoleWire(msgspec.Struct, gc=False):
    """One of a 1.2 user's roles."""

    role: str
    org: Reference | None = None


Text: TypeAlias = str | None
Flag: TypeAlias = str | bool | None
Ref: TypeAlias = Reference | None
Refs: TypeAlias = list[Reference] | None
Words: TypeAlias = list[str] | None
Roles: TypeAlias = list[RoleWire] | None


class Wire(msgspec.Struct, rename="camel", gc=False):
    """What every record must have, and when it changed last."""

    sourced_id: str
    date_last_modified: Text = None


class OrgWire(Wire, gc=False):
    """An org."""

    status: Text = None
    name: Text = None
    type: Text = None
    identifier: Text = None


class SessionWire(Wire, gc=False):
    """An academic session."""

    status: Text = None
    type: Text = None
    start_date: Text = None
    end_date: Text = None
    school_year: Text = None


class CourseWire(Wire, gc=False):
    """A course."""

    status: Text = None
    title: Text = None
    school_year: Ref = None


class ClassWire(Wire, gc=False):
    """A class."""

    status: Text = None
    title: Text = None
    course: Ref = None
    school: Ref = None
    terms: Refs = None
    grades: Words = None
    subjects: Words = None


class UserWire(Wire, gc=False):
    """A user: 1.1 has `role` and `orgs`, 1.2 `roles` and preferred names."""

    status: Text = None
    enabled_user: Flag = None
    given_name: Text = None
    family_name: Text = None
    preferred_first_name: Text = None
    preferred_last_name: Text = None
    email: Text = None
    identifier: Text = None
    grades: Words = None
    role: Text = None
    orgs: Refs = None
    roles: Roles = None


class EnrollmentWire(Wire, gc=False):
    """An enrollment."""

    user: Ref = None
    # `class` cannot be a name in Python.
    of_class: Ref = msgspec.field(name="class", default=None)
    status: Text = None
    school: Ref = None
    role: Text = None
    primary: Flag = None
    begin_date: Text = None
    end_date: Text = None


def org_row(wire: OrgWire) -> OrgRow:
    """Make an org's row."""
    return OrgRow(wire.sourced_id, wire.status or "", wire.name or "", wire.type or "", wire.identifier or "")


def session_row(wire: SessionWire) -> SessionRow:
    """Make an academic session's row."""
    return SessionRow(
        wire.sourced_id,
        wire.status or "",
        wire.type or "",
        wire.start_date or "",
        wire.end_date or "",
        wire.school_year or "",
    )


def course_row(wire: CourseWire) -> CourseRow:
    """Make a course's row."""
    return CourseRow(wire.sourced_id, wire.status or "", wire.title or "", _id(wire.school_year))


def class_row(wire: ClassWire) -> ClassRow:
    """Make a class's row."""
    return ClassRow(
        wire.sourced_id,
        wire.status or "",
        wire.title or "",
        _id(wire.course),
        _id(wire.school),
        tuple(term.sourced_id for term in wire.terms or ()),
        tuple(wire.grades or ()),
        tuple(wire.subjects or ()),
    )


def user_row(wire: UserWire) -> UserRow:
    """Make a user's row."""
    if wire.roles:
        roles = tuple(RoleRow(held.role, _id(held.org)) for held in wire.roles)
    elif wire.role:
        # 1.1 gives one role for each of the orgs; none of them is primary.
        orgs = wire.orgs
        if orgs and len(orgs) == 1:
            roles = _only_role(wire.role, orgs[0].sourced_id)
        else:
            roles = tuple(RoleRow(wire.role, org.sourced_id) for org in orgs or ()) or (RoleRow(wire.role),)
    else:
        roles = ()
    return UserRow(
        wire.sourced_id,
        wire.status or "",
        _flag(wire.enabled_user),
        wire.given_name or "",
        wire.family_name or "",
        wire.preferred_first_name or "",
        wire.preferred_last_name or "",
        wire.email or "",
        wire.identifier or "",
        tuple(wire.grades or ()),
        roles,
    )


def user_rows(wires: Sequence[UserWire]) -> UserRows:
    """Make the rows of a page of users."""
    return UserRows.of(list(map(user_row, wires)))


def enrollment_columns(wires: Sequence[EnrollmentWire]) -> EnrollmentColumns:
    """Make the columns of a page of enrollments: seven million rows are too many for an object each."""
    terms = Repeated.of((wire.status, wire.role, wire.primary, wire.begin_date, wire.end_date) for wire in wires)
    return EnrollmentColumns(
        [user.sourced_id if (user := wire.user) is not None else "" for wire in wires],
        Repeated.of(of_class.sourced_id if (of_class := wire.of_class) is not None else "" for wire in wires),
        Repeated.of(school.sourced_id if (school := wire.school) is not None else "" for wire in wires),
        Repeated(
            [
                (status or "", role or "", _flag(primary), begin or "", end or "")
                for status, role, primary, begin, end in terms.values
            ],
            terms.at,
        ),
    )


@lru_cache(maxsize=16384)
def _only_role(role: str, org_id: str) -> tuple[RoleRow, ...]:
    return (RoleRow(role, org_id),)


def _id(reference: Ref) -> str:
    return "" if reference is None else reference.sourced_id


def _flag(value: Flag) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else str(value).lower()
