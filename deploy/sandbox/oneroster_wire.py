"""OneRoster's records on the wire, as 1.1 and 1.2 write them (1EdTech's OpenAPI files; oneroster.md section 8)."""

from typing import Any

import msgspec


class Ref(msgspec.Struct):
    """A reference. `href` points at a host that is not ours, as ClassLink's do: only the sourcedId may be used."""

    href: str
    sourcedId: str  # noqa: N815 - the wire's own spelling
    type: str


class Record(msgspec.Struct, rename="camel", kw_only=True):
    """What every record has."""

    sourced_id: str
    status: str
    date_last_modified: str
    metadata: dict[str, str] = msgspec.field(default_factory=dict)


class Org(Record, kw_only=True, rename="camel"):
    """An org."""

    name: str
    type: str
    identifier: str | None
    parent: Ref | None
    children: list[Ref]


class AcademicSession(Record, kw_only=True, rename="camel"):
    """An academic session; `end_date` is the last day in 1.1, the day after it in 1.2."""

    title: str
    type: str
    start_date: str
    end_date: str
    parent: Ref | None
    children: list[Ref]
    school_year: str


class Course(Record, kw_only=True, rename="camel"):
    """A course."""

    title: str
    school_year: Ref | None
    course_code: str
    grades: list[str]
    subjects: list[str]
    subject_codes: list[str]
    org: Ref


class Class(Record, kw_only=True, rename="camel"):
    """A class."""

    title: str
    class_code: str
    class_type: str
    location: str
    grades: list[str]
    subjects: list[str]
    subject_codes: list[str]
    periods: list[str]
    course: Ref | None
    school: Ref
    terms: list[Ref]


class User(Record, kw_only=True, rename="camel"):
    """What a user has in both versions."""

    username: str
    enabled_user: bool | str
    given_name: str
    family_name: str
    middle_name: str
    identifier: str
    email: str
    sms: str
    phone: str
    agents: list[Ref]
    grades: list[str]
    user_ids: list[dict[str, str]]
    password: str = ""


class User11(User, kw_only=True, rename="camel"):
    """A user of 1.1: one role, for each of the orgs."""

    role: str
    orgs: list[Ref]


class Role(msgspec.Struct, rename="camel"):
    """A role of 1.2, at one org."""

    role_type: str
    role: str
    org: Ref


class User12(User, kw_only=True, rename="camel"):
    """A user of 1.2: a list of roles."""

    roles: list[Role]
    primary_org: Ref | None
    user_profiles: list[Any] = msgspec.field(default_factory=list)
    preferred_first_name: str = ""
    preferred_middle_name: str = ""
    preferred_last_name: str = ""
    pronouns: str = ""
    user_master_identifier: str = ""


class Enrollment(Record, kw_only=True, rename="camel"):
    """One person's part in one class."""

    user: Ref
    class_: Ref = msgspec.field(name="class")
    school: Ref
    role: str
    primary: bool | str
    begin_date: str
    end_date: str


class Demographics(Record, kw_only=True, rename="camel"):
    """A student's demographics; only the birth date is filled."""

    birth_date: str
    sex: str = ""
