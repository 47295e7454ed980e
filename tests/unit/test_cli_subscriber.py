"""A subscriber proves that it is in step, from whatever order and repetition Kafka gives it (promise 10)."""

import random
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import RosterSynced, RosterUpdate
from schemas.records import KINDS, Class, Record, RecordKind, School, Student, digest_of, encode_record
from services.apply.state_digest import StateDigest
from services.subscriber import RosterReader

DISTRICT = "springfield"
Key = tuple[RecordKind, str]
Events = list[RosterUpdate | RosterSynced]


@dataclass
class History:
    """What was published, in order, and the true state at each version."""

    events: Events
    states: dict[int, dict[Key, bytes]]

    @property
    def newest(self) -> int:
        return max(self.states)


def _record(kind: RecordKind, id_: str, revision: int) -> Record:
    if kind == "schools":
        return School(id=id_, name=f"School {revision}")
    if kind == "classes":
        return Class(id=id_, name="Class", school="1", students=tuple(f"s{number}" for number in range(revision % 4)))
    return Student(id=id_, email=None, given="A", family="B", display_name=f"A B {revision}")


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Some versions, each of some entities created, updated or removed; some nights change nothing."""
    entities: list[Key] = [(kind, str(number)) for kind in ("schools", "students", "classes") for number in range(3)]
    state: dict[Key, Record] = {}
    events: Events = []
    states: dict[int, dict[Key, bytes]] = {0: {}}
    revision = 0
    version = 0
    for touched in draw(st.lists(st.lists(st.sampled_from(entities), unique=True, max_size=5), min_size=1, max_size=6)):
        version += bool(touched)
        for position, (kind, id_) in enumerate(touched, start=1):
            revision += 1
            existed = (kind, id_) in state
            if existed and draw(st.booleans()):
                del state[kind, id_]
                events.append(
                    RosterUpdate(
                        district=DISTRICT, roster_version=version, position=position, op="removed", kind=kind, id=id_
                    )
                )
                continue
            record = state[kind, id_] = _record(kind, id_, revision)
            events.append(
                RosterUpdate(
                    district=DISTRICT,
                    roster_version=version,
                    position=position,
                    op="updated" if existed else "created",
                    kind=kind,
                    id=id_,
                    digest=digest_of(encode_record(record)),
                    record=record,
                )
            )
        events.append(_synced(version, len(touched), state))
        states[version] = {key: _digest(record) for key, record in state.items()}
    return History(events, states)


def _digest(record: Record) -> bytes:
    return bytes.fromhex(digest_of(encode_record(record)))


def _synced(version: int, updates: int, state: dict[Key, Record]) -> RosterSynced:
    digest = StateDigest()
    totals = dict.fromkeys(KINDS, 0)
    for (kind, _), record in state.items():
        digest.replace(None, _digest(record))
        totals[kind] += 1
        if isinstance(record, Class):
            totals["places"] += len(record.students)
    return RosterSynced(
        district=DISTRICT,
        sync_id="sync",
        change_set="0" * 32,
        roster_version=version,
        updates=updates,
        totals=totals,
        digest=digest.value().hex(),
        synced_at=datetime(2026, 11, 24, tzinfo=UTC),
    )


def _key(event: RosterUpdate | RosterSynced) -> str:
    return DISTRICT if isinstance(event, RosterSynced) else f"{DISTRICT}/{event.kind}/{event.id}"


def _interleaved(events: Events, chance: random.Random, partitions: int = 3) -> Events:
    """As a consumer gets them: each partition in its order, some stretches of it again, the partitions mixed."""
    lines: list[Events] = [[] for _ in range(partitions)]
    for event in events:
        lines[zlib.crc32(_key(event).encode()) % partitions].append(event)
    for line in lines:
        if line and chance.random() < 0.5:
            start = chance.randrange(len(line))
            line[start:start] = line[start : start + chance.randrange(4)]
    mixed: Events = []
    while any(lines):
        mixed.append(chance.choice([line for line in lines if line]).pop(0))
    return mixed


def _read(reader: RosterReader, events: Events, history: History) -> None:
    """Take all events; whatever the reader claims on the way must be the truth."""
    for event in events:
        proved = reader.take(event)
        if proved is not None:
            assert reader.state(DISTRICT) == history.states[proved]


@given(histories(), st.randoms())
def test_any_interleaving_and_repetition_of_the_partitions_ends_proved_in_step(
    history: History, chance: random.Random
) -> None:
    reader = RosterReader()
    _read(reader, _interleaved(history.events, chance), history)
    assert reader.in_step(DISTRICT) == history.newest
    assert reader.state(DISTRICT) == history.states[history.newest]


@given(histories(), st.randoms())
def test_a_reader_of_the_compacted_topic_is_proved_in_step_with_the_newest_version(
    history: History, chance: random.Random
) -> None:
    newest = {_key(event): event for event in history.events}
    reader = RosterReader()
    _read(reader, _interleaved(list(newest.values()), chance), history)
    assert reader.in_step(DISTRICT) == history.newest


@given(histories(), st.randoms(), st.data())
@settings(max_examples=200)
def test_a_lost_update_never_proves_a_state_that_is_not_the_true_one(
    history: History, chance: random.Random, data: st.DataObject
) -> None:
    updates = [event for event in history.events if isinstance(event, RosterUpdate)]
    if not updates:
        return
    lost = data.draw(st.sampled_from(updates))
    reader = RosterReader()
    _read(reader, _interleaved([event for event in history.events if event is not lost], chance), history)
    newest_of_its_entity = max(event.roster_version for event in updates if _key(event) == _key(lost))
    if lost.roster_version == newest_of_its_entity:
        # Where a removal is lost whose record had not come by then, the proof was true, and has to stay so.
        if reader.in_step(DISTRICT) is None:
            assert "missing" in reader.missing(DISTRICT)
        else:
            assert reader.state(DISTRICT) == history.states[history.newest]


@given(histories(), st.randoms())
def test_without_its_roster_synced_no_version_is_proved(history: History, chance: random.Random) -> None:
    updates: Events = [event for event in history.events if isinstance(event, RosterUpdate)]
    reader = RosterReader()
    _read(reader, _interleaved(updates, chance), history)
    assert reader.in_step(DISTRICT) is None


def test_updates_of_a_version_that_is_not_closed_yet_do_not_disturb_the_proof_of_the_one_before() -> None:
    first, second = _record("schools", "1", 1), _record("schools", "1", 2)
    reader = RosterReader()
    for version, op, record in ((1, "created", first), (2, "updated", second)):
        reader.take(
            RosterUpdate.model_validate(
                {
                    "district": DISTRICT,
                    "roster_version": version,
                    "position": 1,
                    "op": op,
                    "kind": "schools",
                    "id": "1",
                    "digest": digest_of(encode_record(record)),
                    "record": record,
                }
            )
        )
    assert reader.take(_synced(1, 1, {("schools", "1"): first})) == 1
    assert reader.in_step(DISTRICT) == 1
    assert reader.take(_synced(2, 1, {("schools", "1"): second})) == 2
