"""A night without doing it: pull, compare, judge; nothing is applied, nothing is published."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import psycopg

from schemas.cloudevents import UnreadableMessageError
from schemas.events import ChangeSetStarted, KindCounts, Operation, Reason, SnapshotStarted
from schemas.records import Kind, RecordKind
from services.clock import now
from services.diff.applied import AppliedRoster
from services.diff.change_set import ChangeSet, work_out
from services.diff.snapshot import ArrivingSnapshot
from services.diff.spool import Spool
from services.districts import District
from services.guard.judging import judge_now
from services.ingest.defects import DefectCode
from services.ingest.providers.hosts import HostLimits
from services.ingest.providers.open import open_source
from services.ingest.pull import pull_roster
from services.ingest.snapshot_pages import Cut, cut_pages, encode_page
from services.ingest.source import PullFailedError, PullReport
from services.settings import Settings

FIRST_CHANGES = 5
_DRY_RUN = "dry-run"


class FirstChange(msgspec.Struct, frozen=True):
    """A change without its records: ids only, so that nobody's name is shown."""

    op: Operation
    kind: RecordKind
    id: str


_changes = msgspec.json.Decoder(list[FirstChange])


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a night would do; `first_changes` are a few of each kind."""

    base_version: int
    change_set: str
    changes: int
    counts: dict[Kind, KindCounts]
    reasons: tuple[Reason, ...]
    defects: dict[str, int]
    first_changes: dict[RecordKind, list[FirstChange]]


Pulled = Callable[[dict[RecordKind, int]], None]
"""Told how many records of each kind have been pulled so far."""


class _Snapshot:
    """A pulled roster, as diff has one that has come to it."""

    def __init__(self, district: District) -> None:
        self._about = {"district": district.district, "sync_id": _DRY_RUN, "snapshot_id": _DRY_RUN}
        self._pages = 0
        self.arrived = ArrivingSnapshot(
            SnapshotStarted.model_validate({**self._about, "provider": district.provider, "started_at": now()})
        )
        self.repaired: Counter[DefectCode] = Counter()

    def add(self, cut: Cut) -> None:
        self._pages += 1
        try:
            self.arrived.add(encode_page(cut, **self._about, page=self._pages))
        except UnreadableMessageError as error:
            raise PullFailedError("not-a-roster", str(error)) from None
        self.repaired["nul-character"] += cut.repaired

    def pulled(self) -> dict[RecordKind, int]:
        return {kind: len(records) for kind, records in self.arrived.records.items()}


def dry_run(connection: psycopg.Connection[Any], district: District, settings: Settings, pulled: Pulled) -> DryRun:
    """Work out what the district's night would do now.

    Raises PullFailedError where the roster cannot be read whole, OSError where the disk is full.
    """
    with ExitStack() as stack:
        snapshot, report = stack.enter_context(_pulled(district, settings, pulled))
        applied = stack.enter_context(AppliedRoster(connection, district.district))
        change_set = work_out(district.district, applied, snapshot.arrived.records, chunk_records=settings.page_records)
        stack.callback(change_set.chunks.close)
        header = _header(district, change_set, report)
        verdict = judge_now(connection, header, settings.limit_percent)
        assert verdict is not None, "its roster was read in this transaction"
        return DryRun(
            base_version=change_set.base_version,
            change_set=change_set.id,
            changes=change_set.changes,
            counts=change_set.counts,
            reasons=verdict.reasons,
            defects={str(code): count for code, count in sorted((report.defects + snapshot.repaired).items())},
            first_changes=_first_changes(change_set.chunks),
        )


@contextmanager
def _pulled(district: District, settings: Settings, pulled: Pulled) -> Iterator[tuple[_Snapshot, PullReport]]:
    with ExitStack() as stack:
        yield asyncio.run(_pull(district, settings, pulled, stack))


async def _pull(
    district: District, settings: Settings, pulled: Pulled, stack: ExitStack
) -> tuple[_Snapshot, PullReport]:
    source = partial(open_source, district, HostLimits(settings.requests_at_once), settings)
    today = now().astimezone(ZoneInfo(district.timezone)).date()
    async with aclosing(pull_roster(source, today)) as steps:
        async for step in steps:
            if isinstance(step, PullReport):  # read from the start, perhaps again: what came before is void
                stack.close()
                report, snapshot = step, _Snapshot(district)
                stack.callback(snapshot.arrived.close)
                continue
            for cut in cut_pages(step, settings.page_records):
                snapshot.add(cut)
            pulled(snapshot.pulled())
    return snapshot, report


def _header(district: District, change_set: ChangeSet, report: PullReport) -> ChangeSetStarted:
    """Give the header as diff would write it."""
    return ChangeSetStarted(
        district=district.district,
        sync_id=_DRY_RUN,
        snapshot_id=_DRY_RUN,
        change_set=change_set.id,
        base_version=change_set.base_version,
        counts=change_set.counts,
        changes=change_set.changes,
        chunks=change_set.chunks.blocks,
        content=change_set.content,
        emptied_schools=change_set.emptied_schools,
        renumbered=change_set.renumbered,
        classes_without_teacher=change_set.classes_without_teacher,
        students_without_class=change_set.students_without_class,
        proofs=tuple(report.proofs),
        started_at=now(),
    )


def _first_changes(chunks: Spool) -> dict[RecordKind, list[FirstChange]]:
    first: dict[RecordKind, list[FirstChange]] = {}
    for chunk in chunks:
        for change in _changes.decode(chunk):
            of_kind = first.setdefault(change.kind, [])
            if len(of_kind) < FIRST_CHANGES:
                of_kind.append(change)
    return first
