"""Bars and lines of the desk's charts, and the words beside them."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from services.guard.desk.answers import Counts, HeldSetShown, NightShown, ReasonShown
from services.guard.desk.web.charts import HEIGHT, ShareBar, history_chart, share_bar
from services.guard.desk.web.plain_words import coming, removed_in_the_week

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


def held(**known: Any) -> HeldSetShown:
    return HeldSetShown(**{field.name: known.get(field.name, ()) for field in fields(HeldSetShown)})


def night(days: float = 0, **known: Any) -> NightShown:
    about: dict[str, Any] = {
        "outcome": "applied",
        "began_at": AT,
        "ended_at": AT - timedelta(days=days),
        "counts": {},
        "limits": {},
    }
    row: dict[str, Any] = dict.fromkeys(field.name for field in fields(NightShown)) | about | known
    return NightShown(**row)


def test_a_bar_is_full_where_a_kind_reaches_its_limit_whatever_the_limit_is() -> None:
    counts = {"students": Counts(existing=200, updated=10, removed=10), "classes": Counts(existing=10, created=6)}
    over = (ReasonShown("too-large", "x", "classes", 6, 10, 50),)
    shown = held(counts=counts, limits={"students": 10, "classes": 50}, reasons=over)
    assert share_bar(shown, "students") == ShareBar(100.0, 50.0, 10, 10, is_over=False)
    assert share_bar(shown, "classes") == ShareBar(100.0, 0.0, 60, 50, is_over=True)


def test_without_a_limit_a_bar_is_the_share_of_what_exists() -> None:
    shown = held(counts={"students": Counts(existing=200, removed=50)}, limits={}, reasons=())
    assert share_bar(shown, "students") == ShareBar(25.0, 25.0, 25, None, is_over=False)


def test_any_change_where_nothing_exists_or_nothing_may_change_fills_the_bar() -> None:
    counts = {"students": Counts(created=1), "classes": Counts(existing=10, removed=1), "schools": Counts(existing=3)}
    shown = held(counts=counts, limits={"students": 50, "classes": 0, "schools": 0}, reasons=())
    assert share_bar(shown, "students").changed == 100
    assert (share_bar(shown, "classes").changed, share_bar(shown, "classes").removed) == (100, 100)
    assert share_bar(shown, "schools").changed == 0


def test_the_line_of_the_chart_is_the_limit_that_was_told_last_else_the_houses() -> None:
    nights = [night(limits={"students": 20}), night(limits={"students": 40, "classes": 30}), night()]
    assert (history_chart(nights, 50).limit, history_chart(nights, 50).limit_y) == (30, HEIGHT * 0.7)
    assert history_chart([night()], 50).limit == 50


def test_what_left_in_the_seven_days_before_a_set_was_held_is_counted_from_applied_nights_alone() -> None:
    left = {"students": Counts(existing=100, removed=2), "classes": Counts(existing=10, removed=1)}
    nights = [
        night(8, counts=left), night(6, counts=left), night(1, counts=left), night(-1, counts=left),
        night(2, counts=left, outcome="rejected"),
    ]  # fmt: skip
    assert removed_in_the_week(nights, AT) == "4 students and 2 classes"
    assert removed_in_the_week([night(1)], AT) is None


def test_a_night_to_come_is_tonights_until_the_next_morning() -> None:
    evening = datetime(2026, 11, 24, 23, tzinfo=UTC)  # 17:00 in Chicago
    assert coming(evening + timedelta(hours=4), "America/Chicago", evening) == "tonight, 21:00 CST"
    assert coming(evening + timedelta(hours=8), "America/Chicago", evening) == "tonight, 01:00 CST"
    assert coming(evening + timedelta(days=3), "America/Chicago", evening) == "Fri 27 Nov, 17:00 CST"
