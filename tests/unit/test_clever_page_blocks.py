"""A page's blocks are told from last night's by digests: the same until something that is read has changed."""

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.providers.clever import page_blocks
from services.ingest.providers.clever.page_blocks import DigestedPage, digest_page, digest_page_and_rows, without_times
from tests.unit.clever_server import section, student, student_id

Row = dict[str, Any]
LINKS = [{"rel": "self", "uri": "/v3.0/users"}, {"rel": "next", "uri": "/v3.0/users?starting_after=f"}]
LATER = "2026-11-01T16:07:32.551Z"


def page(rows: Sequence[Row], *, links_first: bool = False) -> bytes:
    data = {"data": [{"data": row, "uri": f"/v3.0/any/{row['id']}"} for row in rows]}
    body = {"links": LINKS} | data if links_first else data | {"links": LINKS}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def digested(body: bytes, collection: str = "users") -> DigestedPage:
    found = digest_page(collection, body)
    assert found is not None
    return found


def row_digests(rows: Sequence[Row], collection: str = "users") -> list[bytes]:
    return list(chain.from_iterable(digests_by_block(page(rows), collection)))


def digests_by_block(body: bytes, collection: str = "users") -> list[list[bytes]]:
    found = digested(body, collection)
    return list(map(found.row_digests, range(len(found.digests))))


def with_times_first(row: Row) -> Row:
    return {"created": row["created"], **row}


_names = st.sampled_from(
    ["Ada", '"', '"},{"data":', '0"},{"data":{"id":"0', "],", '"}],"links":[]}', "\\", '\\"', "é\x00", ""]
)
_times = st.sampled_from(["2026-09-30T16:07:32.551Z", "2026-10-01T16:07:32.551Z", 'an odd "time"'])
_ids = st.lists(st.integers(1, 100), min_size=1, unique=True).map(sorted)


@st.composite
def some_rows(draw: st.DrawFn) -> list[Row]:
    rows = [student(id_, name={"first": draw(_names)}, last_modified=draw(_times)) for id_ in draw(_ids)]
    return list(map(with_times_first, rows)) if draw(st.booleans()) else rows


@given(some_rows(), st.booleans(), st.integers(1, 5000))
def test_blocks_have_all_rows_of_a_page_in_their_order(rows: list[Row], links_first: bool, size: int) -> None:
    body = page(rows, links_first=links_first)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_blocks, "_SLICE_BYTES", size)
        found = digested(body)
    blocks = [[json.loads(item)["data"] for item in found.items(body, at)] for at in range(len(found.digests))]
    assert list(chain.from_iterable(blocks)) == rows
    digests = digests_by_block(body)
    assert list(map(len, digests)) == list(map(len, blocks))
    at_once = digest_page_and_rows("users", body)
    assert at_once is not None
    assert list(map(at_once.row_digests, range(len(blocks)))) == digests
    assert all(block[-1]["id"].endswith("0") for block in blocks[:-1])
    assert msgspec.to_builtins(found.links) == LINKS
    assert found == digested(body)


@given(some_rows(), st.data())
def test_digests_are_the_same_until_something_but_times_has_changed(rows: list[Row], data: st.DataObject) -> None:
    touched = [row | {"created": LATER} for row in rows]
    touched = [row | {"last_modified": LATER} if row["last_modified"].endswith("Z") else row for row in touched]
    assert row_digests(touched) == row_digests(rows)
    assert digested(page(touched)).digests == digested(page(rows)).digests
    at = data.draw(st.integers(0, len(rows) - 1))
    changed = [*rows]
    changed[at] = touched[at] | {"email": "other@oak.example.org"}
    alike = [before == now for before, now in zip(row_digests(rows), row_digests(changed), strict=True)]
    assert alike == [number != at for number in range(len(rows))]
    assert len(set(digested(page(changed)).digests) - set(digested(page(rows)).digests)) == 1


@given(some_rows(), st.data())
def test_a_row_that_goes_takes_no_block_but_its_own_with_it(rows: list[Row], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(rows) - 1))
    rest = [row for index, row in enumerate(rows) if index != at]
    if rest:
        assert len(set(digested(page(rest)).digests) - set(digested(page(rows)).digests)) <= 1
        assert len(set(digested(page(rows)).digests) - set(digested(page(rest)).digests)) <= 2


@given(some_rows())
def test_a_rows_digest_does_not_depend_on_the_rows_beside_it(rows: list[Row]) -> None:
    assert row_digests(rows) == [digest for row in rows for digest in row_digests([row])]


STUDENTS = [student_id(number) for number in range(1, 9)]


@given(st.lists(st.lists(st.sampled_from(STUDENTS), max_size=6), min_size=1, max_size=4), st.data())
def test_a_section_is_the_same_in_whatever_order_its_students_are_listed_and_with_no_others(
    lists: list[list[str]], data: st.DataObject
) -> None:
    rows = [section(student_id(number), students=students) for number, students in enumerate(lists, 1)]
    turned = [row | {"students": data.draw(st.permutations(row["students"]))} for row in rows]
    assert row_digests(turned, "sections") == row_digests(rows, "sections")
    others = data.draw(st.lists(st.sampled_from(STUDENTS), max_size=6))
    changed = [rows[0] | {"students": others}, *rows[1:]]
    is_same = sorted(others) == sorted(lists[0])
    assert (row_digests(changed, "sections") == row_digests(rows, "sections")) is is_same


@pytest.mark.parametrize("odd", [["short"], [None], [7], ["a" * 23 + '"'], [[]], ["]" * 24], ["a" * 51]])
def test_a_list_of_anything_but_ids_is_told_by_its_very_bytes(odd: list[object]) -> None:
    def digests(students: list[object]) -> list[bytes]:
        body = page([section(students=students)])
        found = digest_page("sections", body)
        return digests_by_block(body, "sections")[0] if found is not None else [body]

    two = [*odd, STUDENTS[0]]
    assert digests(two) == digests(two)
    assert digests(two) != digests([STUDENTS[0], *odd])
    assert digests(two) != digests([STUDENTS[0]])


def test_times_are_left_out_only_where_they_are_written_as_clever_writes_them() -> None:
    plain = b'{"id":"1","created":"2023-04-12T23:05:01.315Z","last_modified":"2026-09-30T16:07:32.551Z","a":1}'
    assert without_times(plain) == b'{"id":"1","a":1}'
    assert without_times(b'{"created":"2023-04-12T23:05:01.315Z","id":"1"}') == b'{"id":"1"}'
    for odd in (
        b'{"id":"1","created":"2023 ","a":1}',
        b'{"id":"1","last_modified":"2026\\u","a":1}',
        b'{"id":"1","name":"\\",\\"created\\":\\"2023"}',
        b'{"id":"1","recreated":"2023-04-12T23:05:01.315Z"}',
    ):
        assert without_times(odd) == odd


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"data":[],"links":[]}',
        b'{"data": [{"data":{"id":"1"},"uri":"/1"}]}',
        b'{"data":[{"uri":"/1","data":{"id":"1"}}]}',
        b'{"data":[{"data":{"id":"1"},"uri":"/1"}],"links":[{]}',
        b'{"data":[{"data":{"id":"1"},"uri":"/1"}]',
    ],
)
def test_a_page_that_is_not_written_as_clevers_are_has_no_blocks(body: bytes) -> None:
    assert digest_page("users", body) is None


@given(st.binary(max_size=80), st.integers(0, 900), st.sampled_from(["users", "sections"]))
def test_no_bytes_are_so_odd_that_digesting_fails(noise: bytes, at: int, collection: str) -> None:
    body = page([section(student_id(number), students=STUDENTS) for number in (1, 16)])
    for odd in (noise, body[:at] + noise + body[at:], body[:at] + noise, noise + body[at:]):
        found = digest_page(collection, odd)
        assert found is None or len(found.digests) == len(found.canonical) == len(found.places)
