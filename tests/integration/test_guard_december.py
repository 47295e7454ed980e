"""A December in fast time: three districts in three time zones, from a week before Thanksgiving to January."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.events import Notice, ReviewDecision
from schemas.records import Student
from schemas.topics import DECISIONS, NOTICES
from services.guard.telling import tell_due
from tests.pipeline import Pipeline, pipeline, until

ZONES = {"albany": "America/New_York", "boulder": "America/Denver", "carson": "America/Los_Angeles"}
REOPENS = {
    "albany": datetime(2027, 1, 4, 5, tzinfo=UTC),
    "boulder": datetime(2027, 1, 4, 7, tzinfo=UTC),
    "carson": datetime(2027, 1, 4, 8, tzinfo=UTC),
}
"""The first instant of 4 January 2027, the first working day, in each zone."""


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    return tmp_path / "clock"


class December:
    """The pipeline with its clock, and what a night of a district looks like."""

    def __init__(self, running: Pipeline, clock: Path) -> None:
        self.running = running
        self._clock = clock
        self.now = datetime(2026, 11, 18, 3, tzinfo=UTC)

    def turn_to(self, instant: datetime) -> None:
        """Make it this time for everybody; the scheduler says what there is to say."""
        self.now = instant
        new = self._clock.with_suffix(".new")
        new.write_text(instant.isoformat(), encoding="utf-8")
        new.replace(self._clock)
        tell_due(self.running.database, instant)

    def night(self, district: str, renamed: int, state: str) -> str:
        """Sync a district of ten students, so many of them renamed; give the change set once its night has ended so."""
        return self.night_of(district, range(10), renamed, state)

    def night_of(self, district: str, numbers: range, renamed: int, state: str) -> str:
        """Sync a district of the students with these numbers, so many of the first ones renamed."""
        students = [
            Student(f"s{n}", None, "Sam", f"Lee {n}", f"Sam {'Moe' if n < renamed else 'Lee'} {n}") for n in numbers
        ]
        sync_id = self.running.publish_snapshot(district, {"students": students})
        night = self.running.ended(sync_id)
        assert night.state == state, night
        return str(night.change_set)

    def applied(self) -> dict[str, list[tuple[str, datetime]]]:
        """Give who or what approved each version of each district, and when."""
        found: dict[str, list[tuple[str, datetime]]] = {district: [] for district in ZONES}
        rows = self.running.query("SELECT district, approval::text FROM ledger ORDER BY district, roster_version")
        for district, approval in rows:
            told = json.loads(approval)
            found[district].append((told["by"], datetime.fromisoformat(told["approved_at"])))
        return found

    def until_version(self, version: int, *districts: str) -> None:
        """Wait until these districts, and no others, are at this version or a later one."""

        def look() -> bool | None:
            rows = self.running.query("SELECT district FROM rosters WHERE roster_version >= %s", version)
            return True if {district for (district,) in rows} >= set(districts) else None

        until(f"version {version} of {', '.join(districts)}", look)
        rows = self.running.query("SELECT district FROM rosters WHERE roster_version >= %s ORDER BY 1", version)
        assert [district for (district,) in rows] == sorted(districts)

    def told(self) -> dict[str, list[str]]:
        """Give what each district's contact was told, in order."""
        self.running.published()
        found: dict[str, list[str]] = {district: [] for district in ZONES}
        notices = [event for event in self.running.events(NOTICES) if isinstance(event, Notice)]
        for notice in sorted(notices, key=lambda notice: notice.noticed_at):
            found[notice.district].append(notice.code)
        return found


@pytest.fixture
def december(kafka: str, database: str, topic_prefix: str, clock: Path) -> Iterator[December]:
    settings = {"ROLLCALL_CLOCK_FILE": str(clock)}
    clock.write_text("2026-11-18T03:00:00Z", encoding="utf-8")
    with pipeline(kafka, database, topic_prefix, "diff", "guard", "apply", "relay", settings=settings) as running:
        running.observe_holidays()
        for district, timezone in ZONES.items():
            running.add_district(district, timezone=timezone, registered_at=datetime(2026, 9, 1, tzinfo=UTC))
        yield December(running, clock)


def test_from_thanksgiving_to_january_nothing_is_applied_in_a_pause_and_all_of_it_at_the_right_hour_after(
    december: December,
) -> None:
    for district in ZONES:
        december.night(district, 0, "applied")
    december.turn_to(datetime(2026, 11, 19, 20, tzinfo=UTC))  # a week before Thanksgiving
    december.turn_to(datetime(2026, 11, 27, 3, tzinfo=UTC))  # the night of Thanksgiving
    for district in ZONES:
        december.night(district, 1, "held")
    december.turn_to(datetime(2026, 11, 28, 8, tzinfo=UTC))  # Saturday has begun, in Los Angeles too
    december.until_version(2, *ZONES)

    december.turn_to(datetime(2026, 12, 12, 3, tzinfo=UTC))  # a week before the winter break
    december.turn_to(datetime(2026, 12, 19, 4, tzinfo=UTC))  # its first night, a Friday
    december.night("albany", 2, "held")
    december.night("boulder", 7, "held")
    older = december.night("carson", 2, "held")
    december.turn_to(datetime(2026, 12, 23, 4, tzinfo=UTC))
    december.night("carson", 3, "held")
    too_large = december.night("boulder", 8, "held")
    approved_at = datetime(2026, 12, 23, 16, tzinfo=UTC)
    december.turn_to(approved_at)
    december.running.publish(
        DECISIONS,
        ReviewDecision(
            district="boulder",
            change_set=too_large,
            decision="approve",
            reviewer="edna",
            reason="they said so",
            decided_at=approved_at,
        ),
    )
    until("it is approved", lambda: december.running.query("SELECT 1 FROM holds WHERE state = 'approved'") or None)
    december.until_version(3)

    for instant in REOPENS.values():
        december.turn_to(instant)
        december.until_version(3, *(one for one in ZONES if REOPENS[one] <= instant))

    thanksgiving = ("pause over", datetime(2026, 11, 28, 8, tzinfo=UTC))
    applied = december.applied()
    assert {district: versions[1] for district, versions in applied.items()} == dict.fromkeys(ZONES, thanksgiving)
    assert {district: versions[2] for district, versions in applied.items()} == {
        "albany": ("pause over", REOPENS["albany"]),
        "boulder": ("reviewer", approved_at),
        "carson": ("pause over", REOPENS["carson"]),
    }
    assert december.running.query("SELECT state FROM holds WHERE change_set = %s", older) == [("superseded",)]
    pauses = ["pause-ahead", "pause-begun", "pause-over"]
    told = december.told()
    assert (told["albany"], told["carson"]) == (pauses * 2, pauses * 2)
    assert told["boulder"] == [*pauses, "pause-ahead", "pause-begun", "held", "held", "pause-over"]
    assert set(december.running.query("SELECT state FROM nights")) == {("applied",), ("superseded",)}


def test_the_weeks_rule_counts_the_days_of_the_installations_clock(december: December) -> None:
    week = [datetime(2026, 11, day, 3, tzinfo=UTC) for day in (3, 4, 10)]
    december.turn_to(week[0])
    december.night_of("albany", range(20), 0, "applied")
    december.night_of("albany", range(11), 0, "applied")  # nine of twenty: 45%
    december.turn_to(week[1])
    december.night_of("albany", range(6), 0, "held")  # five of eleven: 45% again
    told = december.running.query("SELECT reason->>'code' FROM holds, jsonb_array_elements(reasons) AS reason")
    assert told == [("too-large-over-a-week",)]
    december.turn_to(week[2])  # a week after the first of them, to the second
    december.night_of("albany", range(6), 0, "applied")
    assert december.running.query("SELECT applied_at FROM ledger ORDER BY roster_version") == [
        (week[0],),
        (week[0],),
        (week[2],),
    ]
    assert set(december.running.query("SELECT held_at FROM holds")) == {(week[1],)}
    assert december.running.query("SELECT DISTINCT judged_at FROM judgements ORDER BY 1") == [(at,) for at in week]
    assert december.running.query("SELECT state FROM holds") == [("superseded",)]
