"""`rollcall status` on nights that run and that have ended: each stage's own speed, and which of them is slow."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.topics import Worker
from services.database.connect import connect
from services.metrics import WORKER_OF, Sums
from services.night_stages import night_stages, tell
from tests.cli import Cli, write_package
from tests.pipeline import Pipeline, pipeline, until

WORKERS: tuple[Worker, ...] = tuple(WORKER_OF.values())


@pytest.fixture
def running(kafka: str, database: str, topic_prefix: str) -> Iterator[Pipeline]:
    with pipeline(kafka, database, topic_prefix) as running:
        yield running


def _stages(answered: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {stage["stage"]: stage for stage in answered["stages"]}


def _slowest(stages: dict[str, dict[str, Any]]) -> list[str]:
    return [name for name, stage in stages.items() if stage["slowest"]]


def _has_waited(stages: dict[str, dict[str, Any]]) -> bool:
    """Say whether the merge has been at it for longer than any other stage will take, on whatever machine."""
    return "merge" in stages and stages["merge"]["seconds"] > 5 + stages["pull"]["seconds"]


def test_the_stage_that_is_slow_is_shown_as_the_slowest_while_the_night_runs_and_once_it_has_ended(
    running: Pipeline, tmp_path: Path
) -> None:
    rollcall = Cli.of(tmp_path, running.kafka, running.database, running.prefix)
    running.add_district("springfield", provider="oneroster-csv", url=str(write_package(tmp_path / "package", 40)))
    running.start(*WORKERS)

    def status() -> dict[str, Any]:
        ran = rollcall("status", "--json")
        assert ran.status == 0, ran.err
        return ran.object

    with running.connect() as connection, connection.transaction():
        connection.execute("SELECT FROM rosters WHERE district = 'springfield' FOR UPDATE")  # so that the merge waits
        sync_id = running.request("springfield")
        stages = until(
            "the merge that waits is the slowest",
            lambda: stages if _has_waited(stages := _stages(status())) else None,
            seconds=90,
        )
        assert stages["pull"]["records"] == stages["compare"]["records"] > 40
        assert _slowest(stages) == ["merge"]
        assert stages["merge"]["records"] == 0
        assert stages["pull"]["bytes"] > 0 < stages["pull"]["records_per_second"]
    assert running.ended(sync_id).state == "applied"

    def whole() -> dict[str, Any] | None:
        told = status()
        stages = _stages(told)
        people = stages.get("match", {}).get("records")
        return told if people and stages["merge"]["records"] and "publish" in stages else None

    told = until("the last stage has told of its work", whole, seconds=60)
    stages = _stages(told)
    assert list(stages) == list(WORKER_OF)
    assert _slowest(stages) == ["merge"]
    assert stages["merge"]["records"] == stages["route"]["records"] == stages["pull"]["records"]
    assert stages["publish"]["records"] > stages["pull"]["records"]
    [district] = told["districts"]
    assert _slowest({stage["stage"]: stage for stage in district["stages"]}) == ["merge"]
    for_people = rollcall("status").out
    [line] = [line for line in for_people.splitlines() if line.startswith("merge")]
    assert line.rstrip().endswith("slowest")


def test_work_of_a_night_adds_up_and_that_of_a_later_night_takes_its_place(running: Pipeline) -> None:
    running.add_district("springfield")
    first, second = running.request("springfield"), running.request("springfield")
    with (
        connect(running.database, "rollcall_relay") as relay,
        connect(running.database, "rollcall_operator") as operator,
    ):
        tell(relay, {(first, "publish"): Sums(1, 10, 0.5), ("of no night", "publish"): Sums(9, 9, 9.0)})
        tell(relay, {(first, "publish"): Sums(2, 20, 0.25)})
        [told] = night_stages(operator)
        assert (told.sync_id, told.records, told.bytes, told.seconds) == (first, 3, 30, 0.75)
        tell(relay, {(first, "publish"): Sums(5, 5, 5.0), (second, "publish"): Sums(7, 7, 7.0)})
        tell(relay, {(first, "publish"): Sums(5, 5, 5.0)})
        [told] = night_stages(operator)
        assert (told.sync_id, told.records, told.bytes, told.seconds) == (second, 7, 7, 7.0)


def test_what_stages_worked_goes_with_its_district(running: Pipeline) -> None:
    running.add_district("springfield")
    sync_id = running.request("springfield")
    with connect(running.database, "rollcall_diff") as diff, connect(running.database, "rollcall_operator") as operator:
        tell(diff, {(sync_id, "compare"): Sums(1, 1, 1.0)})
        assert [stage.stage for stage in night_stages(operator)] == ["compare"]
        with running.connect() as connection:
            connection.execute("DELETE FROM districts")
        assert night_stages(operator) == []
