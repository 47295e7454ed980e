"""What is remembered of where a page lies: by the block where a whole block is as it was, and else row by row."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import accumulate, compress
from typing import Generic, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from services.ingest.defects import DefectCode
from services.ingest.remembered_rows import RememberedBlock

Holds: TypeAlias = npt.NDArray[np.bool_]
Counts: TypeAlias = dict[DefectCode, int]


class RememberedRow(Protocol):
    """What a row became, with the id and the digest of the row."""

    @property
    def id(self) -> str:
        """The row's id."""

    @property
    def digest(self) -> bytes:
        """The row's digest."""


AnyBlock = TypeVar("AnyBlock", bound=RememberedBlock)
KnownRow = TypeVar("KnownRow", bound=RememberedRow)


class Known(Generic[AnyBlock, KnownRow]):
    """What is remembered of where a page lies, to be taken block by block first, and then of the other blocks' rows.

    `holds` says of each row of each block whether it may be taken; without it every row may.
    """

    def __init__(
        self, blocks: Sequence[AnyBlock], rows: Callable[[AnyBlock], Iterable[KnownRow]], holds: Holds | None = None
    ) -> None:
        self._blocks = blocks
        self._rows: Callable[[AnyBlock], Iterable[KnownRow]] = rows
        ends = accumulate(len(block.ids) for block in blocks)
        self._holds = [
            holds[end - len(block.ids) : end] if holds is not None else None
            for block, end in zip(blocks, ends, strict=True)
        ]
        self._left = dict(zip((block.digest for block in blocks), range(len(blocks)), strict=True))
        self._taken: set[int] = set()

    def take(self, digest: bytes) -> AnyBlock | None:
        """Give the block with this digest if it may be taken whole, and not again."""
        number = self._left.get(digest, -1)
        if number < 0 or ((holds := self._holds[number]) is not None and not holds.all()):
            return None
        del self._left[digest]
        self._taken.add(number)
        return self._blocks[number]

    @cached_property
    def rows(self) -> dict[bytes, KnownRow]:
        """The rows that may be taken of the blocks that were not, by their digests."""
        return {row.digest: row for row in self._left_rows}

    @cached_property
    def rows_by_id(self) -> dict[str, KnownRow]:
        """The same by their ids."""
        return {row.id: row for row in self._left_rows}

    @cached_property
    def _left_rows(self) -> list[KnownRow]:
        rows: list[KnownRow] = []
        for number, (block, holds) in enumerate(zip(self._blocks, self._holds, strict=True)):
            if number not in self._taken:
                rows += self._rows(block) if holds is None else compress(self._rows(block), holds.tolist())
        return rows


def by_place(defects: Iterable[Counts | None]) -> dict[int, Counts]:
    """Give the defects of a block's rows by the places of those that have any, from 0."""
    return {place: counts for place, counts in enumerate(defects) if counts is not None}
