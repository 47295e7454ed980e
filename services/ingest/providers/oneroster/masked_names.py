"""Suspects that a district masks its students' names (ClassLink's Data Guard), so that nobody is matched by them."""

import re
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from services.ingest.providers.oneroster.fingerprint import fingerprint

FEWEST_STUDENTS = 20
NEARLY_ALL_PERCENT = 90

_LETTER = re.compile(r"[^\W\d_]")
_HASH = re.compile(r"(?=[^0-9]*[0-9])[0-9A-Fa-f-]{16,}")
_UNREADABLE = 1


def mark_of_name(given: str, family: str) -> int:
    """Give what one student's name is counted by in place of the name. Equal names have equal marks, 0 is nobody's."""
    (given_has_letter, given_is_hash), (family_has_letter, family_is_hash) = _look_of(given), _look_of(family)
    is_unreadable = given_is_hash or family_is_hash or not (given_has_letter or family_has_letter)
    mark = fingerprint(f"{given} {family}".strip()) & ~_UNREADABLE
    return mark | _UNREADABLE if is_unreadable else mark


def masked_students(marks: npt.NDArray[np.int64]) -> int:
    """Give how many students' names look masked where it is nearly all of them, else 0: one odd name is no mask.

    Such names are empty, without a letter, like a hash, or the same for nearly all. `marks` are those of all students.
    """
    if len(marks) < FEWEST_STUDENTS:
        return 0
    _, repeats = np.unique(marks, return_counts=True)
    masked = max(int(np.count_nonzero(marks & _UNREADABLE)), int(repeats.max()))
    return masked if masked * 100 >= NEARLY_ALL_PERCENT * len(marks) else 0


@lru_cache(maxsize=16384)
def _look_of(word: str) -> tuple[bool, bool]:
    """Tell whether a name has a letter, and whether it looks like a hash."""
    return _LETTER.search(word) is not None, _HASH.fullmatch(word) is not None
