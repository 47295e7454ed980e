"""Finds the schools among OneRoster's orgs."""

from collections.abc import Iterator

import msgspec

from schemas.records import School
from services.ingest.providers.oneroster.rows import OrgRow
from services.ingest.providers.oneroster.unique_rows import UniqueRows
from services.ingest.providers.oneroster.values import Defects, read_status, read_text

_ORG_TYPES = frozenset(("department", "school", "district", "local", "state", "national"))


class Schools:
    """The orgs of one pull. After `settle`, `ids` are those of schools, `kept` those of schools not to be relied on."""

    def __init__(self, defects: Defects) -> None:
        self.ids: frozenset[str] = frozenset()
        self.kept: frozenset[str] = frozenset()
        self._defects = defects
        self._orgs = UniqueRows[OrgRow](defects)

    def add(self, row: OrgRow) -> None:
        """Take one org."""
        self._orgs.add(row)

    def __contains__(self, org_id: object) -> bool:
        """Tell whether this is the id of any org of the pull, school or not."""
        return org_id in self._orgs

    def as_context(self) -> str:
        """Give what all that depends on schools depends on: the ids of schools, of those kept, and of all orgs."""
        orgs = sorted(row.sourced_id for row in self._orgs)
        return msgspec.json.encode((sorted(self.ids), sorted(self.kept), orgs)).decode()

    def settle(self) -> None:
        """Decide which orgs are schools, once all of them have come."""
        schools, kept = set(), set()
        for row in self._orgs:
            if not self._is_school(row):
                continue
            status = read_status(row.status, self._defects)
            if status == "unknown" or row.sourced_id in self._orgs.differing:
                kept.add(row.sourced_id)
            elif status == "active":
                schools.add(row.sourced_id)
        self.ids, self.kept = frozenset(schools), frozenset(kept)

    def _is_school(self, row: OrgRow) -> bool:
        org_type = read_text(row.type, self._defects).lower()
        if org_type not in _ORG_TYPES and not org_type.startswith("ext:"):
            self._defects["value-unknown"] += 1
        return org_type == "school"

    def records(self) -> Iterator[School]:
        """Give the schools' records."""
        for row in self._orgs:
            if row.sourced_id in self.ids:
                name, number = read_text(row.name, self._defects), read_text(row.identifier, self._defects)
                yield School(row.sourced_id, name, number or None)
