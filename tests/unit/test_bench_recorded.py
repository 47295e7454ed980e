"""Recorded nights: made once, and served while what they say is still so."""

from datetime import date, timedelta
from pathlib import Path

from deploy.sandbox.district import DistrictDefinition
from tests.bench.recorded import KEPT, recorded, truth

TODAY = date(2026, 9, 1)


def _definition(day: date) -> DistrictDefinition:
    return DistrictDefinition(
        district="springfield", name="S", provider="clever", students=30, seed=1, anchor=day, script=("first",)
    )


def test_a_recording_is_served_for_a_month_and_then_made_anew(tmp_path: Path) -> None:
    made, _ = recorded(tmp_path, "30", _definition(TODAY), 1)
    other, _ = recorded(tmp_path, "30-oneroster", _definition(TODAY + KEPT), 1)
    again, definition = recorded(tmp_path, "30", _definition(TODAY + KEPT), 1)
    anew, _ = recorded(tmp_path, "30", _definition(TODAY + KEPT + timedelta(days=1)), 1)
    assert (again, definition.anchor) == (made, TODAY)
    assert len({made, other, anew}) == 3
    assert truth(anew, 1).totals()["students"] == 30
