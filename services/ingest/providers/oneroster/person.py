"""What a user's row becomes: a teacher, a student, both or nobody (oneroster.md sections 8, 9 and 13; pure)."""

from collections import Counter
from typing import NamedTuple

from schemas.records import Student, Teacher
from services.ingest.entries import encode_entry
from services.ingest.known_rows import Counts
from services.ingest.providers.oneroster.fingerprint import fingerprint
from services.ingest.providers.oneroster.masked_names import mark_of_name
from services.ingest.providers.oneroster.rows import UserRow
from services.ingest.providers.oneroster.schools import Schools
from services.ingest.providers.oneroster.values import (
    Defects,
    first_text,
    read_boolean,
    read_date,
    read_email,
    read_role,
    read_status,
    read_text,
)

TEACHER, STUDENT, REMOVED, KEPT = 1, 2, 4, 8
"""What is known of a user, as bits: the kinds that it is in, marked as removed, not to be relied on."""


class Person(NamedTuple):
    """What a user became: `state` is what is known of it, `teacher` and `student` its entries, b"" for none.

    `digest` is its row's. `email` and `name` are what its address and a student's name are told by, 0 for none;
    `defects` are what was met in the row.
    """

    id: str
    digest: bytes
    state: int
    teacher: bytes = b""
    student: bytes = b""
    email: int = 0
    name: int = 0
    defects: Counts | None = None


def make_person(row: UserRow, digest: bytes, schools: Schools) -> Person:
    """Decide what a user becomes. It depends on its row, and on the orgs of the pull."""
    defects: Defects = Counter()
    kinds = _kinds(row)
    if not kinds:
        if all(read_role(held.role) is None for held in row.roles):
            defects["person-without-role"] += 1
        return Person(row.sourced_id, digest, 0, defects=dict(defects) or None)
    match read_status(row.status, defects):
        case "removed":
            return Person(row.sourced_id, digest, kinds | REMOVED, defects=dict(defects) or None)
        case "unknown":
            return Person(row.sourced_id, digest, kinds | KEPT, defects=dict(defects) or None)
        case "active":
            return _rostered(row, digest, kinds, schools, defects)


def _kinds(row: UserRow) -> int:
    kinds = 0
    for held in row.roles:
        match read_role(held.role):
            case "teacher":
                kinds |= TEACHER
            case "student":
                kinds |= STUDENT
    return kinds


def _rostered(row: UserRow, digest: bytes, kinds: int, schools: Schools, defects: Defects) -> Person:
    # A login that is switched off is no departure (section 9), so the value is read only to count what is odd.
    read_boolean(row.enabled, defects)
    given, family = read_text(row.given_name, defects), read_text(row.family_name, defects)
    if not (given and family):
        defects["name-missing"] += 1
    shown_given = read_text(row.preferred_given_name, defects) or given
    shown_family = read_text(row.preferred_family_name, defects) or family
    display_name = f"{shown_given} {shown_family}".strip()
    number = read_text(row.identifier, defects) or None
    email = read_email(row.email, defects)
    if kinds == TEACHER | STUDENT:
        defects["person-in-two-kinds"] += 1
    teacher = student = b""
    name = 0
    if kinds & TEACHER:
        at = _schools_of(row, "teacher", schools, defects)
        teacher = encode_entry(Teacher(row.sourced_id, email, given, family, display_name, at, number), defects)
    if kinds & STUDENT:
        name = mark_of_name(given, family)
        grade = first_text(row.grades, defects)
        born = read_date(row.birth_date, defects) if row.birth_date else None
        birth_date = None if born is None else born.isoformat()
        at = _schools_of(row, "student", schools, defects)
        student = encode_entry(
            Student(row.sourced_id, email, given, family, display_name, at, number, grade, birth_date), defects
        )
    told_by = 0 if email is None else fingerprint(email.casefold())
    return Person(row.sourced_id, digest, kinds, teacher, student, told_by, name, dict(defects) or None)


def _schools_of(row: UserRow, role: str, schools: Schools, defects: Defects) -> tuple[str, ...]:
    if len(row.roles) == 1 and (org_id := row.roles[0].org_id) in schools.ids:
        return (org_id,)  # nearly everybody
    named = {held.org_id for held in row.roles if held.org_id and read_role(held.role) == role}
    for org_id in named:
        if org_id not in schools:
            defects["person-school-unknown"] += 1
    # A school that is kept stays in the roster as it was, so a reference to it stays too.
    return tuple(sorted(org_id for org_id in named if org_id in schools.ids or org_id in schools.kept))
