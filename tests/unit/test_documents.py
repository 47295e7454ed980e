"""The documents say what the code does."""

from pathlib import Path

import pytest

from schemas.events import ChangeSetStarted, KindCounts
from services.guard.policy import Hold, Limits, judge
from services.settings import Settings
from tests.change_sets import approved

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_in_the_operators_manual_as_it_is_described_in_the_code(name: str) -> None:
    line = next(
        (
            line
            for line in (DOCS / "operate.md").read_text(encoding="utf-8").splitlines()
            if line.startswith(f"| `ROLLCALL_{name.upper()}` |")
        ),
        "",
    )
    assert line.endswith(f"| {Settings.model_fields[name].description} |")


def test_every_reason_to_hold_is_in_the_reviewers_manual() -> None:
    text = (DOCS / "review.md").read_text(encoding="utf-8")
    header = approved("springfield", 1, [], {})[0]
    assert isinstance(header, ChangeSetStarted)
    counts = {
        "teachers": KindCounts(existing=10, updated=6),
        "students": KindCounts(existing=10, removed=10),
        "classes": KindCounts(created=1),
    }
    judged = judge(header.model_copy(update={"counts": counts}), Limits(50), setting_up=False)
    assert isinstance(judged, Hold)
    codes = {reason.code for reason in judged.reasons}
    assert codes == {"too-large", "emptied-collection", "first-load"}
    assert all(f"| `{code}` |" in text for code in codes)
