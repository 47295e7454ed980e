"""The documents say what the code does."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from schemas.events import ChangeSetStarted, EmptiedSchool, KindCounts
from schemas.records import KINDS
from services.guard.calendar import Pause
from services.guard.policy import Circumstances, KindLimit, LookFirst, Week
from services.guard.verdict import Rejection, verdict
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
        "classes": KindCounts(existing=50, created=11, removed=11),
    }
    wrong = header.model_copy(
        update={
            "changes": 38,
            "counts": counts,
            "emptied_schools": (EmptiedSchool(school="s1", students=10),),
            "renumbered": {"classes": 11},
        }
    )
    circumstances = Circumstances(
        limits={kind: KindLimit(50) for kind in KINDS},
        week=Week({"classes": 60}, {"classes": 20}),
        pause=Pause(("Thanksgiving",), date(2026, 11, 26), date(2026, 11, 27), "America/New_York"),
        look_first=LookFirst("ana", "a new provider", datetime(2026, 11, 1, tzinfo=UTC)),
    )
    first = header.model_copy(update={"changes": 1, "counts": {"students": KindCounts(created=1)}})
    rejection = Rejection("ana", "half the school", datetime(2026, 11, 1, tzinfo=UTC))
    judged = (verdict(wrong, circumstances, rejection), verdict(first, circumstances, None))
    codes = {reason.code for judgement in judged for reason in judgement.reasons}
    written = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}
    assert codes == written
