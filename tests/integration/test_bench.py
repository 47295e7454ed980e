"""The bench itself, at its smallest: what it measures must come out right, however long that takes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.bench.recorded import truth
from tests.bench.stages import recorded_nights

pytestmark = pytest.mark.integration

STUDENTS = 300


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, Any]]:
    """Give the exit status and the figures of a run in which OneRoster's nights do not come out as they should."""
    folder = tmp_path_factory.mktemp("recorded")
    forged = recorded_nights(folder, STUDENTS, "oneroster", nights=1)
    expected = truth(forged, 1)
    expected.digests.popitem()
    (forged / "night-1" / "truth").write_bytes(msgspec.msgpack.encode(expected))
    return _run(folder, "--only", "clever", "floor", "oneroster")


def _run(folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    file = folder / "figures.json"
    size = ("--students", str(STUDENTS), "--repeat", "1")
    command = [sys.executable, "-m", "tests.bench", *size, *options, "--folder", str(folder), "--json", str(file)]
    run = subprocess.run(command, check=False)
    return run.returncode, json.loads(file.read_text(encoding="utf-8"))


def test_the_smallest_bench_comes_to_a_right_result(measured: tuple[int, dict[str, Any]]) -> None:
    _, result = measured
    [clever] = result["figures"]["clever"]
    assert list(clever["nights"]) == ["first load", "nothing changed", "1% changed"]
    assert [failure["measurement"] for failure in result["failures"]] == ["oneroster"]
    rows = {row["key"]: row["values"] for row in result["rows"]}
    assert all(rows[key] for key in ("first load", "nothing changed", "1% changed", "floor", "memory"))


def test_a_wrong_result_fails_the_bench_and_takes_no_other_row_with_it(measured: tuple[int, dict[str, Any]]) -> None:
    status, result = measured
    assert status != 0
    [failure] = result["failures"]
    assert "roster.updates is not as the generator says after night 1" in failure["failure"]
    assert [row["values"] for row in result["rows"] if row["key"] == "oneroster"] == [[]]
