"""A subscriber's library: keeps a district's state from `roster.updates` and proves that it is in step (promise 10).

Updates and the RosterSynced that closes their version are on different partitions and come in any order, each perhaps
more than once; a compacted topic gives only the newest value of each entity. So nothing is concluded from order: the
state is what each entity's highest version says, and the newest RosterSynced says what it must add up to.
"""

from collections import Counter
from dataclasses import dataclass, field

from schemas.events import RosterSynced, RosterUpdate
from schemas.records import KINDS, Class, Kind, RecordKind
from services.apply.state_digest import StateDigest


@dataclass(frozen=True, slots=True)
class Entity:
    """What is kept of a record: its version, and its digest and places, both none once it is removed."""

    roster_version: int
    digest: bytes | None
    places: int


@dataclass(slots=True)
class _Roster:
    """One district as far as it has been read."""

    synced: RosterSynced | None = None
    updates: int = 0
    entities: dict[tuple[RecordKind, str], Entity] = field(default_factory=dict)
    digest: StateDigest = field(default_factory=StateDigest)
    totals: Counter[Kind] = field(default_factory=Counter)
    positions: set[int] = field(default_factory=set)
    ahead: list[tuple[RecordKind, str, int, Entity]] = field(default_factory=list)
    proved: int | None = None


class RosterReader:
    """The state of every district whose events it is given, in whatever order and however often."""

    def __init__(self) -> None:
        self._rosters: dict[str, _Roster] = {}

    def take(self, event: RosterUpdate | RosterSynced) -> int | None:
        """Take one event; give the roster version that its district is now proved to be in step with, once each."""
        roster = self._rosters.setdefault(event.district, _Roster())
        if isinstance(event, RosterSynced):
            _close(roster, event)
        else:
            places = len(event.record.teachers) + len(event.record.students) if isinstance(event.record, Class) else 0
            digest = bytes.fromhex(event.digest) if event.digest is not None and event.op != "removed" else None
            _put(roster, event.kind, event.id, event.position, Entity(event.roster_version, digest, places))
        if roster.synced is None or roster.proved == roster.synced.roster_version or not _adds_up(roster):
            return None
        roster.proved = roster.synced.roster_version
        return roster.proved

    def districts(self) -> list[str]:
        """Give the districts of which anything has been read."""
        return list(self._rosters)

    def in_step(self, district: str) -> int | None:
        """Give the newest roster version known of the district where its state is proved, else None."""
        roster = self._rosters.get(district)
        if roster is None or roster.synced is None or roster.proved != roster.synced.roster_version:
            return None
        return roster.proved

    def missing(self, district: str) -> str:
        """Say what keeps the district from being proved in step."""
        roster = self._rosters.get(district)
        if roster is None or roster.synced is None:
            return "no RosterSynced has come yet"
        version = roster.synced.roster_version
        if len(roster.positions) < roster.updates:
            lost = roster.updates - len(roster.positions)
            return f"{lost:,} of {roster.updates:,} updates of version {version} are missing"
        return f"what was read does not add up to version {version}: updates of earlier versions are missing"

    def state(self, district: str) -> dict[tuple[RecordKind, str], bytes]:
        """Give the digest of every record that the district has, by kind and id."""
        entities = self._rosters[district].entities if district in self._rosters else {}
        return {key: entity.digest for key, entity in entities.items() if entity.digest is not None}


def _close(roster: _Roster, synced: RosterSynced) -> None:
    """A version is closed: the newest one counts, and a repetition of it may say that it had no updates."""
    newest = -1 if roster.synced is None else roster.synced.roster_version
    if synced.roster_version < newest:
        return
    if synced.roster_version == newest:
        roster.updates = max(roster.updates, synced.updates)
        return
    roster.synced, roster.updates, roster.positions = synced, synced.updates, set()
    waiting, roster.ahead = roster.ahead, []
    for kind, id_, position, entity in waiting:
        _put(roster, kind, id_, position, entity)


def _put(roster: _Roster, kind: RecordKind, id_: str, position: int, entity: Entity) -> None:
    """Bring an entity up to a version; what is ahead of the newest closed version waits for its own close."""
    closed = -1 if roster.synced is None else roster.synced.roster_version
    if entity.roster_version > closed:
        roster.ahead.append((kind, id_, position, entity))
        return
    if entity.roster_version == closed:
        roster.positions.add(position)
    if roster.proved is not None and entity.roster_version <= roster.proved:
        return  # the state is proved to have it, or what came after it: partitions do not wait for each other
    before = roster.entities.get((kind, id_))
    if before is not None and before.roster_version >= entity.roster_version:
        return
    roster.entities[kind, id_] = entity
    was = before.digest if before is not None else None
    roster.digest.replace(was, entity.digest)
    roster.totals[kind] += (entity.digest is not None) - (was is not None)
    roster.totals["places"] += entity.places - (before.places if before is not None else 0)


def _adds_up(roster: _Roster) -> bool:
    synced = roster.synced
    return (
        synced is not None
        and len(roster.positions) >= roster.updates
        and roster.digest.value().hex() == synced.digest
        and all(roster.totals[kind] == synced.totals.get(kind, 0) for kind in KINDS)
    )
