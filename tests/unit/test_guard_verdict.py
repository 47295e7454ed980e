"""What is done with a change set, given the rules and reviewers' last word; and the clock of a rehearsal."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from schemas.events import ChangeSetStarted, KindCounts
from schemas.records import KINDS
from services import clock
from services.guard.calendar import Pause
from services.guard.judging import UNCHANGED
from services.guard.policy import Circumstances, KindLimit, LookFirst
from services.guard.verdict import Rejection, approvals_needed, verdict
from tests.change_sets import approved

PAUSE = Pause(("Winter break",), date(2026, 12, 18), date(2027, 1, 3), "America/Chicago")
REJECTED = Rejection("ana", "half the school", datetime(2026, 12, 1, tzinfo=UTC))
LOOK_FIRST = LookFirst("ana", "a new provider", datetime(2026, 11, 1, tzinfo=UTC))


def header(changed: int) -> ChangeSetStarted:
    started = approved("springfield", 1, [], {})[0]
    assert isinstance(started, ChangeSetStarted)
    counts = {"students": KindCounts(existing=10, updated=changed)}
    return started.model_copy(update={"counts": counts, "changes": changed})


def circumstances(pause: Pause | None = None, look_first: LookFirst | None = None) -> Circumstances:
    return Circumstances(limits={kind: KindLimit(50) for kind in KINDS}, pause=pause, look_first=look_first)


def test_what_only_a_pause_holds_waits_for_its_last_day_and_what_is_too_large_for_a_reviewer() -> None:
    small, large = verdict(header(1), circumstances(PAUSE), None), verdict(header(6), circumstances(PAUSE), None)
    assert (small.held_by, small.paused_until) == ("pause", date(2027, 1, 3))
    assert (large.held_by, large.paused_until) == ("policy", None)


def test_a_rejected_content_waits_for_a_reviewer_quietly_whatever_else_holds_it() -> None:
    for changed, pause in ((1, None), (6, None), (1, PAUSE), (6, PAUSE)):
        held = verdict(header(changed), circumstances(pause), REJECTED)
        assert (held.held_by, held.quiet, held.paused_until) == ("policy", True, None)
        assert held.reasons[-1].code == "rejected-before"
        assert "ana rejected this very content on 1 December 2026 (half the school)" in held.reasons[-1].text


def test_whoever_wants_to_look_first_is_told_even_of_a_rejected_content() -> None:
    assert not verdict(header(1), circumstances(look_first=LOOK_FIRST), REJECTED).quiet


@pytest.mark.parametrize("rejection", [None, REJECTED])
@pytest.mark.parametrize("pause", [None, PAUSE])
@pytest.mark.parametrize("look_first", [None, LOOK_FIRST])
def test_a_set_without_changes_passes_whatever_the_circumstances_so_that_they_need_not_be_asked_for(
    pause: Pause | None, look_first: LookFirst | None, rejection: Rejection | None
) -> None:
    judged = verdict(header(0), circumstances(pause, look_first), rejection)
    assert replace(judged, limits={}) == UNCHANGED


@pytest.mark.parametrize(("changes", "above", "needed"), [(7, None, 1), (7, 7, 1), (8, 7, 2), (1, 0, 2), (0, 0, 1)])
def test_two_reviewers_are_needed_above_the_size_and_not_at_it(changes: int, above: int | None, needed: int) -> None:
    assert approvals_needed(changes, above) == needed


@pytest.fixture
def clock_file(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "clock"
    clock.rehearse(file)
    yield file
    clock.rehearse(None)


def test_in_a_rehearsal_it_is_the_time_that_the_file_says(clock_file: Path) -> None:
    for told, instant in (
        ("2026-12-18T00:00:00-06:00\n", datetime(2026, 12, 18, 6, tzinfo=UTC)),
        ("2027-01-04T05:00:00Z", datetime(2027, 1, 4, 5, tzinfo=UTC)),
    ):
        clock_file.write_text(told, encoding="utf-8")
        assert clock.now() == instant


def test_a_rehearsal_without_a_zone_is_refused_rather_than_guessed(clock_file: Path) -> None:
    clock_file.write_text("2026-12-18T00:00:00", encoding="utf-8")
    with pytest.raises(ValueError, match="without a zone"):
        clock.now()
