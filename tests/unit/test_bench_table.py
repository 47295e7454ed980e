"""How the bench's table is read from what was measured."""

from pathlib import Path
from typing import Any

import pytest

from tests.bench.measurements import Measurement, measured, planned
from tests.bench.report import BEGIN, END, NoPlaceError, cells, compared_with, markdown, write_page
from tests.bench.rows import CHANGED, FIRST, NIGHTS, ROWS, Outcome, outcomes


def _clever(seconds: float, cpu: float, students: int, peak_mib: int = 100) -> dict[str, Any]:
    night = {
        "seconds": seconds,
        "activated_after": 2 * seconds,
        "processes": {"ingest": {"cpu": cpu, "peak_rss": peak_mib * 2**20}, "kafka": {"cpu": cpu, "peak_rss": 2**40}},
    }
    return {"records": {"students": students, "places": 7 * students}, "nights": dict.fromkeys(NIGHTS, night)}


def _nights(seconds: float) -> dict[str, Any]:
    return {"nights": {CHANGED: {"seconds": seconds}}}


def _outcome(found: list[Outcome], key: str) -> Outcome:
    return next(outcome for outcome in found if outcome.row.key == key)


def test_aims_in_seconds_are_in_proportion_to_a_million_students() -> None:
    found = outcomes({"clever": [_clever(3.4, 1, 100_000)]}, 100_000)
    changed = _outcome(found, CHANGED)
    assert (changed.aim, changed.values, changed.met) == (3.5, (3.4,), True)
    assert _outcome(found, "memory").aim == 512


def test_a_first_load_lasts_until_everybody_is_matched() -> None:
    assert _outcome(outcomes({"clever": [_clever(10, 1, 100)]}, 100), FIRST).values == (20,)


def test_a_row_is_its_median_and_its_spread_over_the_repeats() -> None:
    repeats = [_clever(seconds, 1, 1_000_000) for seconds in (30, 40, 20)]
    told = cells(_outcome(outcomes({"clever": repeats}, 1_000_000), CHANGED))
    assert told[1:] == ("at most 35.0 s", "30.0 s", "20.0 s – 40.0 s (3)", "yes")


def test_ratios_are_taken_against_the_median_of_what_is_compared_with() -> None:
    figures = {
        "clever": [_clever(2, 1, 100), _clever(3, 1, 100), _clever(7, 1, 100)],
        "dlt": [_nights(36), _nights(27)],
        "floor": [_nights(1), _nights(2), _nights(1)],
        "tenth": [_clever(1, 0.1, 10)],
    }
    found = outcomes(figures, 100)
    assert _outcome(found, "dlt").values == (12, 9)
    assert _outcome(found, "dlt").met is True
    assert _outcome(found, "floor").values == (2, 3, 7)
    assert _outcome(found, f"growth {CHANGED}").median == pytest.approx(1)


def test_memory_is_the_most_that_any_worker_ever_had() -> None:
    figures = {"clever": [_clever(1, 1, 100, 300)], "oneroster": [_clever(1, 1, 100, 600)]}
    outcome = _outcome(outcomes(figures, 100), "memory")
    assert (outcome.values, outcome.met) == ((600,), False)


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    found = outcomes({}, 1_000_000)
    assert len(found) == len(ROWS)
    assert {outcome.met for outcome in found} == {None}
    assert {cells(outcome)[2] for outcome in found} == {"not measured"}


def test_only_what_is_between_the_marks_of_the_page_is_written_anew(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    write_page(page, "new")
    assert page.read_text(encoding="utf-8") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"


def test_a_page_without_a_place_for_figures_is_left_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("written by hand\n", encoding="utf-8")
    with pytest.raises(NoPlaceError, match="put them where"):
        write_page(page, "new")
    assert page.read_text(encoding="utf-8") == "written by hand\n"


def test_the_page_says_what_failed_and_on_what_machine_the_rest_was_measured() -> None:
    result = {
        "students": 100,
        "figures": {"clever": [_clever(1, 1, 100)]},
        "failures": [{"measurement": "dlt", "failure": "no space left"}],
        "paces": [0.5, 0.25, 0.3],
        "machine": {"cores": "2"},
    }
    page = markdown(result, outcomes(result["figures"], 100), ["memory.svg"])  # type: ignore[arg-type]
    assert "- dlt: no space left" in page
    assert "| cores | 2 |" in page
    assert "took one core 0.30 s, 0.25 to 0.50 s, before each measurement" in page
    assert "(performance/memory.svg)" in page


def test_what_nights_are_compared_with_is_told_in_seconds_and_by_version() -> None:
    nights = {night: {"seconds": 4.0, "parts": {"fetch": 1.0, "write": 3.0}} for night in (FIRST, CHANGED)}
    told = "\n".join(compared_with({"dlt": [{"version": "1.31.0", "nights": nights}], "floor": [{"nights": nights}]}))
    assert "dlt 1.31.0: first load 4.0 s, 1% changed 4.0 s." in told
    assert "The floor, 1% changed: 4.0 s (fetch 1.00, write 3.00)." in told
    assert compared_with({}) == []


def test_a_measurement_that_fails_is_told_of_and_takes_no_other_with_it(tmp_path: Path) -> None:
    broken = Measurement("floor", "floor", ("--students", "none"), 1)
    unknown = Measurement("dlt", "nothing_of_that_name", (), 1)
    told = {repeat.measurement: repeat for repeat in measured([broken, unknown], tmp_path)}
    assert told["floor"].figures is None
    assert "invalid int value" in told["floor"].failure
    assert "nothing_of_that_name" in told["dlt"].failure


def test_each_measurement_is_run_once_and_repeated_only_while_there_is_time(tmp_path: Path) -> None:
    two = [Measurement("floor", "nothing_of_that_name", (), 2), Measurement("dlt", "nothing_of_that_name", (), 1)]
    in_time = [repeat.measurement for repeat in measured(two, tmp_path)]
    assert in_time == ["floor", "dlt", "floor"]
    assert [repeat.measurement for repeat in measured(two, tmp_path, minutes=0)] == ["floor", "dlt"]


def test_the_full_size_has_two_thousand_districts_and_only_what_is_asked_for_is_measured() -> None:
    [many] = planned(1_000_000, 3, ("many-districts",))
    assert many.options == ("--districts", "2000", "--students", "500")
