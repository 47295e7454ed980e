"""When a district pauses, in any year, time zone and company of other pauses."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from holidays import country_holidays
from hypothesis import given
from hypothesis import strategies as st

from services.guard.calendar import Calendar, Closure, Pause, Summer, house_closures

DAY = timedelta(days=1)
ZONES = [
    "America/New_York",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "America/Adak",
    "America/Puerto_Rico",
    "Pacific/Honolulu",
    "Pacific/Guam",
    "America/Havana",  # clocks change at midnight
    "Asia/Beirut",  # clocks change at midnight
]
THANKSGIVING = {
    2024: 28,
    2025: 27,
    2026: 26,
    2027: 25,
    2028: 23,
    2029: 22,
    2030: 28,
    2031: 27,
    2032: 25,
    2033: 24,
    2034: 23,
    2035: 22,
}
LAST_DAY_OF_WINTER = {
    2024: date(2025, 1, 1),
    2025: date(2026, 1, 1),
    2026: date(2027, 1, 3),
    2027: date(2028, 1, 2),
    2028: date(2029, 1, 1),
    2029: date(2030, 1, 1),
    2030: date(2031, 1, 1),
    2031: date(2032, 1, 1),
    2032: date(2033, 1, 2),
    2033: date(2034, 1, 2),
    2034: date(2035, 1, 1),
    2035: date(2036, 1, 1),
}
zones = st.sampled_from(ZONES)
days = st.dates(date(2024, 1, 1), date(2035, 12, 31))
instants = st.datetimes(datetime(2024, 1, 1), datetime(2035, 12, 31), timezones=st.just(UTC))


@st.composite
def closures(draw: st.DrawFn) -> Closure:
    first = draw(days)
    return Closure(draw(st.sampled_from(["Inventory", "Move", "Storm"])), first, first + DAY * draw(st.integers(0, 40)))


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    summer = draw(st.sampled_from([None, Summer("06-15", "08-10"), Summer("02-29", "06-31")]))
    return Calendar(draw(zones), tuple(draw(st.lists(closures(), max_size=5))), summer)


def local(zone: str, *when: int) -> datetime:
    return datetime(*when, tzinfo=ZoneInfo(zone))  # type: ignore[misc, arg-type]


def test_there_is_a_year_of_both_pauses_in_every_table_of_this_test() -> None:
    assert list(THANKSGIVING) == list(LAST_DAY_OF_WINTER) == list(range(2024, 2036))


@pytest.mark.parametrize("year", THANKSGIVING)
def test_thanksgiving_is_its_thursday_and_the_friday_after(year: int) -> None:
    thursday = date(year, 11, THANKSGIVING[year])
    [pause] = [pause for pause in Calendar("America/Chicago").pauses_of_year(year) if "Thanksgiving" in pause.names]
    assert pause == Pause(("Thanksgiving",), thursday, thursday + DAY, "America/Chicago")
    assert thursday.strftime("%A") == "Thursday"


@pytest.mark.parametrize("year", LAST_DAY_OF_WINTER)
def test_the_winter_break_is_from_18_december_to_the_day_before_the_first_working_day_of_january(year: int) -> None:
    [pause] = [p for p in Calendar("America/Chicago").pauses_of_year(year) if p.first_day == date(year, 12, 18)]
    assert pause == Pause(("Winter break",), date(year, 12, 18), LAST_DAY_OF_WINTER[year], "America/Chicago")


def test_both_pauses_are_those_of_the_federal_holidays_in_every_year() -> None:
    for year in range(2000, 2101):
        federal = country_holidays("US", years=(year, year + 1))
        thanksgiving, winter = house_closures(year)
        assert "Thanksgiving" in federal[thanksgiving.first_day]
        reopening = winter.last_day + DAY
        assert reopening not in federal
        assert reopening.weekday() < 5
        between = (date(year + 1, 1, 2) + DAY * n for n in range((winter.last_day - date(year + 1, 1, 1)).days))
        assert all(day in federal or day.weekday() >= 5 for day in between)


def test_a_year_begins_with_the_break_of_the_year_before() -> None:
    assert [(pause.name, pause.first_day) for pause in Calendar("America/Denver").pauses_of_year(2027)] == [
        ("Winter break", date(2026, 12, 18)),
        ("Thanksgiving", date(2027, 11, 25)),
        ("Winter break", date(2027, 12, 18)),
    ]


@pytest.mark.parametrize("zone", ["America/New_York", "America/Denver", "Pacific/Honolulu"])
def test_a_pause_begins_and_ends_at_midnight_where_the_district_is(zone: str) -> None:
    calendar = Calendar(zone)
    pause = calendar.pause_at(local(zone, 2026, 11, 26))
    assert pause is not None
    assert pause.name == "Thanksgiving"
    assert pause.ends_at == local(zone, 2026, 11, 28)
    assert calendar.pause_at(local(zone, 2026, 11, 27, 23, 59, 59)) == pause
    assert calendar.pause_at(local(zone, 2026, 11, 25, 23, 59, 59)) is None
    assert calendar.pause_at(local(zone, 2026, 11, 28)) is None


@pytest.mark.parametrize(
    ("first_day", "last_day", "hours"), [((2026, 3, 7), (2026, 3, 8), 47), ((2026, 10, 31), (2026, 11, 1), 49)]
)
def test_a_pause_over_a_change_of_clocks_still_ends_at_midnight(
    first_day: tuple[int, int, int], last_day: tuple[int, int, int], hours: int
) -> None:
    [pause] = (
        pause
        for pause in Calendar("America/Chicago", [Closure("Move", date(*first_day), date(*last_day))]).pauses_of_year(
            2026
        )
        if pause.name == "Move"
    )
    assert pause.begins_at == local("America/Chicago", *first_day)
    assert pause.ends_at.astimezone(ZoneInfo("America/Chicago")).time().isoformat() == "00:00:00"
    assert pause.ends_at - pause.begins_at == timedelta(hours=hours)


def test_a_day_without_a_midnight_begins_when_the_clocks_skip_it() -> None:
    skipping = Calendar("Asia/Beirut", [Closure("Move", date(2026, 3, 29), date(2026, 3, 29))])
    pause = skipping.pause_at(datetime(2026, 3, 28, 22, tzinfo=UTC))
    assert pause is not None
    assert skipping.pause_at(datetime(2026, 3, 28, 21, 59, 59, tzinfo=UTC)) is None
    assert pause.ends_at - pause.begins_at == timedelta(hours=23)


def test_pauses_that_overlap_or_adjoin_are_one_with_the_names_of_all() -> None:
    calendar = Calendar(
        "America/Chicago",
        [
            Closure("Inventory", date(2026, 12, 14), date(2026, 12, 17)),
            Closure("New Year", date(2027, 1, 1), date(2027, 1, 5)),
            Closure("Move", date(2027, 1, 7), date(2027, 1, 8)),
        ],
    )
    pause = calendar.pause_at(local("America/Chicago", 2026, 12, 24))
    assert pause is not None
    assert (pause.name, pause.first_day, pause.last_day) == (
        "Inventory and Winter break and New Year",
        date(2026, 12, 14),
        date(2027, 1, 5),
    )
    following = calendar.pause_at(local("America/Chicago", 2027, 1, 7))
    assert following is not None
    assert (following.name, following.first_day) == ("Move", date(2027, 1, 7))


def test_a_closure_that_joins_two_winter_breaks_is_one_pause_in_every_year_it_touches() -> None:
    calendar = Calendar("America/Chicago", [Closure("Move", date(2025, 1, 2), date(2025, 12, 31))])
    one = calendar.pauses_of_year(2025)
    assert [(pause.first_day, pause.last_day) for pause in one] == [(date(2024, 12, 18), date(2026, 1, 1))]
    assert calendar.pauses_of_year(2024)[-1:] == one == calendar.pauses_of_year(2026)[:1]


def test_a_name_that_comes_twice_in_one_pause_is_told_once() -> None:
    days = [Closure("Storm", date(2026, 2, 2), date(2026, 2, 3)), Closure("Storm", date(2026, 2, 4), date(2026, 2, 5))]
    pause = Calendar("America/Chicago", days).pause_at(local("America/Chicago", 2026, 2, 4))
    assert pause == Pause(("Storm",), date(2026, 2, 2), date(2026, 2, 5), "America/Chicago")


def test_a_district_that_asked_for_it_pauses_every_summer() -> None:
    calendar = Calendar("America/Chicago", summer=Summer("06-15", "08-10"))
    for year in (2025, 2026, 2040):
        assert calendar.pauses_of_year(year)[1] == Pause(
            ("Summer",), date(year, 6, 15), date(year, 8, 10), "America/Chicago"
        )
    assert Calendar("America/Chicago").pause_at(local("America/Chicago", 2026, 7, 1)) is None


def test_a_summer_day_that_a_year_does_not_have_is_the_last_of_its_month() -> None:
    calendar = Calendar("America/Chicago", summer=Summer("02-20", "02-29"))
    last_days = [calendar.pauses_of_year(year)[1].last_day for year in (2027, 2028)]
    assert last_days == [date(2027, 2, 28), date(2028, 2, 29)]


@given(calendar=calendars(), now=instants)
def test_an_instant_is_in_a_pause_if_and_only_if_its_day_is(calendar: Calendar, now: datetime) -> None:
    today = now.astimezone(ZoneInfo(calendar.timezone)).date()
    [*around] = [pause for pause in calendar.pauses_of_year(today.year) if pause.first_day <= today <= pause.last_day]
    found = calendar.pause_at(now)
    assert around == ([found] if found is not None else [])


@given(calendar=calendars(), year=st.integers(2024, 2035))
def test_the_pauses_of_a_year_are_in_order_with_a_day_of_work_between_them(calendar: Calendar, year: int) -> None:
    pauses = calendar.pauses_of_year(year)
    assert all(pause.first_day <= pause.last_day for pause in pauses)
    for earlier, later in pairwise(pauses):
        assert later.first_day - earlier.last_day > DAY
        assert earlier.ends_at < later.begins_at


@given(calendar=calendars(), year=st.integers(2024, 2035))
def test_no_closure_is_lost_in_a_merge(calendar: Calendar, year: int) -> None:
    pauses = calendar.pauses_of_year(year)
    for closure in calendar.closures:
        if closure.first_day.year == year:
            [pause] = [p for p in pauses if p.first_day <= closure.first_day and closure.last_day <= p.last_day]
            assert closure.name in pause.names


@given(calendar=calendars(), year=st.integers(2024, 2035))
def test_a_pause_of_two_years_is_the_same_in_both(calendar: Calendar, year: int) -> None:
    over_new_year = calendar.pauses_of_year(year)[-1]
    assert over_new_year == calendar.pauses_of_year(year + 1)[0]


@given(year=st.integers(2024, 2035))
def test_an_organisation_that_does_not_observe_the_holidays_pauses_only_when_it_says(year: int) -> None:
    move = Closure("Move", date(2026, 2, 2), date(2026, 2, 3))
    pauses = Calendar("America/Chicago", [move], observed=False).pauses_of_year(year)
    assert [pause.name for pause in pauses] == (["Move"] if year == 2026 else [])
    assert Calendar("America/Chicago", observed=False).pause_at(local("America/Chicago", year, 12, 25)) is None
