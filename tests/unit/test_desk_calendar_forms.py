"""What an operator types about the calendar, and what it would hold, without a database."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from services.guard.calendar import Calendar, Closure, Summer
from services.guard.desk.foresight import WouldHold, next_night, nights_on, would_hold
from services.guard.desk.web.calendar_forms import NewExpected, NewPause, NewSummer, Reading, Typed, What
from services.guard.desk.web.labels import Labels
from services.guard.desk.web.plain_words import DistrictLabel, would_hold_in_words
from services.ingest.schedule import ScheduledDistrict, Window

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
EVENING = Window(20, 1)
LABELS = Labels([DistrictLabel("springfield", "Springfield Unified", "America/Chicago", has_nights=True)])
PAUSE = Typed(name="Inventory", first_day="2027-06-14", last_day="2027-06-16")
EXPECTED = Typed("springfield", "", "2027-06-14", "2027-06-16", ("classes", "places"), "90", "new school year")
SUMMER = Typed("springfield", first_day="06-15", last_day="08-10")
WEEK = Closure("Inventory", date(2027, 6, 14), date(2027, 6, 20))  # a Monday to a Sunday


def district(timezone: str = "America/Chicago", name: str = "springfield") -> ScheduledDistrict:
    return ScheduledDistrict(name, timezone, AT)


def calendar(*closures: Closure, summer: Summer | None = None) -> Calendar:
    return Calendar("America/Chicago", closures, summer, observed=False)


def test_a_pause_holds_the_weeknights_that_come_in_it() -> None:
    districts = [(district(), calendar()), (district("Pacific/Honolulu", "lakeside"), calendar())]
    assert would_hold(WEEK, districts, EVENING, AT) == WouldHold(districts=2, fewest=5, most=5, already=0)


def test_a_night_after_midnight_is_held_by_the_pause_of_the_day_it_comes_on() -> None:
    after_midnight = Window(23, 10)  # this district's place in it is in the small hours
    monday = Closure("Monday", date(2027, 6, 14), date(2027, 6, 14))
    tuesday = Closure("Tuesday", date(2027, 6, 15), date(2027, 6, 15))
    districts = [(district(), calendar())]
    assert would_hold(monday, districts, after_midnight, AT).districts == 0
    assert would_hold(tuesday, districts, after_midnight, AT).most == 1


def test_nights_that_another_pause_holds_already_and_nights_that_are_over_are_not_counted_again() -> None:
    summer = calendar(summer=Summer("06-17", "08-10"))
    assert would_hold(WEEK, [(district(), summer)], EVENING, AT) == WouldHold(1, 3, 3, already=2)
    late = datetime(2027, 6, 16, 12, tzinfo=UTC)
    assert would_hold(WEEK, [(district(), calendar())], EVENING, late).most == 3
    assert would_hold(WEEK, [(district(), calendar(WEEK))], EVENING, AT) == WouldHold(0, 0, 0, already=5)


def test_what_would_be_held_is_said_in_one_sentence() -> None:
    assert would_hold_in_words(WouldHold(128, 3, 3, 0), None, None) == "It would hold 3 nights of 128 districts."
    assert would_hold_in_words(WouldHold(2, 2, 3, 0), None, None) == "It would hold 2 to 3 nights of 2 districts."
    one = would_hold_in_words(WouldHold(1, 1, 1, 1), "Lakeside", 2027)
    assert one == "It would hold 1 night of Lakeside in 2027. 1 night in it other pauses hold already."
    assert would_hold_in_words(WouldHold(0, 0, 0, 0), None, None) == "It would hold no night that is still to come."


def test_an_expected_change_counts_the_nights_on_its_days() -> None:
    assert nights_on(district(), date(2027, 6, 14), date(2027, 6, 20), EVENING, AT) == 5
    assert nights_on(district(), date(2027, 6, 19), date(2027, 6, 20), EVENING, AT) == 0


def test_the_next_night_after_fridays_is_mondays() -> None:
    after_friday = datetime(2026, 11, 28, 6, tzinfo=UTC)  # midnight in Chicago
    assert next_night(district(), after_friday, EVENING).date() == date(2026, 12, 1)  # Monday evening there
    assert next_night(district(), AT, EVENING).date() == date(2026, 11, 25)


def test_what_is_meant_is_read_as_the_command_line_reads_it() -> None:
    for what, typed in {"pause": PAUSE, "expected": EXPECTED, "summer": SUMMER}.items():
        reading = Reading(typed, LABELS)
        entry = reading.entry(what)  # type: ignore[arg-type]
        assert reading.wrong == {}
        assert isinstance(entry, {"pause": NewPause, "expected": NewExpected, "summer": NewSummer}[what])
    alone = Reading(replace(PAUSE, last_day=""), LABELS).entry("pause")
    assert isinstance(alone, NewPause)
    assert alone.closure.last_day == alone.closure.first_day


@pytest.mark.parametrize(
    ("what", "typed", "field", "sentence"),
    [
        ("pause", replace(PAUSE, name="  "), "name", "The name must not be empty."),
        ("pause", replace(PAUSE, first_day="tomorrow"), "first_day", "'tomorrow' is not a day"),
        ("pause", replace(PAUSE, first_day=""), "first_day", "Choose the first day."),
        ("pause", replace(PAUSE, last_day="2027-06-13"), "last_day", "2027-06-13 is before the first day, 2027-06-14."),
        ("pause", replace(PAUSE, last_day="2029-06-13"), "last_day", "more than a year"),
        ("pause", replace(PAUSE, district="shelbyville"), "district", "Choose a district."),
        ("expected", replace(EXPECTED, district=""), "district", "Choose a district."),
        ("expected", replace(EXPECTED, kinds=()), "kinds", "Choose at least one kind."),
        ("expected", replace(EXPECTED, kinds=("pupils",)), "kinds", "'pupils' is none of schools"),
        ("expected", replace(EXPECTED, percent="101"), "percent", "'101' is not a whole number from 0 to 100."),
        ("expected", replace(EXPECTED, percent="-1"), "percent", "'-1' is not a whole number"),
        ("expected", replace(EXPECTED, percent=""), "percent", "'' is not a whole number"),
        ("expected", replace(EXPECTED, reason=" "), "reason", "The reason must not be empty."),
        ("summer", replace(SUMMER, last_day="06-01"), "last_day", "ends before it begins"),
        ("summer", replace(SUMMER, first_day="06-31"), "last_day", "is not two days of a year"),
    ],
)
def test_what_cannot_be_meant_is_told_at_its_field_in_words(
    what: What, typed: Typed, field: str, sentence: str
) -> None:
    reading = Reading(typed, LABELS)
    assert reading.entry(what) is None
    assert sentence in reading.wrong[field]
