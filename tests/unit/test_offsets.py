"""Which offsets a worker may commit."""

from hypothesis import given
from hypothesis import strategies as st

from services.offsets import PartitionOffsets


def test_nothing_received_leaves_nothing_to_commit() -> None:
    assert PartitionOffsets().committable() is None


def test_a_district_that_is_slow_holds_the_commit_back_while_others_go_on() -> None:
    offsets = PartitionOffsets()
    offsets.received("slow", 10)
    offsets.received("quick", 11)
    offsets.durable("quick", 11)
    assert offsets.committable() == 10
    offsets.durable("slow", 10)
    assert offsets.committable() == 12


@given(
    lanes=st.lists(st.sampled_from("abc"), min_size=1, max_size=40),
    done=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 45)), max_size=20),
)
def test_no_offset_is_committed_past_a_message_that_is_not_durable(
    lanes: list[str], done: list[tuple[str, int]]
) -> None:
    offsets = PartitionOffsets()
    for offset, lane in enumerate(lanes):
        offsets.received(lane, offset)
    durable: dict[str, int] = {}
    for lane, upto in done:
        offsets.durable(lane, upto)
        durable[lane] = max(upto, durable.get(lane, -1))
    still_open = [offset for offset, lane in enumerate(lanes) if offset > durable.get(lane, -1)]
    assert offsets.committable() == min(still_open, default=len(lanes))
