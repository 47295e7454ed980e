"""Each stage tells its own speed: counters for Prometheus, sums for the log line at its end."""

import threading
import urllib.request
from collections.abc import Iterator
from socket import socket
from typing import get_args

import pytest

from schemas.topics import Worker
from services.metrics import NIGHT_WORK, REGISTRY, WORKER_OF, PortTakenError, Stage, StageWork, Sums, serve_metrics


def _counted(name: str, stage: Stage) -> float:
    return REGISTRY.get_sample_value(name, {"worker": WORKER_OF[stage], "stage": stage}) or 0.0


def _free_port() -> int:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_work_is_counted_for_prometheus_and_told_with_its_speed() -> None:
    records, size = (_counted(f"rollcall_stage_{what}_total", "merge") for what in ("records", "bytes"))
    work = StageWork("merge")
    with work.timed(size=700):
        work.add(records=30)
        assert work.told()["seconds"] is not None
    work.add(seconds=2.0)
    told = work.told()
    assert (told["records"], told["bytes"]) == (30, 700)
    assert told["seconds"] == pytest.approx(2.0, abs=0.5)
    assert told["records_per_second"] == pytest.approx(15, abs=3)
    assert _counted("rollcall_stage_records_total", "merge") == records + 30
    assert _counted("rollcall_stage_bytes_total", "merge") == size + 700


def test_seconds_of_work_that_fails_count_too() -> None:
    before, work = _counted("rollcall_stage_seconds_total", "pull"), StageWork("pull")
    with pytest.raises(LookupError), work.timed():
        raise LookupError
    assert work.seconds > 0
    assert _counted("rollcall_stage_seconds_total", "pull") == pytest.approx(before + work.seconds)


def test_the_labels_of_a_stage_are_its_worker_and_its_name_and_nothing_else() -> None:
    StageWork("match").add(records=1)
    labels = [
        sample.labels
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if metric.name.startswith("rollcall_")
    ]
    assert {frozenset(each) for each in labels} == {frozenset({"worker", "stage"})}
    assert set(WORKER_OF.values()) <= set(get_args(Worker))
    assert {each["stage"] for each in labels} <= set(get_args(Stage))


def test_metrics_are_served_where_a_port_is_set_and_a_taken_port_is_named() -> None:
    port = _free_port()
    serve_metrics("127.0.0.1", port)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        assert b"process_resident_memory_bytes" in answer.read()
    with pytest.raises(PortTakenError, match=rf"127\.0\.0\.1:{port}.*ROLLCALL_METRICS_PORT"):
        serve_metrics("127.0.0.1", port)


def test_nothing_is_served_where_no_port_is_set() -> None:
    serve_metrics("an address that cannot be listened on", None)


@pytest.fixture
def followed() -> Iterator[None]:
    NIGHT_WORK.follow(True)
    yield
    NIGHT_WORK.follow(False)


@pytest.mark.usefixtures("followed")
def test_the_seconds_of_work_that_goes_on_count_as_they_pass() -> None:
    work, waited = StageWork("merge", "a sync"), threading.Event()
    with work.timed(size=5):
        waited.wait(0.02)
        first = NIGHT_WORK.take()["a sync", "merge"]
        assert NIGHT_WORK.some.is_set()
    last = NIGHT_WORK.take()["a sync", "merge"]
    assert first.seconds >= 0.02
    assert last.bytes == 5
    assert first.seconds + last.seconds == pytest.approx(work.seconds)
    assert not NIGHT_WORK.some.is_set()


@pytest.mark.usefixtures("followed")
def test_a_batch_of_several_nights_is_shared_out_by_their_records() -> None:
    work = StageWork("publish")
    work.add(records=4, size=400, seconds=2.0)
    work.share_out({"one": 1, "other": 3})
    assert NIGHT_WORK.take() == {
        ("one", "publish"): Sums(1, 100, 0.5),
        ("other", "publish"): Sums(3, 300, 1.5),
    }


def test_a_process_whose_work_nobody_tells_keeps_none_of_it() -> None:
    StageWork("pull", "a sync").add(records=1)
    NIGHT_WORK.follow(True)
    assert NIGHT_WORK.take() == {}
    NIGHT_WORK.follow(False)
