"""What districts are told of pauses, lost connections and conflicts."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from schemas.events import Notice
from services.guard.calendar import Pause
from services.guard.pause_notices import pause_notices
from services.guard.standing_notices import Conflicts, Refused, conflicts_notice, disconnected_notice

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
THANKSGIVING = Pause(("Thanksgiving",), date(2026, 11, 26), date(2026, 11, 27), "America/Chicago")
BEGINS, ENDS = datetime(2026, 11, 26, 6, tzinfo=UTC), datetime(2026, 11, 28, 6, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def _told(now: datetime, pause: Pause = THANKSGIVING, registered_at: datetime = LONG_AGO) -> list[Notice]:
    return list(pause_notices("springfield", registered_at, [pause], now))


def _minutes(first: datetime, last: datetime) -> Iterator[datetime]:
    while first <= last:
        yield first
        first += timedelta(minutes=7)


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (BEGINS - timedelta(days=7) - SECOND, None),
        (BEGINS - timedelta(days=7), "pause-ahead"),
        (BEGINS - SECOND, "pause-ahead"),
        (BEGINS, "pause-begun"),
        (ENDS - SECOND, "pause-begun"),
        (ENDS, "pause-over"),
        (ENDS + timedelta(days=3) - SECOND, "pause-over"),
        (ENDS + timedelta(days=3), None),
    ],
)
def test_a_pause_is_told_a_week_ahead_at_its_midnight_and_when_it_is_over_in_the_districts_own_zone(
    now: datetime, code: str | None
) -> None:
    assert [notice.code for notice in _told(now)] == ([code] if code else [])


def test_over_weeks_of_turns_a_pause_makes_three_notices() -> None:
    turns = _minutes(BEGINS - timedelta(days=10), ENDS + timedelta(days=10))
    subjects = {(notice.code, notice.subject_id, notice.text) for now in turns for notice in _told(now)}
    assert sorted(code for code, _, _ in subjects) == ["pause-ahead", "pause-begun", "pause-over"]


def test_a_notice_of_a_pause_names_it_its_days_and_the_day_on_which_updates_go_on() -> None:
    (ahead,) = _told(BEGINS - timedelta(days=2))
    assert ahead.text == (
        "Roster updates will pause for Thanksgiving, from Thursday, 26 November 2026 to Friday, 27 November 2026, both "
        "included. They go on from Saturday, 28 November 2026 (days in America/Chicago time)."
    )
    assert all("Saturday, 28 November 2026" in notice.text for notice in (*_told(BEGINS), *_told(ENDS)))


def test_a_pause_whose_days_change_is_told_anew() -> None:
    longer = replace(THANKSGIVING, last_day=date(2026, 11, 30))
    (before,), (after,) = _told(BEGINS - timedelta(days=2)), _told(BEGINS - timedelta(days=2), longer)
    assert before.subject_id != after.subject_id


def test_a_district_is_not_told_of_pauses_that_were_over_before_it_was_registered() -> None:
    assert _told(ENDS + timedelta(hours=2), registered_at=ENDS + timedelta(hours=1)) == []
    assert len(_told(ENDS + timedelta(hours=2), registered_at=ENDS - timedelta(hours=1))) == 1


def test_a_lost_connection_is_told_once_for_its_first_night_with_the_provider_and_the_time_in_words() -> None:
    refused = Refused("springfield", "clever", "night-1", "disconnected", datetime(2026, 11, 22, 3, tzinfo=UTC), "UTC")
    notice = disconnected_notice(refused, datetime(2026, 11, 24, tzinfo=UTC))
    assert (notice.code, notice.subject_id) == ("disconnected", "night-1")
    assert notice.text == (
        "Clever no longer shares the district's roster with us since Sunday, 22 November 2026, 03:00 UTC."
    )
    other = disconnected_notice(replace(refused, failure_code="wrong-credentials", provider="classlink"), LONG_AGO)
    assert other.text.startswith("ClassLink does not accept our credentials")


MORNING = datetime(2026, 11, 24, 14, tzinfo=UTC)
TWO = Conflicts("springfield", "America/Chicago", teachers=1, students=2, text=None, noticed_at=None)


def test_conflicts_are_told_as_numbers_by_day_and_not_at_night() -> None:
    notice = conflicts_notice(TWO, MORNING)
    assert notice is not None
    assert notice.text.startswith("1 teacher and 2 students have accounts that do not fit together")
    assert notice.subject_id == "conflicts-2026-11-24"
    assert conflicts_notice(TWO, datetime(2026, 11, 24, 12, 59, tzinfo=UTC)) is None
    assert conflicts_notice(TWO, datetime(2026, 11, 24, 13, tzinfo=UTC)) is not None


def test_conflicts_are_told_again_when_their_number_changes_once_a_day_and_after_a_week_when_it_does_not() -> None:
    first = conflicts_notice(TWO, MORNING)
    assert first is not None
    told = replace(TWO, text=first.text, noticed_at=MORNING)
    more = replace(told, students=3)
    assert conflicts_notice(more, MORNING + timedelta(hours=5)) is None
    assert conflicts_notice(more, MORNING + timedelta(days=1)) is not None
    assert conflicts_notice(told, MORNING + timedelta(days=1)) is None
    assert conflicts_notice(told, MORNING + timedelta(days=7)) is not None
