"""The four roster records, as every topic and the accounts database carry them.

A record holds only the fields Rollcall uses. Guardians, telephones, passwords and demographics beyond the date of
birth never get this far: ingest drops them.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

RecordKind: TypeAlias = Literal["schools", "teachers", "students", "classes"]
"""The kinds that are records of their own, in the order in which one may refer to another."""

Kind: TypeAlias = Literal["schools", "teachers", "students", "classes", "places"]
"""The kinds that are counted and limited. A place is one person's part in one class; it travels inside its class."""

RECORD_KINDS: tuple[RecordKind, ...] = ("schools", "teachers", "students", "classes")
KINDS: tuple[Kind, ...] = (*RECORD_KINDS, "places")


@dataclass(frozen=True, slots=True)
class School:
    """A school of the district. `id` is the provider's id (OneRoster sourcedId, Clever id), compared byte for byte."""

    id: str
    name: str
    number: str | None = None
    type: Literal["school"] = "school"


@dataclass(frozen=True, slots=True)
class Teacher:
    """Somebody who teaches. `schools` are school ids, sorted; `email` is as the provider sent it, spaces trimmed."""

    id: str
    email: str | None
    given: str
    family: str
    display_name: str
    schools: tuple[str, ...] = ()
    number: str | None = None
    type: Literal["teacher"] = "teacher"


@dataclass(frozen=True, slots=True)
class Student:
    """Somebody who learns. `birth_date` is YYYY-MM-DD, for the under-13 rule; `grade` is the provider's own word."""

    id: str
    email: str | None
    given: str
    family: str
    display_name: str
    schools: tuple[str, ...] = ()
    number: str | None = None
    grade: str | None = None
    birth_date: str | None = None
    type: Literal["student"] = "student"


@dataclass(frozen=True, slots=True)
class Class:
    """A section of the current term, with its places.

    `teachers` are teacher ids, the primary first and the others sorted; `students` are student ids, sorted. Each id
    is that of a record in the same snapshot.
    """

    id: str
    name: str
    school: str
    teachers: tuple[str, ...] = ()
    students: tuple[str, ...] = ()
    course: str | None = None
    grade: str | None = None
    subject: str | None = None
    type: Literal["class"] = "class"


Record: TypeAlias = School | Teacher | Student | Class

RECORD_TYPES: dict[RecordKind, type[School] | type[Teacher] | type[Student] | type[Class]] = {
    "schools": School,
    "teachers": Teacher,
    "students": Student,
    "classes": Class,
}

_encoder = msgspec.json.Encoder()


def encode_record(record: Record) -> bytes:
    """Give the record's canonical JSON: fields in the order above, no spaces. Equal records give equal bytes."""
    return _encoder.encode(record)


def digest_of(encoded: bytes) -> str:
    """Give the digest of a record's canonical JSON: BLAKE2b, 16 bytes, as 32 lower-case hexadecimal digits."""
    return hashlib.blake2b(encoded, digest_size=16).hexdigest()
