"""Nights of a small district: rosters as they could come, given to diff as if they had, and applied."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from hypothesis import strategies as st

from schemas.events import Approval, ChangeSetCompleted, ChangeSetStarted
from schemas.records import (
    RECORD_KINDS,
    Class,
    Record,
    RecordKind,
    School,
    Student,
    Teacher,
    digest_of,
    encode_record,
)
from services.apply.merge import merge
from services.apply.staging import StagedChangeSet
from services.database.connect import connect
from services.diff.arrived import ArrivedRecords
from services.diff.change_set import ChangeSet
from services.diff.change_set_messages import chunk_message

Roster: TypeAlias = dict[RecordKind, dict[str, Record]]
Night: TypeAlias = tuple[Roster, dict[RecordKind, set[str]]]
"""The records that come, by kind and id, and the ids of those that are kept."""

PEOPLE = [f"p{number}" for number in range(6)]
NAMES = st.sampled_from(["Ada", 'O\'Hara \u2028 \\ "x"', "{}", "李", "a\tb\nc", "\x1f/"])


@st.composite
def nights(draw: st.DrawFn) -> Night:
    """A snapshot with ids that teach, learn or do both, and ids that could not be relied on."""
    schools: dict[str, Record] = {
        id_: School(id_, draw(NAMES)) for id_ in draw(st.sets(st.sampled_from(["s1", "s/2"])))
    }
    some = st.sets(st.sampled_from(PEOPLE))
    at = st.sets(st.sampled_from(["s1", "s/2"])).map(lambda ids: tuple(sorted(ids)))
    teachers: dict[str, Record] = {
        id_: Teacher(id_, None, draw(NAMES), "Hand", "Ada Hand", tuple(sorted(schools))) for id_ in draw(some)
    }
    students: dict[str, Record] = {
        id_: Student(
            id_, draw(st.none() | NAMES), "Sam", draw(NAMES), "Sam", draw(at), grade=draw(st.none() | st.just("5"))
        )
        for id_ in draw(some)
    }
    kept: dict[RecordKind, set[str]] = {
        "teachers": draw(some) - teachers.keys(),
        "students": draw(some) - students.keys(),
        "schools": set(),
        "classes": set(),
    }
    classes: dict[str, Record] = {}
    for id_ in draw(st.sets(st.sampled_from(["c1", "c2", "c3"]))):
        teaching = draw(st.permutations(sorted(teachers.keys() | kept["teachers"])))
        teaching = teaching[: draw(st.integers(0, len(teaching)))]
        learning = draw(st.sets(st.sampled_from(PEOPLE))) & (students.keys() | kept["students"])
        classes[id_] = Class(id_, draw(NAMES), "s1", (*teaching[:1], *sorted(teaching[1:])), tuple(sorted(learning)))
    kept["classes"] = draw(st.sets(st.sampled_from(["c1", "c2", "c3", "c4"]))) - classes.keys()
    return {"schools": schools, "teachers": teachers, "students": students, "classes": classes}, kept


class Arrived:
    """A snapshot of these records, in pages of three, with its records on disk until it is closed."""

    def __init__(
        self,
        records: Mapping[RecordKind, Mapping[str, Record]],
        kept: Mapping[RecordKind, Iterable[str]] | None = None,
    ) -> None:
        self.records: dict[RecordKind, ArrivedRecords] = {}
        for kind in RECORD_KINDS:
            made = self.records[kind] = ArrivedRecords()
            of_kind = list(records.get(kind, {}).items())
            for page in (of_kind[start : start + 3] for start in range(0, len(of_kind), 3)):
                encoded = [encode_record(record) for _, record in page]
                made.add([id_ for id_, _ in page], list(map(digest_of, encoded)), encoded)
            made.add([], [], [], sorted((kept or {}).get(kind, ())))

    def close(self) -> None:
        """Remove the records from disk."""
        for records in self.records.values():
            records.close()


def apply_change_set(dsn: str, found: ChangeSet, *, sync_id: str, snapshot_id: str) -> None:
    """Have apply merge what diff has worked out for Springfield."""
    now = datetime.now(UTC)
    sizes: dict[str, Any] = {
        "district": "springfield",
        "sync_id": sync_id,
        "snapshot_id": snapshot_id,
        "change_set": found.id,
        "changes": found.changes,
        "chunks": found.chunks.blocks,
    }
    started = ChangeSetStarted(
        **sizes,
        base_version=found.base_version,
        counts=found.counts,
        approval=Approval(by="policy", approved_at=now),
        started_at=now,
    )
    with connect(dsn, "rollcall_apply") as applying:
        staged = StagedChangeSet(applying, started)
        for place, changes in enumerate(found.chunks, start=1):
            staged.add(chunk_message(started, place, changes, "cause")[1])
        staged.check_whole(ChangeSetCompleted(**sizes, completed_at=now))
        assert merge(staged) == ("applied" if found.changes else "unchanged")
