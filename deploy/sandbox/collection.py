"""A collection as a provider keeps it: rows in ascending order of id, made only when a page of them is asked for."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Rows: TypeAlias = npt.NDArray[np.int64]
MakeRows: TypeAlias = Callable[[Rows], Sequence[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Collection:
    """`make` gives the wire form of rows by their positions; `id_of` gives the id at a position, without the
    rest. Two collections are never equal, so that each can be the key of its own pages."""

    size: int
    id_of: Callable[[int], str]
    make: MakeRows

    def __len__(self) -> int:
        return self.size

    def after(self, cursor: str) -> int:
        """Give the position of the first row whose id is above the cursor; the cursor need not exist."""
        return bisect_right(range(self.size), cursor, key=self.id_of)

    def before(self, cursor: str) -> int:
        """Give the position of the first row whose id is not below the cursor."""
        return bisect_left(range(self.size), cursor, key=self.id_of)

    def one(self, row_id: str) -> Any | None:
        """Give the row with this id, or None."""
        position = self.before(row_id)
        if position < self.size and self.id_of(position) == row_id:
            return self.make(np.array([position]))[0]
        return None


def listed(rows: Sequence[Any], ids: Sequence[str]) -> Collection:
    """Make a collection of a few rows that are all there already, in ascending order of id."""
    order = sorted(range(len(ids)), key=lambda position: ids[position])
    return Collection(
        len(rows), lambda position: ids[order[position]], lambda at: [rows[order[position]] for position in at]
    )


def joined(parts: Sequence[Collection]) -> Collection:
    """Put collections one after another; the ids of each must be above those of the one before."""
    ends = np.cumsum([len(part) for part in parts])
    starts = ends - [len(part) for part in parts]

    def id_of(position: int) -> str:
        part = int(np.searchsorted(ends, position, side="right"))
        return parts[part].id_of(position - int(starts[part]))

    def make(at: Rows) -> Sequence[Any]:
        made: list[Any] = [None] * len(at)
        owner = np.searchsorted(ends, at, side="right")
        for number, part in enumerate(parts):
            places = np.flatnonzero(owner == number)
            if len(places):
                for place, row in zip(places.tolist(), part.make(at[places] - starts[number]), strict=True):
                    made[place] = row
        return made

    return Collection(int(ends[-1]) if len(parts) else 0, id_of, make)
