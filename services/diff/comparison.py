"""What is new, changed or gone: one kind's snapshot against what is applied (pure).

Digests alone are compared, so that what did not change is never decoded (DESIGN, "The records").
"""

from collections.abc import Iterable

from schemas.events import Operation
from schemas.records import Class


class KindComparison:
    """Compares the entries of one kind, as they come, with the digests that are applied.

    Entries that are applied just as they came may be left out, on both sides.
    """

    def __init__(self, applied: dict[str, bytes]) -> None:
        self._unseen = applied
        self.created = 0
        self.updated = 0

    def operation(self, id_: str, digest: bytes) -> tuple[Operation, bytes | None] | None:
        """Say what this entry does, with the digest that was applied before; None where nothing changes."""
        before = self._unseen.pop(id_, None)
        if before is None:
            self.created += 1
            return "created", None
        if before == digest:
            return None
        self.updated += 1
        return "updated", before

    def keep(self, ids: Iterable[str]) -> set[str]:
        """Leave what is applied under these ids as it is; give those under which nothing is applied."""
        return {id_ for id_ in ids if self._unseen.pop(id_, None) is None}

    def applied(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Give the digests applied under those of these ids that have not been seen yet."""
        return {id_: digest for id_ in ids if (digest := self._unseen.get(id_)) is not None}

    def removed(self) -> list[tuple[str, bytes]]:
        """Give the ids, in order, and digests of all that is applied and was not seen; call it last."""
        return sorted(self._unseen.items())


class PlaceCounts:
    """Counts places created, updated and removed by the changes of classes."""

    def __init__(self) -> None:
        self.created = 0
        self.updated = 0
        self.removed = 0

    def count(self, before: Class | None, after: Class | None) -> None:
        """Take one class into account, as it was and as it will be. A new primary teacher updates both places."""
        was, will = _students(before), _students(after)
        self.created += len(will - was)
        self.removed += len(was - will)
        had, has = _is_primary(before), _is_primary(after)
        self.created += len(has.keys() - had.keys())
        self.removed += len(had.keys() - has.keys())
        self.updated += sum(1 for teacher in has.keys() & had.keys() if has[teacher] != had[teacher])


def _students(class_: Class | None) -> set[str]:
    return set(class_.students) if class_ is not None else set()


def _is_primary(class_: Class | None) -> dict[str, bool]:
    """Give the class's teachers, and whether each is the primary one."""
    return {id_: position == 0 for position, id_ in enumerate(class_.teachers)} if class_ is not None else {}
