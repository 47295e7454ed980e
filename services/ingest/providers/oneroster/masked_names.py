"""Suspects that a district masks its students' names (ClassLink's Data Guard), so that nobody is matched by them."""

import re
from array import array

import numpy as np

FEWEST_STUDENTS = 20
NEARLY_ALL_PERCENT = 90

_LETTER = re.compile(r"[^\W\d_]")
_HASH = re.compile(r"(?=[^0-9]*[0-9])[0-9A-Fa-f-]{16,}")


class MaskedNames:
    """Counts names that look masked: empty, without a letter, like a hash, or the same for nearly all students."""

    def __init__(self) -> None:
        self._unreadable = 0
        self._names = array("q")

    def add(self, given: str, family: str) -> None:
        """Take one student's name. It is not kept, only its hash."""
        name = f"{given} {family}".strip()
        if _LETTER.search(name) is None or _HASH.fullmatch(given) or _HASH.fullmatch(family):
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
