"""How fast each stage is, and which is the slowest, for `rollcall status`."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table

from services.metrics import WORKER_OF, Stage, Sums
from services.night_stages import NightStage
from services.nights import ENDED, Night


def stages_told(nights: Sequence[Night], stages: Sequence[NightStage]) -> list[dict[str, Any]]:
    """Give what each stage has worked on the nights that run and on the one last asked for, the slowest marked."""
    if not nights:
        return []
    last = max(nights, key=lambda night: night.requested_at)
    shown = {night.sync_id for night in nights if night.state not in ENDED} | {last.sync_id}
    return _told(stage for stage in stages if stage.sync_id in shown)


def told_by_district(nights: Iterable[Night], stages: Iterable[NightStage]) -> dict[str, list[dict[str, Any]]]:
    """Give the same of each district's last night; a stage that has not got to that night has no entry."""
    last = {night.sync_id for night in nights}
    of_districts: defaultdict[str, list[NightStage]] = defaultdict(list)
    for stage in stages:
        if stage.sync_id in last:
            of_districts[stage.district].append(stage)
    return {district: _told(theirs) for district, theirs in of_districts.items()}


def stage_table(told: Iterable[dict[str, Any]]) -> Table:
    """Give the table of stages that people see."""
    table = Table("stage", "worker", "records", "MB", "seconds", "records/s", "", box=None, padding=(0, 2, 0, 0))
    for stage in told:
        speed = stage["records_per_second"]
        table.add_row(
            stage["stage"],
            stage["worker"],
            f"{stage['records']:,}",
            f"{stage['bytes'] / 1e6:,.1f}",
            f"{stage['seconds']:,.1f}",
            "" if speed is None else f"{speed:,}",
            "slowest" if stage["slowest"] else "",
        )
    return table


def _told(stages: Iterable[NightStage]) -> list[dict[str, Any]]:
    """Add the stages of several nights up. The slowest is the one that has worked longest."""
    sums: dict[Stage, Sums] = {}
    for each in stages:
        records, size, seconds = sums.get(each.stage, Sums())
        sums[each.stage] = Sums(records + each.records, size + each.bytes, seconds + each.seconds)
    slowest = max(sums, key=lambda stage: sums[stage].seconds, default=None)
    return [
        {
            "stage": stage,
            "worker": worker,
            "records": sums[stage].records,
            "bytes": sums[stage].bytes,
            "seconds": round(sums[stage].seconds, 3),
            "records_per_second": round(sums[stage].records / sums[stage].seconds) if sums[stage].seconds else None,
            "slowest": stage == slowest,
        }
        for stage, worker in WORKER_OF.items()
        if stage in sums
    ]
