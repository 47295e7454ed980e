"""The schedule: every weeknight once, in the district's own time zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import SyncRequested
from services.ingest.schedule import ScheduledDistrict, Window, due, night_sync_id, night_time

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
EVENING = Window(starts=20, hours=6)

_zones = st.sampled_from(sorted(available_timezones()))
_windows = st.builds(Window, starts=st.integers(0, 23), hours=st.integers(1, 10))
_names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)


def _poll(
    district: ScheduledDistrict, window: Window, begin: datetime, steps: list[timedelta]
) -> list[tuple[datetime, SyncRequested]]:
    """Ask what is due at the beginning and after each step, as the scheduler does; give what was asked for, when."""
    asked: set[str] = set()
    found = []
    now = begin
    for step in [timedelta(0), *steps]:
        now += step
        for request in due([district], asked, now, window):
            asked.add(request.sync_id)
            found.append((now, request))
    return found


@settings(deadline=None, max_examples=60)
@given(_names, _zones, _windows, st.dates(date(2024, 1, 1), date(2030, 12, 1)), st.integers(1, 50))
def test_however_often_it_is_asked_every_weeknight_has_exactly_one_sync_in_every_time_zone(
    name: str, zone: str, window: Window, first: date, minutes: int
) -> None:
    district = ScheduledDistrict(name, zone, LONG_AGO)
    begin = datetime.combine(first, datetime.min.time(), ZoneInfo(zone)).astimezone(UTC)
    polls = 21 * 24 * 60 // minutes
    found = _poll(district, window, begin, [timedelta(minutes=minutes)] * polls)
    nights = [first + timedelta(days=day) for day in range(20)]
    ids = [request.sync_id for _, request in found]
    assert len(ids) == len(set(ids))
    assert set(ids) >= {night_sync_id(name, night) for night in nights if night.weekday() < 5}
    assert not {night_sync_id(name, night) for night in nights if night.weekday() >= 5} & set(ids)
    for now, request in found[1:]:
        night = date.fromisoformat(request.sync_id[6:16])
        assert timedelta(0) <= now - night_time(district, night, window) < timedelta(minutes=minutes)
        assert request.reason == "night"


@settings(deadline=None)
@given(_names, _zones, _windows, st.dates(date(2024, 1, 1), date(2030, 12, 1)))
def test_a_sync_begins_within_the_window_of_its_night(name: str, zone: str, window: Window, night: date) -> None:
    district = ScheduledDistrict(name, zone, LONG_AGO)
    starts = datetime.combine(night, datetime.min.time().replace(hour=window.starts), ZoneInfo(zone))
    moment = night_time(district, night, window)
    assert timedelta(0) <= moment - starts.astimezone(UTC) < timedelta(hours=window.hours)


@settings(deadline=None)
@given(
    _names,
    _zones,
    st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)).map(lambda when: when.replace(tzinfo=UTC)),
    st.lists(st.timedeltas(timedelta(minutes=1), timedelta(days=30)), max_size=40),
)
def test_however_irregularly_it_is_asked_no_night_comes_twice_or_before_its_time_or_out_of_order(
    name: str, zone: str, begin: datetime, steps: list[timedelta]
) -> None:
    district = ScheduledDistrict(name, zone, LONG_AGO)
    found = _poll(district, EVENING, begin, steps)
    nights = [date.fromisoformat(request.sync_id[6:16]) for _, request in found]
    assert nights == sorted(set(nights))
    for (now, _), night in zip(found, nights, strict=True):
        assert night_time(district, night, EVENING) <= now


def test_of_several_missed_nights_only_the_newest_is_caught_up() -> None:
    district = ScheduledDistrict("springfield", "America/Chicago", LONG_AGO)
    sunday_noon = datetime(2026, 11, 22, 12, tzinfo=ZoneInfo("America/Chicago"))
    asked_for = [night_sync_id("springfield", date(2026, 11, 17))]
    requests = list(due([district], asked_for, sunday_noon, EVENING))
    assert [(request.sync_id, request.reason) for request in requests] == [
        ("night-2026-11-20-springfield", "caught up")
    ]
    assert list(due([district], [requests[0].sync_id], sunday_noon, EVENING)) == []


def test_a_district_registered_by_day_waits_for_its_first_night() -> None:
    registered_at = datetime(2026, 11, 24, 15, tzinfo=UTC)
    district = ScheduledDistrict("springfield", "America/Chicago", registered_at)
    assert list(due([district], (), registered_at + timedelta(minutes=1), EVENING)) == []
    next_morning = registered_at + timedelta(hours=18)
    assert [request.sync_id for request in due([district], (), next_morning, EVENING)] == [
        "night-2026-11-24-springfield"
    ]


def test_districts_are_spread_over_the_whole_window() -> None:
    night = date(2026, 11, 23)
    moments = [
        night_time(ScheduledDistrict(f"district-{number}", "America/New_York", LONG_AGO), night, EVENING)
        for number in range(600)
    ]
    starts = datetime(2026, 11, 24, 1, tzinfo=UTC)
    by_hour = [
        sum(starts + timedelta(hours=h) <= m < starts + timedelta(hours=h + 1) for m in moments) for h in range(6)
    ]
    assert sum(by_hour) == 600
    assert min(by_hour) > 60
