"""Counting change sets as they pass: what is whole is recognised, what is not never is."""

from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cloudevents import UnreadableMessageError
from schemas.events import ChangeSetCompleted, ChangeSetStarted
from services.guard.assembly import Assemblies, ChunkHead, OfASet, decode_chunk

NOON = datetime(2025, 9, 2, 12, tzinfo=UTC)
DISTRICTS = ("springfield", "shelbyville", "ogdenville")


@dataclass(frozen=True)
class WholeSet:
    """The messages of one change set, whole and in order."""

    started: ChangeSetStarted
    chunks: tuple[ChunkHead, ...]
    completed: ChangeSetCompleted


def whole_set(district: str, sizes: list[int], snapshot_id: str = "snapshot-1") -> WholeSet:
    change_set = f"{DISTRICTS.index(district):032x}"
    return WholeSet(
        ChangeSetStarted(
            district=district,
            sync_id="sync-1",
            snapshot_id=snapshot_id,
            change_set=change_set,
            base_version=1,
            counts={},
            changes=sum(sizes),
            chunks=len(sizes),
            started_at=NOON,
        ),
        tuple(
            ChunkHead(district, change_set, snapshot_id, number, [msgspec.Raw(b"{}")] * size)
            for number, size in enumerate(sizes, start=1)
        ),
        ChangeSetCompleted(
            district=district,
            sync_id="sync-1",
            change_set=change_set,
            snapshot_id=snapshot_id,
            changes=sum(sizes),
            chunks=len(sizes),
            completed_at=NOON,
        ),
    )


class Guard:
    """Drives the assemblies as the worker does, and keeps what would have been forwarded."""

    def __init__(self) -> None:
        self.assemblies = Assemblies()
        self.chunks: dict[str, list[int]] = {}
        self.whole: list[str] = []
        self.refused: list[str] = []

    def take(self, *events: OfASet) -> None:
        for event in events:
            self._take(event)

    def _take(self, event: OfASet) -> None:
        if isinstance(event, ChangeSetStarted):
            opened = self.assemblies.opened(event.district)
            if opened is None or not opened.begun_by(event):
                self.assemblies.open(event)
                self.chunks[event.district] = []
        elif isinstance(event, ChunkHead):
            assembly = self.assemblies.of(event)
            if assembly is not None and assembly.lacks(event):
                assembly.take(event)
                self.chunks[event.district].append(event.chunk)
        elif (assembly := self.assemblies.of(event)) is not None and assembly.shortfall(event) is None:
            self.assemblies.close(assembly)
            self.whole.append(event.district)
        elif not self.assemblies.is_closed(event):
            self.refused.append(event.district)


sizes = st.lists(st.integers(1, 5), max_size=8)


@st.composite
def delivered(draw: st.DrawFn, one: WholeSet, *, without: frozenset[int] = frozenset()) -> list[OfASet]:
    """A delivery of the set: chunks out of order and doubled, the header doubled, the completion last and doubled."""
    kept = [chunk for chunk in one.chunks if chunk.chunk not in without]
    once: list[OfASet] = [one.started, *kept]
    body = draw(st.permutations([*once, *draw(st.lists(st.sampled_from(once), max_size=6))]))
    return [one.started, *body, *[one.completed] * draw(st.integers(1, 2))]


@given(data=st.data(), cuts=st.lists(sizes, min_size=3, max_size=3))
def test_whole_sets_are_recognised_however_doubled_and_interleaved(data: st.DataObject, cuts: list[list[int]]) -> None:
    sets = [whole_set(district, cut) for district, cut in zip(DISTRICTS, cuts, strict=True)]
    lines = [data.draw(delivered(one)) for one in sets]
    turns = data.draw(st.permutations([i for i, line in enumerate(lines) for _ in line]))
    guard = Guard()
    for turn in turns:
        guard.take(lines[turn].pop(0))
    assert sorted(guard.whole) == sorted(DISTRICTS)
    assert guard.refused == []
    for one in sets:
        assert sorted(guard.chunks[one.started.district]) == [chunk.chunk for chunk in one.chunks]


@given(data=st.data(), cut=st.lists(st.integers(1, 5), min_size=1, max_size=8))
def test_a_set_that_lost_a_chunk_is_never_whole(data: st.DataObject, cut: list[int]) -> None:
    one = whole_set("springfield", cut)
    lost = data.draw(st.sets(st.integers(1, len(cut)), min_size=1))
    guard = Guard()
    guard.take(*data.draw(delivered(one, without=frozenset(lost))))
    assert guard.whole == []
    assert "springfield" in guard.refused


@given(cut=st.lists(st.integers(1, 5), min_size=1, max_size=8), at=st.integers(0, 7), more=st.sampled_from([-1, 1]))
def test_a_chunk_with_other_than_its_changes_stops_the_set(cut: list[int], at: int, more: int) -> None:
    one = whole_set("springfield", cut)
    guard = Guard()
    guard.take(one.started)
    for chunk in one.chunks:
        size = len(chunk.changes) + (more if chunk.chunk == 1 + at % len(cut) else 0)
        guard.take(msgspec.structs.replace(chunk, changes=[msgspec.Raw(b"{}")] * size))
    guard.take(one.completed)
    assert guard.refused == ["springfield"]


def test_a_chunk_beyond_those_promised_stops_the_set() -> None:
    one = whole_set("springfield", [2, 2])
    guard = Guard()
    guard.take(one.started, *one.chunks, msgspec.structs.replace(one.chunks[0], chunk=3, changes=[]), one.completed)
    assert guard.refused == ["springfield"]


def test_a_completion_that_disagrees_with_its_header_stops_the_set() -> None:
    one = whole_set("springfield", [2, 2])
    guard = Guard()
    guard.take(one.started, *one.chunks, one.completed.model_copy(update={"changes": 5}))
    assert guard.refused == ["springfield"]


def test_a_completion_without_a_header_is_refused() -> None:
    guard = Guard()
    guard.take(whole_set("springfield", []).completed)
    assert guard.refused == ["springfield"]


def test_the_same_set_from_another_snapshot_begins_its_count_again() -> None:
    first, second = whole_set("springfield", [1, 1]), whole_set("springfield", [1, 1], snapshot_id="snapshot-2")
    guard = Guard()
    guard.take(first.started, *first.chunks, second.started, second.chunks[0], second.completed)
    assert guard.whole == []
    guard.take(second.chunks[1])
    guard.take(second.completed)
    assert guard.whole == ["springfield"]


def test_the_same_set_cut_into_other_chunks_begins_its_count_again() -> None:
    first, second = whole_set("springfield", [2, 2]), whole_set("springfield", [1, 1, 2])
    guard = Guard()
    guard.take(first.started, *first.chunks, second.started, *second.chunks, second.completed)
    assert guard.whole == ["springfield"]


def test_a_set_without_changes_is_whole() -> None:
    one = whole_set("springfield", [])
    guard = Guard()
    guard.take(one.started)
    guard.take(one.completed)
    assert guard.whole == ["springfield"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"{",
        b'{"district":"springfield","change_set":"a","snapshot_id":"s","chunk":0,"changes":[]}',
        b'{"district":"springfield","change_set":"a","snapshot_id":"s","chunk":1,"changes":{"given":"Milhouse"}}',
    ],
)
def test_a_chunk_that_cannot_be_read_is_refused_without_quoting_it(value: bytes | None) -> None:
    with pytest.raises(UnreadableMessageError) as refused:
        decode_chunk(value)
    assert "Milhouse" not in str(refused.value)
