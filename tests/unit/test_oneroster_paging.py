"""When a OneRoster collection counts as whole: offset paging on servers as they are (oneroster.md section 5)."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.providers.oneroster import distinct_ids, paging
from services.ingest.providers.oneroster.paging import CollectionReading, ListShiftedError
from services.ingest.source import PullFailedError

MOST_PAGES = 500


@dataclass
class Server:
    """A server whose list may be clamped, cut, shuffled or repeated. `pages` gives its answer to limit and offset."""

    ids: Sequence[str]
    total: Callable[[int], int | None] = lambda _: None
    clamp: int = 1000
    shuffle: random.Random | None = None
    ignores_offset: bool = False
    gone_after: int | None = None
    """After so many answers the first record is gone, and the rest moves up."""
    answers: int = 0

    def answer(self, limit: int, offset: int) -> tuple[Sequence[str], int | None]:
        self.answers += 1
        ids = list(self.ids)
        if self.gone_after is not None and self.answers > self.gone_after:
            ids = ids[1:]
        if self.shuffle is not None:
            self.shuffle.shuffle(ids)
        start = 0 if self.ignores_offset else offset
        return ids[start : start + min(limit, self.clamp)], self.total(len(ids))


def read(server: Server, limit: int = 1000) -> list[str]:
    """Read to the end, as rest.py does."""
    reading = CollectionReading("users", limit)
    received: list[str] = []
    while reading.end is None:
        assert server.answers < MOST_PAGES, "the reading has no end"
        ids, total = server.answer(reading.limit, reading.offset)
        reading.accept(ids, total)
        received += ids
    proof = reading.proof()
    assert proof.rows == len(received)
    assert proof.distinct == len(set(received))
    return received


def ids(count: int) -> list[str]:
    return [f"u{number:05}" for number in range(count)]


def test_a_silently_clamped_limit_loses_nothing_with_a_total() -> None:
    server = Server(ids(25), total=lambda there: there, clamp=10)
    assert read(server) == ids(25)
    assert server.answers == 4, "a total alone may count less than there is; only nothing beyond it proves the end"


def test_a_silently_clamped_limit_loses_nothing_without_a_total() -> None:
    server = Server(ids(25), clamp=10)
    assert read(server) == ids(25)
    assert server.answers == 4, "a short page proves nothing, an empty one does"


def test_an_empty_page_before_the_total_fails_the_pull() -> None:
    with pytest.raises(PullFailedError, match="ends after 25 of 30 records") as failed:
        read(Server(ids(25), total=lambda _: 30, clamp=10))
    assert failed.value.code == "incomplete"


def test_more_records_than_the_total_fail_the_pull() -> None:
    with pytest.raises(PullFailedError, match="more than the 15 records") as failed:
        read(Server(ids(25), total=lambda _: 15, clamp=10))
    assert failed.value.code == "incomplete"


@pytest.mark.parametrize("total", [10, 20, 25])
def test_a_total_that_is_too_small_fails_the_pull_even_where_it_ends_with_a_page(total: int) -> None:
    with pytest.raises(PullFailedError, match=f"more than the {total} records") as failed:
        read(Server(ids(30), total=lambda _: total, clamp=5))
    assert failed.value.code == "incomplete"


def test_a_server_that_ignores_the_offset_is_not_believed_however_well_its_total_fits() -> None:
    with pytest.raises(PullFailedError, match="repeats its pages"):
        read(Server(ids(25), total=lambda _: 10, ignores_offset=True, clamp=10))
    with pytest.raises(PullFailedError, match="repeats its pages"):
        read(Server(ids(25), total=lambda there: there, ignores_offset=True))


def test_a_list_that_goes_on_after_more_rows_than_any_district_has_fails_the_pull(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paging, "MOST_ROWS_OF_OTHERS", 1000)
    with pytest.raises(PullFailedError, match="goes on after 1,000 rows") as failed:
        read(Server(ids(5000)), limit=100)
    assert failed.value.code == "incomplete"


def test_an_empty_collection_is_whole_at_its_first_page() -> None:
    assert read(Server([], total=lambda _: 0)) == []
    assert read(Server([])) == []


def test_a_total_that_changes_under_way_means_reading_again() -> None:
    server = Server(ids(30), total=lambda there: there, clamp=10, gone_after=2)
    with pytest.raises(ListShiftedError, match="from 30 to 29"):
        read(server)


def test_an_order_that_changes_with_every_answer_is_never_read_as_whole() -> None:
    server = Server(ids(300), total=lambda there: there, clamp=100, shuffle=random.Random(1))
    with pytest.raises(ListShiftedError, match="came on two pages"):
        read(server)


def test_another_order_is_read_whole_where_every_id_came_once() -> None:
    shuffled = random.Random(1).sample(ids(30), 30)
    assert sorted(read(Server(shuffled, total=lambda there: there, clamp=10))) == ids(30)


def test_a_server_that_repeats_its_pages_without_end_fails_the_pull() -> None:
    with pytest.raises(PullFailedError, match="repeats its pages") as failed:
        read(Server(ids(25), ignores_offset=True))
    assert failed.value.code == "incomplete"


def test_a_record_twice_in_one_page_is_a_defect_and_not_a_shift() -> None:
    twice = ["a", "b", "b", "c"]
    assert read(Server(twice, total=lambda there: there)) == twice
    assert read(Server(twice, total=lambda _: 3)) == twice, "some servers count distinct records"
    assert read(Server(twice)) == twice


def test_a_record_on_two_pages_means_reading_again() -> None:
    with pytest.raises(ListShiftedError):
        read(Server(["a", "b", "b", "c"], total=lambda there: there, clamp=2))


def test_a_page_that_is_too_heavy_is_asked_for_in_halves_down_to_one_row() -> None:
    reading = CollectionReading("users", 5)
    limits = []
    while reading.ask_for_less():
        limits.append((reading.limit, reading.offset))
    assert limits == [(2, 0), (1, 0)]


def test_the_digest_is_of_the_rows_and_not_of_the_pages() -> None:
    digests = set()
    for limit in (3, 7, 100):
        reading = CollectionReading("users", limit)
        server = Server(ids(20), total=lambda there: there)
        while reading.end is None:
            page, total = server.answer(reading.limit, reading.offset)
            reading.digest(",".join(page).encode())
            reading.accept(page, total)
        digests.add(reading.proof().digest)
    assert len(digests) == 1


@settings(max_examples=300, deadline=None)
@given(
    count=st.integers(0, 60),
    limit=st.integers(1, 25),
    clamp=st.integers(1, 25),
    too_many=st.sampled_from([0, 0, 0, 1, 4, -1, -5, -20]),
    says_total=st.booleans(),
    seed=st.none() | st.integers(0, 3),
    ignores_offset=st.booleans(),
    gone_after=st.none() | st.integers(0, 4),
)
def test_whatever_a_server_does_a_collection_is_read_whole_or_not_at_all(
    *,
    count: int,
    limit: int,
    clamp: int,
    too_many: int,
    says_total: bool,
    seed: int | None,
    ignores_offset: bool,
    gone_after: int | None,
) -> None:
    # What no reader can see: a record that goes away under way where there is no total.
    server = Server(
        ids(count),
        total=lambda there: max(there + too_many, 0) if says_total else None,
        clamp=clamp,
        shuffle=None if seed is None else random.Random(seed),
        ignores_offset=ignores_offset,
        gone_after=gone_after if says_total else None,
    )
    try:
        received = read(server, limit)
    except (PullFailedError, ListShiftedError):
        return
    is_gone = server.gone_after == 0
    assert sorted(received) == ids(count)[1 if is_gone else 0 :]


@pytest.mark.parametrize("long_run", [4, 1 << 19])
@given(pages=st.lists(st.lists(st.text(max_size=3), max_size=20), max_size=30))
def test_distinct_ids_are_counted_as_a_set_would(long_run: int, pages: list[list[str]]) -> None:
    with mock.patch.object(distinct_ids, "_LONG_RUN", long_run):
        distinct = distinct_ids.DistinctIds()
        seen: set[str] = set()
        for page in pages:
            assert distinct.add(page) == len(set(page) - seen)
            seen |= set(page)
        assert len(distinct) == len(seen)
