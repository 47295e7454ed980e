"""One collection's rows by sourcedId, where an id may come twice (oneroster.md section 13)."""

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from services.ingest.providers.oneroster.values import Defects


class _Row(Protocol):
    @property
    def sourced_id(self) -> str: ...


Row = TypeVar("Row", bound=_Row)


class UniqueRows(Generic[Row]):
    """Rows by sourcedId. Equal rows under one id are one; ids with differing rows are in `differing`."""

    def __init__(self, defects: Defects) -> None:
        self._defects = defects
        self._rows: dict[str, Row] = {}
        self.differing: set[str] = set()

    def add(self, row: Row) -> None:
        """Take a row, and count it where its id has come before."""
        first = self._rows.get(row.sourced_id)
        if first is None:
            self._rows[row.sourced_id] = row
        elif first == row:
            self._defects["id-twice"] += 1
        else:
            self._defects["id-twice-differing"] += 1
            self.differing.add(row.sourced_id)

    def __contains__(self, sourced_id: object) -> bool:
        return sourced_id in self._rows

    def __iter__(self) -> Iterator[Row]:
        """Go over every id's first row, those of `differing` ids too."""
        return iter(self._rows.values())
