"""Suspects that a district masks its students' names (ClassLink's Data Guard), so that nobody is matched by them."""

import re
from array import array
from functools import lru_cache

import numpy as np

FEWEST_STUDENTS = 20
NEARLY_ALL_PERCENT = 90

_LETTER = re.compile(r"[^\W\d_]")
_HASH = re.compile(r"(?=[^0-9]*[0-9])[0-9A-Fa-f-]{16,}")


@lru_cache(maxsize=16384)
def _look_of(word: str) -> tuple[bool, bool]:
    """Tell whether a name has a letter, and whether it looks like a hash."""
    return _LETTER.search(word) is not None, _HASH.fullmatch(word) is not None


class MaskedNames:
    """Counts names that look masked: empty, without a letter, like a hash, or the same for nearly all students."""

    def __init__(self) -> None:
        self._unreadable = 0
        self._names = array("q")

    def add(self, given: str, family: str) -> None:
        """Take one student's name. It is not kept, only its hash."""
        name = f"{given} {family}".strip()
        (given_has_letter, given_is_hash), (family_has_letter, family_is_hash) = _look_of(given), _look_of(family)
        if given_is_hash or family_is_hash or not (given_has_letter or family_has_letter):
            self._unreadable += 1
        self._names.append(hash(name))

    def suspected(self) -> int:
        """Give how many students' names look masked where it is nearly all of them, else 0: one odd name is no mask."""
        students = len(self._names)
        if students < FEWEST_STUDENTS:
            return 0
        _, repeats = np.unique(np.array(self._names, dtype=np.int64), return_counts=True)
        masked = max(self._unreadable, int(repeats.max()))
        return masked if masked * 100 >= NEARLY_ALL_PERCENT * students else 0
