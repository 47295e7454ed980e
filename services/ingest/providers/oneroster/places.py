"""Places in classes from OneRoster's enrollments, by far the largest collection: eight bytes each.

A place's key is (class, user, role); an enrollment's own sourcedId is unstable and means nothing (oneroster.md
section 13). Each key is one 64-bit number: class, role, user, and whether the teacher is primary in the lowest bit, so
that sorting the numbers groups them by class and brings the same place together.
"""

from array import array
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from services.ingest.providers.oneroster.id_texts import IdTexts
from services.ingest.providers.oneroster.values import Defects

Indexes: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

_CLASS_SHIFT = 34
_STUDENT_BIT = 1 << 33
_PERSON_MASK = (1 << 32) - 1
_AT_ONCE = 1 << 18
_CLASSES_AT_ONCE = 1 << 10


class Places:
    """The places of one pull, by the indexes of classes (below 2**29) and people (below 2**32)."""

    def __init__(self, defects: Defects) -> None:
        self._defects = defects
        self._keys = array("q")

    def add_teacher(self, class_index: int, person_index: int, *, primary: bool) -> None:
        """Put a teacher into a class."""
        self._keys.append(class_index << _CLASS_SHIFT | person_index << 1 | primary)

    def add_student(self, class_index: int, person_index: int) -> None:
        """Put a student into a class."""
        self._keys.append(class_index << _CLASS_SHIFT | _STUDENT_BIT | person_index << 1)

    def add_all(self, classes: Indexes, people: Indexes, *, students: Flags, primary: Flags) -> None:
        """Put people into classes, each as a student or a teacher; of students none is primary."""
        keys = classes << _CLASS_SHIFT | people << 1
        keys[students] |= _STUDENT_BIT
        keys[primary & ~students] |= 1
        self._keys.frombytes(keys.view(np.uint8).data)

    def by_class(self, classes: int, ids: IdTexts) -> Iterator[tuple[list[str], list[str], list[str]]]:
        """Give the primary teachers, the other teachers and the students of each class by its index, each sorted.

        `ids` are the people's. The same place twice is one, and counted.
        """
        keys = self._sorted()
        of_class = np.arange(classes + 1, dtype=np.int64) << _CLASS_SHIFT
        starts = np.searchsorted(keys, of_class).tolist()
        student_starts = np.searchsorted(keys, of_class | _STUDENT_BIT).tolist()
        for first in range(0, classes, _CLASSES_AT_ONCE):
            last = min(first + _CLASSES_AT_ONCE, classes)
            begin = starts[first]
            chunk = keys[begin : starts[last]]
            texts, is_primary = ids.at((chunk >> 1) & _PERSON_MASK), (chunk & 1).tolist()
            for index in range(first, last):
                start, middle, end = starts[index] - begin, student_starts[index] - begin, starts[index + 1] - begin
                primaries = [texts[at] for at in range(start, middle) if is_primary[at]]
                others = [texts[at] for at in range(start, middle) if not is_primary[at]]
                yield sorted(primaries), sorted(others), sorted(texts[middle:end])

    def _sorted(self) -> npt.NDArray[np.int64]:
        # Sorted where they are: millions of places are not copied while everything else is still in memory.
        keys = np.frombuffer(self._keys, dtype=np.int64)
        keys.sort()
        # Of equal places the last one is kept: where one of them says primary, it is that one.
        is_last = np.ones(len(keys), dtype=bool)
        for start in range(0, len(keys) - 1, _AT_ONCE):
            chunk = keys[start : start + _AT_ONCE + 1]
            is_last[start : start + len(chunk) - 1] = chunk[1:] >> 1 != chunk[:-1] >> 1
        if repeated := len(keys) - int(np.count_nonzero(is_last)):
            self._defects["place-twice"] += repeated
            return keys[is_last]
        return keys
