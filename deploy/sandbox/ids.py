"""Makes both providers' ids of one and the same district from its serials.

Clever's are 24 hexadecimal digits, unique over districts and kinds; OneRoster's sourcedIds are unique only within one
district and kind, as on ClassLink, so two sandbox districts have the same ones. Both grow with the serial.
"""

import zlib
from typing import Literal, TypeAlias

CleverKind: TypeAlias = Literal["district", "school", "term", "course", "section", "student", "teacher", "contact"]
_CLEVER_KINDS: tuple[CleverKind, ...] = (
    "district",
    "school",
    "term",
    "course",
    "section",
    "student",
    "teacher",
    "contact",
)

UNKNOWN_SERIAL = 0xFFFFFFF
"""A serial that no term, school or class ever gets."""


def clever_prefix(district: str, kind: CleverKind) -> str:
    """Give the first 16 digits of the Clever ids of this kind; eight more for the serial follow."""
    return f"5f{zlib.crc32(district.encode()):08x}00{_CLEVER_KINDS.index(kind) + 1:04x}"


def clever_id(district: str, kind: CleverKind, serial: int) -> str:
    """Give a Clever id: 24 lower-case hexadecimal digits."""
    return f"{clever_prefix(district, kind)}{serial:08x}"


def org_id(school: int) -> str:
    """Give a school's sourcedId."""
    return f"school-{school:07d}"


DISTRICT_ORG_ID = "district-0000001"


def session_id(serial: int) -> str:
    """Give an academic session's sourcedId."""
    return f"session-{serial:010d}"


def course_id(course: int) -> str:
    """Give a course's sourcedId."""
    return f"course-{course:05d}"


def class_id(serial: int) -> str:
    """Give a class's sourcedId."""
    return f"C{serial:010d}"


def student_id(serial: int) -> str:
    """Give a student's sourcedId."""
    return f"S{serial:010d}"


def teacher_id(serial: int) -> str:
    """Give a teacher's sourcedId."""
    return f"T{serial:010d}"


def guardian_id(number: int) -> str:
    """Give a guardian's sourcedId, made from the student's local number."""
    return f"G{number:010d}"
