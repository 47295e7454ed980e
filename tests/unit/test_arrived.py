"""The records of a snapshot as diff keeps them, and how it knows that they are what is applied."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cloudevents import UnreadableMessageError
from schemas.events import SnapshotStarted
from schemas.records import RECORD_KINDS, Kind, RecordKind, School, digest_of, encode_record
from services.apply.state_digest import StateDigest
from services.clock import now
from services.diff.applied import AppliedTotals
from services.diff.arrived import ArrivedRecord, ArrivedRecords, differing_places
from services.diff.snapshot import ArrivingSnapshot
from services.diff.unchanged import is_unchanged

schools = st.lists(
    st.builds(
        School, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1), st.text()
    ),
    unique_by=lambda school: school.id,
    max_size=12,
)
few = st.sets(st.sampled_from([School(id_, name) for id_ in "abc" for name in ("x", "y")]))


def _record(school: School) -> ArrivedRecord:
    encoded = encode_record(school)
    return ArrivedRecord(school.id, bytes.fromhex(digest_of(encoded)), encoded)


@contextmanager
def _arrived(of_kind: Sequence[School]) -> Iterator[dict[RecordKind, ArrivedRecords]]:
    arrived = {kind: ArrivedRecords() for kind in RECORD_KINDS}
    for start in range(0, len(of_kind), 3):
        page = [_record(school) for school in of_kind[start : start + 3]]
        arrived["schools"].add(
            [record.id for record in page], [record.digest.hex() for record in page], [record.record for record in page]
        )
    try:
        yield arrived
    finally:
        for records in arrived.values():
            records.close()


def _applied(of_kind: Sequence[School]) -> AppliedTotals:
    digest = StateDigest()
    for school in of_kind:
        digest.replace(None, _record(school).digest)
    totals: dict[Kind, int] = {**dict.fromkeys(RECORD_KINDS, 0), "places": 0, "schools": len(of_kind)}
    return AppliedTotals(1, totals, digest.value())


def _none_applied(kind: RecordKind, ids: Sequence[str]) -> dict[str, bytes]:
    return {}


@given(came=schools, data=st.data())
def test_records_are_read_again_as_they_came_whichever_are_asked_for(came: list[School], data: st.DataObject) -> None:
    places = sorted(data.draw(st.sets(st.sampled_from(range(len(came))))) if came else [])
    with _arrived(came) as arrived:
        assert len(arrived["schools"]) == len(came)
        assert list(arrived["schools"].at(places)) == [_record(came[place]) for place in places]
        assert list(arrived["schools"]) == [_record(school) for school in came]


@given(came=schools, applied=schools)
def test_those_that_differ_and_those_that_none_has_are_told_by_their_digests(
    came: list[School], applied: list[School]
) -> None:
    digests = {_record(school).digest for school in applied}
    joined = b"".join(_record(school).digest for school in came)
    assert differing_places(joined, digests) == [place for place, school in enumerate(came) if school not in applied]
    assert digests == {_record(school).digest for school in applied if school not in came}


@given(came=few, applied=few)
def test_a_snapshot_is_unchanged_exactly_if_it_has_the_records_that_are_applied(
    came: set[School], applied: set[School]
) -> None:
    with _arrived(list(came)) as arrived:
        assert is_unchanged(arrived, _applied(list(applied)), _none_applied) == (came == applied)


def test_a_record_that_comes_twice_in_place_of_another_is_a_change() -> None:
    lincoln, adams = School("s1", "Lincoln"), School("s2", "Adams")
    with _arrived([lincoln, lincoln]) as arrived:
        assert not is_unchanged(arrived, _applied([lincoln, adams]), _none_applied)


def test_people_who_are_kept_and_not_applied_are_looked_at_one_by_one() -> None:
    with _arrived([School("s1", "Lincoln")]) as arrived:
        arrived["teachers"].add([], [], [], ["t1"])
        assert not is_unchanged(arrived, _applied([School("s1", "Lincoln")]), _none_applied)


@pytest.mark.parametrize("digest", ["", "A" * 32, "0" * 31, "0" * 31 + " ", "0" * 31 + "é", "00 " + "0" * 30])
def test_a_page_with_a_digest_that_is_none_is_refused_whole(digest: str) -> None:
    started = SnapshotStarted(
        district="springfield", sync_id="sync", snapshot_id="snapshot", provider="tests", started_at=now()
    )
    entries = [
        {"id": "s1", "digest": "0" * 32, "record": {}},
        {"id": "s2", "digest": digest, "record": {}},
        {"id": "s3", "digest": "0" * 32, "record": {}},
    ]
    page = {"sync_id": "sync", "snapshot_id": "snapshot", "page": 1, "kind": "schools", "entries": entries}
    with closing(ArrivingSnapshot(started)) as arriving:
        with pytest.raises(UnreadableMessageError, match="page 1 of snapshot snapshot: a digest has 32"):
            arriving.add(msgspec.json.encode(page))
        assert len(arriving.records["schools"]) == 0
