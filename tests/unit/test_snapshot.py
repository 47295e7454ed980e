"""Snapshot pages: what a provider's records become on the topic."""

import asyncio
import errno
import json
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import SnapshotPage
from schemas.records import Class, Record, RecordKind, School, Student, Teacher, digest_of, encode_record
from services.ingest.pull import MAX_READS, pull_roster
from services.ingest.snapshot_pages import Cut, cut_pages, encode_page
from services.ingest.source import PullFailedError, PullReport, RecordPage, RosterMovedError, RosterSource

_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
_ids = st.lists(_text, max_size=4).map(tuple)
_maybe = st.none() | _text
_records: dict[RecordKind, st.SearchStrategy[Record]] = {
    "schools": st.builds(School, _text, _text, _maybe),
    "teachers": st.builds(Teacher, _text, _maybe, _text, _text, _text, _ids, _maybe),
    "students": st.builds(Student, _text, _maybe, _text, _text, _text, _ids, _maybe, _maybe, _maybe),
    "classes": st.builds(Class, _text, _text, _text, _ids, _ids, _maybe, _maybe, _maybe),
}


def _read(cut: Cut, number: int = 1) -> SnapshotPage:
    value = encode_page(cut, district="springfield", sync_id="sync", snapshot_id="snapshot", page=number)
    return SnapshotPage.model_validate_json(value)


@given(st.data(), st.sampled_from(list(_records)), st.integers(1, 5), st.lists(_text, max_size=3))
def test_the_bytes_of_the_pages_are_snapshot_pages_with_every_record_once_in_order(
    data: st.DataObject, kind: RecordKind, most: int, kept: list[str]
) -> None:
    records = data.draw(st.lists(_records[kind], max_size=12))
    pages = [_read(cut) for cut in cut_pages(RecordPage(kind, records, kept), most)]
    entries = [entry for page in pages for entry in page.entries]
    clean = json.loads(json.dumps([entry.id for entry in entries]))
    assert clean == [record.id.replace("\x00", "") for record in records]
    assert [id_ for page in pages for id_ in page.kept] == [id_.replace("\x00", "") for id_ in kept]
    assert all(len(page.entries) <= most and page.kind == kind for page in pages)
    for entry, record in zip(entries, records, strict=True):
        assert entry.digest == digest_of(encode_record(entry.record))
        assert "\x00" not in str(entry.record)
        if "\x00" not in "".join(_strings(record)):
            assert entry.record == record


def _strings(record: Record) -> list[str]:
    values = [getattr(record, name) for name in record.__dataclass_fields__]
    return [text for value in values for text in (value if isinstance(value, tuple) else [value or ""])]


def test_a_nul_character_is_left_out_and_counted_and_a_written_out_one_is_kept() -> None:
    written_out = Student("2", None, "\\u0000", "\\\\u0000", "d")
    with_nul = Student("1", None, "Sa\x00m", "L\x00\x00ee", "Sam Lee", schools=("s\x001",))
    cut = cut_pages(RecordPage("students", [with_nul, written_out]), 10)[0]
    assert [entry.record for entry in _read(cut).entries] == [
        Student("1", None, "Sam", "Lee", "Sam Lee", schools=("s1",)),
        written_out,
    ]
    assert cut.repaired == 1


def test_a_page_ends_before_its_records_take_more_bytes_than_a_message_may() -> None:
    records = [School(str(number), "x" * 1000) for number in range(10)]
    cuts = cut_pages(RecordPage("schools", records), max_records=100, max_bytes=3500)
    assert [len(cut.entries) for cut in cuts] == [3, 3, 3, 1]


def test_a_record_larger_than_a_page_fails_the_pull_and_is_named_by_its_id_only() -> None:
    giant = Class("c9", "A name", "s1", students=tuple(f"p{number:05}" for number in range(1000)))
    with pytest.raises(PullFailedError, match="class c9 alone takes") as caught:
        cut_pages(RecordPage("classes", [giant]), max_records=100, max_bytes=5000)
    assert caught.value.code == "not-a-roster"
    assert "A name" not in caught.value.text


class _Source:
    """A roster that changes under way so many times, then is read; or fails with an error."""

    def __init__(self, moves: int, error: Exception | None = None) -> None:
        self.moves = moves
        self.error = error

    async def read(self, today: date, report: PullReport) -> AsyncGenerator[RecordPage, None]:
        report.defects["email-missing"] += 1
        yield RecordPage("schools", [School("s1", today.isoformat())])
        if self.error is not None:
            raise self.error
        if self.moves:
            self.moves -= 1
            raise RosterMovedError


def _pull(source: _Source) -> list[PullReport | RecordPage]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[RosterSource]:
        yield source

    async def collect() -> list[PullReport | RecordPage]:
        return [step async for step in pull_roster(opened, date(2026, 11, 23))]

    return asyncio.run(collect())


def test_a_roster_that_changes_under_way_is_read_anew_with_a_report_of_its_own() -> None:
    steps = _pull(_Source(moves=MAX_READS - 1))
    assert [type(step) for step in steps] == [PullReport, RecordPage] * MAX_READS
    assert [step.defects.total() for step in steps if isinstance(step, PullReport)] == [1] * MAX_READS


def test_a_roster_that_keeps_changing_fails_the_pull() -> None:
    with pytest.raises(PullFailedError) as caught:
        _pull(_Source(moves=MAX_READS))
    assert caught.value.code == "moved"


def test_a_mistake_in_an_adapter_fails_the_pull_and_its_text_quotes_no_data() -> None:
    with pytest.raises(PullFailedError) as caught:
        _pull(_Source(moves=0, error=KeyError("Sam Lee")))
    assert caught.value.code == "fault"
    assert "Sam Lee" not in caught.value.text


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_fails_the_pull_and_is_no_fault_the_text_says_where_to_make_room(number: int) -> None:
    with pytest.raises(PullFailedError) as caught:
        _pull(_Source(moves=0, error=OSError(number, os.strerror(number))))
    assert caught.value.code == "disk-full"
    assert tempfile.gettempdir() in caught.value.text
