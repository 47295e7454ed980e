"""Reads OneRoster's values as districts really write them; every departure from the specification is counted.

The rules (oneroster.md sections 8 and 9): booleans come as true, 1, "TRUE", "yes"; dates as ISO or US dates; a blank
`status` means active; case never matters in an enumeration; the letters NULL mean blank. Nothing here raises: what
cannot be read is "not given", and counted.
"""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Literal, TypeAlias

from services.ingest.defects import DefectCode

Defects: TypeAlias = Counter[DefectCode]
Status: TypeAlias = Literal["active", "removed", "unknown"]
RosteredRole: TypeAlias = Literal["student", "teacher"]

_STATUSES: dict[str, Status] = {"": "active", "active": "active", "tobedeleted": "removed", "inactive": "removed"}

_OTHER_ROLES = frozenset(
    (
        "administrator",
        "aide",
        "counselor",
        "districtadministrator",
        "guardian",
        "parent",
        "principal",
        "proctor",
        "relative",
        "siteadministrator",
        "systemadministrator",
    )
)
"""The roles of 1.1 and 1.2 that are rostered nowhere, in lower case. 1.2 also allows `ext:` words of one's own."""

_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_DATE_WITH_TIME = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?")
_US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?: .*)?")
_EMAIL = re.compile(r"[^\s@,;<>]+@[^\s@,;<>.]+(?:\.[^\s@,;<>.]+)+")


def read_text(value: str, defects: Defects) -> str:
    """Give the text without spaces around it; the letters NULL are blank, and counted (section 11)."""
    if not value:
        return value
    if value == "NULL":
        defects["null-written-out"] += 1
        return ""
    return value.strip()


def first_text(values: Sequence[str], defects: Defects) -> str | None:
    """Give the first of the texts that is not blank."""
    for value in values:
        if text := read_text(value, defects):
            return text
    return None


def read_list(value: str) -> tuple[str, ...]:
    """Give the items of a list written as one text, 'a,b' or 'a, b'. Blank items are left out."""
    return tuple(item for part in value.split(",") if (item := part.strip()))


def read_boolean(value: str, defects: Defects) -> bool | None:
    """Give true or false, or None where nothing, or nothing readable, is given: unknown is never true."""
    answer, defect = _boolean(value)
    if defect is not None:
        defects[defect] += 1
    return answer


def read_date(value: str, defects: Defects) -> date | None:
    """Give the date, or None where nothing, or nothing readable, is given. 9/30/2026 is month, day, year."""
    answer, defect = _date(value)
    if defect is not None:
        defects[defect] += 1
    return answer


def read_status(value: str, defects: Defects) -> Status:
    """Give what the status means (section 9): blank is active, inactive is tobedeleted, other words are unknown."""
    answer, defect = _status(value)
    if defect is not None:
        defects[defect] += 1
    return answer


def read_role(value: str) -> RosteredRole | Literal["other"] | None:
    """Give student or teacher, 'other' for the specification's other roles, None for words that it does not have."""
    return _role(value)


def read_email(value: str, defects: Defects) -> str | None:
    """Give the address as it was sent, spaces trimmed, or None where it is missing or no address; both are counted."""
    email = read_text(value, defects)
    if not email:
        defects["email-missing"] += 1
        return None
    if _EMAIL.fullmatch(email) is None:
        defects["email-malformed"] += 1
        return None
    return email


@lru_cache(maxsize=1024)
def _boolean(value: str) -> tuple[bool | None, DefectCode | None]:
    word = value.strip()
    if word in {"true", "false", ""}:
        return (word == "true" if word else None), None
    match word.lower():
        case "true" | "1" | "yes" | "y" | "t":
            return True, "boolean-unusual"
        case "false" | "0" | "no" | "n" | "f":
            return False, "boolean-unusual"
        case "null":
            return None, "null-written-out"
        case _:
            return None, "boolean-unreadable"


@lru_cache(maxsize=65536)
def _date(value: str) -> tuple[date | None, DefectCode | None]:
    word = value.strip()
    if not word:
        return None, None
    if word == "NULL":
        return None, "null-written-out"
    if found := _DATE.fullmatch(word) or _DATE_WITH_TIME.fullmatch(word):
        year, month, day = map(int, found.groups())
    elif found := _US_DATE.fullmatch(word):
        month, day, year = map(int, found.groups())
    else:
        return None, "date-unreadable"
    try:
        answer = date(year, month, day)
    except ValueError:
        return None, "date-unreadable"
    return answer, None if answer.isoformat() == word else "date-unusual"


@lru_cache(maxsize=1024)
def _status(value: str) -> tuple[Status, DefectCode | None]:
    word = value.strip()
    if word == "NULL":
        return "active", "null-written-out"
    status = _STATUSES.get(word.lower())
    return ("unknown", "status-unknown") if status is None else (status, None)


@lru_cache(maxsize=1024)
def _role(value: str) -> RosteredRole | Literal["other"] | None:
    match value.strip().lower():
        case "student":
            return "student"
        case "teacher":
            return "teacher"
        case word if word in _OTHER_ROLES or word.startswith("ext:"):
            return "other"
        case _:
            return None
