"""Which headers may be acknowledged: a redelivery brings whole sets, and in the end nothing is held back."""

from hypothesis import given
from hypothesis import strategies as st

from services.guard.boundaries import Boundaries, Extent


@st.composite
def partitions(draw: st.DrawFn) -> list[int]:
    """The messages of a partition, each as the number of the set that it is of, in the order of their offsets."""
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=8))
    return draw(st.permutations([number for number, length in enumerate(lengths) for _ in range(length)]))


@given(messages=partitions())
def test_what_would_come_again_after_a_kill_at_any_message_is_whole_sets(messages: list[int]) -> None:
    last = {number: offset for offset, number in enumerate(messages)}
    first = {number: messages.index(number) for number in messages}
    boundaries = Boundaries[int]()
    extents: dict[int, Extent] = {}
    held: set[int] = set()
    for offset, number in enumerate(messages):
        if number not in extents:
            extents[number] = Extent(offset)
            boundaries.hold(offset, extents[number])
            held.add(offset)
        extents[number].last = offset
        extents[number].durable = offset == last[number]
        held -= set(boundaries.settled())
        committed = min(held, default=offset + 1)
        for other, extent in extents.items():
            assert last[other] < committed or first[other] >= committed, "the commit cuts a set in two"
            assert extent.durable or first[other] >= committed, "the commit leaves out what is not durable"
    assert not held


def test_a_set_that_is_never_completed_holds_back_only_what_began_after_it() -> None:
    boundaries = Boundaries[str]()
    early, stuck, late = Extent(0), Extent(2), Extent(3)
    early.last, early.durable = 1, True
    late.last, late.durable = 4, True
    for name, extent in (("early", early), ("stuck", stuck), ("late", late)):
        boundaries.hold(name, extent)
    assert boundaries.settled() == ["early"]
    stuck.durable = True
    assert boundaries.settled() == ["stuck", "late"]
