"""The updates of a chunk, packed for the outbox and made again by the relay."""

import hashlib
import json
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Change, ChangeSetChunk, RosterUpdate
from schemas.records import Class, Record, School, Student, Teacher
from schemas.topics import UPDATES
from services.apply.chunks import pack, unpack
from services.outbox import OutboxEvent
from tests.change_sets import KIND_OF, created, removed, updated

CHANGE_SET = "0123456789abcdef" * 2

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ids = texts.filter(bool)
records: st.SearchStrategy[Record] = st.one_of(
    st.builds(School, ids, texts, st.none() | texts),
    st.builds(Teacher, ids, st.none() | texts, texts, texts, texts),
    st.builds(Student, ids, st.none() | texts, texts, texts, texts, grade=st.none() | texts),
    st.builds(Class, ids, texts, ids, students=st.lists(ids, max_size=4).map(tuple)),
)
changes = st.lists(
    st.one_of(records.map(created), records.map(removed), records.map(lambda record: updated(record, record))),
    max_size=12,
)


def _told(district: str, changes: Sequence[Change], version: int = 1, before: int = 0) -> list[OutboxEvent]:
    chunk = ChangeSetChunk(
        district=district, change_set=CHANGE_SET, snapshot_id=CHANGE_SET, chunk=1, changes=tuple(changes)
    )
    packed = {
        "district": district,
        "roster_version": version,
        "before": before,
        "chunk": pack(chunk.model_dump_json().encode()),
    }
    return list(unpack(json.dumps(packed)))


@given(
    district=st.from_regex("[a-z0-9][a-z0-9-]{0,8}", fullmatch=True),
    changes=changes,
    version=st.integers(1, 2**40),
    before=st.integers(0, 2**40),
)
def test_every_change_is_told_as_the_record_now_is_at_its_place_in_the_version(
    district: str, changes: list[Change], version: int, before: int
) -> None:
    updates = _told(district, changes, version, before)
    assert len(updates) == len(changes)
    for position, (change, update) in enumerate(zip(changes, updates, strict=True), start=before + 1):
        assert UPDATES.types[update.type] is RosterUpdate
        assert update.entity == f"{district}/{change.kind}/{change.id}"
        assert RosterUpdate.model_validate_json(update.payload) == RosterUpdate(
            district=district,
            roster_version=version,
            position=position,
            op=change.op,
            kind=change.kind,
            id=change.id,
            digest=change.digest,
            record=change.record,
        )


def test_an_update_has_the_same_id_whenever_it_is_made_and_no_other_has_it() -> None:
    schools = [created(School(f"s{number}", "Lincoln")) for number in range(20)]
    first, again, next_chunk = _told("d", schools), _told("d", schools), _told("d", schools, before=20)
    assert first == again
    assert len({update.id for update in first + next_chunk}) == 40
    assert first[6].id == hashlib.md5(f"{CHANGE_SET}\x1f7".encode(), usedforsecurity=False).hexdigest()


def test_what_is_removed_is_told_without_its_record() -> None:
    (update,) = _told("d", [removed(Student("p1", "sam@school.example", "Sam", "Lee", "Sam Lee"))])
    assert update.type == "dev.rollcall.student.removed.v1"
    assert json.loads(update.payload).keys() == {"district", "roster_version", "position", "op", "kind", "id"}


def test_a_type_is_named_after_the_kind_and_what_became_of_the_record() -> None:
    made: list[Record] = [
        School("1", "s"),
        Teacher("1", None, "a", "b", "c"),
        Student("1", None, "a", "b", "c"),
        Class("1", "c", "1"),
    ]
    types = [update.type for update in _told("d", list(map(created, made)))]
    assert types == [f"dev.rollcall.{word}.created.v1" for word in KIND_OF]
