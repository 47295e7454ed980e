"""What a district is judged by, from what is typed to what guard reads in its own role."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from typer.testing import CliRunner

from schemas.events import ChangeSetStarted, KindCounts, Reason
from schemas.records import KINDS, Kind
from services.cli.failures import CommandError
from services.cli.main import app
from services.database.connect import connect
from services.district_rows import district as district_row
from services.district_rows import put_district
from services.districts import District
from services.guard.calendar import Closure, Pause, Summer
from services.guard.policy import Circumstances, ExpectedChange, KindLimit
from services.guard.rules_rows import calendar_of, calendars, circumstances
from tests.cli import Ran, write_package

NOON = datetime(2026, 9, 2, 17, tzinfo=UTC)  # 12:00 in Chicago
BY = ("--by", "ana")


class Typed:
    """Runs commands in this process, as starting one for each would take most of the time."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._settings = settings

    def __call__(self, *arguments: str) -> Ran:
        done = CliRunner().invoke(app, arguments, env=self._settings)
        if isinstance(done.exception, CommandError):
            error = {"error": {"code": done.exception.code}}
            return Ran(done.exception.status, json.dumps(error), done.exception.text)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Ran(done.exit_code, done.stdout, done.stderr)


@pytest.fixture
def rollcall(database: str, tmp_path: Path) -> Typed:
    """The command line of an installation with two districts, of which these commands need the database alone."""
    with connect(database, "rollcall_operator") as connection:
        for district, timezone in (("springfield", "America/Chicago"), ("ogdenville", "Pacific/Honolulu")):
            put_district(
                connection,
                District(
                    district=district, name=district.title(), provider="clever", url="https://x.test", timezone=timezone
                ),
            )
    return Typed({"ROLLCALL_HOME": str(tmp_path), "ROLLCALL_KAFKA": "127.0.0.1:9", "ROLLCALL_DATABASE": database})


@pytest.fixture
def guard(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that may do what guard may do."""
    with connect(database, "rollcall_guard") as connection:
        yield connection


def header(counts: dict[Kind, KindCounts]) -> ChangeSetStarted:
    return ChangeSetStarted(
        district="springfield",
        sync_id="sync-1",
        snapshot_id="snapshot-1",
        change_set="0" * 32,
        base_version=7,
        counts=counts,
        changes=1,
        chunks=1,
        started_at=NOON,
    )


def read(guard: psycopg.Connection[Any], now: datetime = NOON, **counts: KindCounts) -> Circumstances:
    springfield = district_row(guard, "springfield")
    assert springfield is not None
    return circumstances(guard, springfield, now, header(counts), 50)  # type: ignore[arg-type]


def apply(database: str, version: int, at: datetime, **counts: KindCounts) -> None:
    """Write to the ledger that a change set was applied."""
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO ledger (district, roster_version, change_set, sync_id, approval, counts, proofs, defects,"
            " updates, digest, applied_at) VALUES ('springfield', %s, %s, 's', '{}', %s, '[]', '{}', 1, '', %s)",
            (version, f"set-{version}", Jsonb({kind: one.model_dump() for kind, one in counts.items()}), at),
        )


def test_a_district_of_which_nothing_was_said_is_judged_by_the_default_of_every_kind(
    rollcall: Typed, guard: psycopg.Connection[Any]
) -> None:
    plain = read(guard, students=KindCounts(existing=9))
    assert plain == Circumstances({kind: KindLimit(50) for kind in KINDS}, week=plain.week)
    assert (plain.week.existing_at_start, plain.week.removed) == ({"students": 9}, {})


def test_a_limit_is_set_listed_replaced_and_removed(rollcall: Typed, guard: psycopg.Connection[Any]) -> None:
    limit = ("limit", "set", "springfield", "--kind", "teachers", *BY, "--json")
    [first] = rollcall(*limit, "--percent", "30", "--floor", "20").object["limits"]
    assert (first["kind"], first["percent"], first["floor"], first["set_by"]) == ("teachers", 30, 20, "ana")
    assert rollcall(*limit, "--percent", "40", "--floor", "20").status == 0
    listed = rollcall("limit", "list", "--json").object
    assert (listed["default_percent"], [row["percent"] for row in listed["limits"]]) == (50, [40])
    assert read(guard).limits["teachers"] == KindLimit(40, 20)
    removing = ("limit", "remove", "springfield", "--kind", "teachers", "--json")
    assert rollcall(*removing).object["removed"] == ["teachers"]
    assert rollcall(*removing).status == 1
    assert read(guard).limits["teachers"] == KindLimit(50)


def test_an_expected_change_raises_the_limit_on_its_days_in_the_districts_time_zone_and_never_lowers_it(
    rollcall: Typed, guard: psycopg.Connection[Any]
) -> None:
    add = ("expect", "add", "springfield", *BY, "--from", "2026-09-01", "--to", "2026-09-02", "--json")
    classes = ("--kind", "classes", "--kind", "places", "--limit", "90", "--reason", "new term")
    added = rollcall(*add, *classes).object["expected"]
    assert [row["kind"] for row in added] == ["classes", "places"]
    rollcall(*add, "--kind", "classes", "--limit", "70", "--reason", "less")
    rollcall(*add, "--kind", "students", "--limit", "40", "--reason", "less than the limit")
    expected = ExpectedChange(90, date(2026, 9, 1), date(2026, 9, 2), "new term")
    begins, ends = datetime(2026, 9, 1, 5, tzinfo=UTC), datetime(2026, 9, 3, 5, tzinfo=UTC)  # midnight in Chicago
    second = timedelta(seconds=1)
    for now, raised in ((begins - second, False), (begins, True), (ends - second, True), (ends, False)):
        limits = read(guard, now).limits
        assert limits["classes"] == (KindLimit(90, expected=expected) if raised else KindLimit(50)), now
        assert limits["students"] == KindLimit(50)
    assert len(rollcall("expect", "list", "--json").object["expected"]) == 4
    for row in added:
        assert rollcall("expect", "remove", str(row["id"]), "--json").object["removed"]
    assert rollcall("expect", "remove", str(added[0]["id"])).status == 1
    assert read(guard).limits["classes"].percent == 70


def test_closures_hold_for_everybody_or_one_district_and_a_summer_for_its_own(
    rollcall: Typed, guard: psycopg.Connection[Any]
) -> None:
    rollcall("pause", "holidays", "on")
    pause = ("pause", "add", *BY, "--json")
    everybody = rollcall(*pause, "--name", "Inventory", "--from", "2026-12-14", "--to", "2026-12-17").object
    one = rollcall(*pause, "--name", "Storm", "--from", "2026-10-05", "--district", "springfield").object
    assert (everybody["district"], one["district"], one["last_day"]) == (None, "springfield", "2026-10-05")
    assert rollcall("pause", "add", "--district", "springfield", "--summer", "06-15..08-10").status == 0
    found = calendars(guard)
    inventory = Closure("Inventory", date(2026, 12, 14), date(2026, 12, 17))
    storm = Closure("Storm", date(2026, 10, 5), date(2026, 10, 5))
    assert found["ogdenville"].closures == (inventory,)
    assert found["springfield"].closures == (storm, inventory)
    assert (found["springfield"].summer, found["ogdenville"].summer) == (Summer("06-15", "08-10"), None)
    for district, calendar in found.items():
        registered = district_row(guard, district)
        assert registered is not None
        assert calendar_of(guard, registered) == calendar
    winter = Pause(("Inventory", "Winter break"), date(2026, 12, 14), date(2027, 1, 3), "America/Chicago")
    assert read(guard, datetime(2026, 12, 20, tzinfo=UTC)).pause == winter
    assert read(guard, datetime(2026, 10, 6, tzinfo=UTC)).pause is not None  # still the 5th in Chicago
    assert read(guard, datetime(2026, 10, 6, 5, tzinfo=UTC)).pause is None


def test_an_organisation_may_keep_another_calendar_than_the_holidays(
    rollcall: Typed, guard: psycopg.Connection[Any]
) -> None:
    christmas = datetime(2026, 12, 25, 18, tzinfo=UTC)
    assert rollcall("pause", "holidays", "on", "--json").object == {"observed": True}
    assert read(guard, christmas).pause is not None
    assert rollcall("pause", "holidays", "off", "--json").object == {"observed": False}
    assert read(guard, christmas).pause is None
    assert rollcall("pause", "list", "--year", "2026", "--json").object["closures"] == []


def test_the_list_of_a_year_shows_built_in_closures_and_for_a_district_the_pauses_they_make(rollcall: Typed) -> None:
    rollcall("pause", "holidays", "on")
    rollcall("pause", "add", "--name", "Inventory", "--from", "2026-12-14", "--to", "2026-12-17", *BY)
    rollcall("pause", "add", "--district", "ogdenville", "--summer", "06-15..08-10", *BY)
    listed = rollcall("pause", "list", "--year", "2026", "--json").object
    assert [(one["name"], one["first_day"]) for one in listed["closures"]] == [
        ("Winter break", "2025-12-18"),
        ("Thanksgiving", "2026-11-26"),
        ("Inventory", "2026-12-14"),
        ("Winter break", "2026-12-18"),
    ]
    [summer] = listed["summers"]
    assert (summer["district"], summer["first_day"], summer["last_day"]) == ("ogdenville", "06-15", "08-10")
    assert (summer["added_by"], datetime.fromisoformat(summer["added_at"]) <= datetime.now(UTC)) == ("ana", True)
    assert listed["pauses"] is None
    of_one = rollcall("pause", "list", "--year", "2026", "--district", "ogdenville", "--json").object
    assert [(pause["name"], pause["ends_at"]) for pause in of_one["pauses"]] == [
        ("Winter break", "2026-01-02T10:00:00+00:00"),
        ("Summer", "2026-08-11T10:00:00+00:00"),
        ("Thanksgiving", "2026-11-28T10:00:00+00:00"),
        ("Inventory and Winter break", "2027-01-04T10:00:00+00:00"),
    ]
    for_people = rollcall("pause", "list", "--year", "2026").out
    assert "built in" in for_people
    [inventory] = (str(one["id"]) for one in listed["closures"] if one["id"] is not None)
    assert rollcall("pause", "remove", inventory).status == 0
    assert rollcall("pause", "remove", inventory).status == 1
    assert rollcall("pause", "remove", "--district", "ogdenville", "--summer").status == 0
    after = rollcall("pause", "list", "--year", "2026", "--json").object
    assert (len(after["closures"]), after["summers"]) == (3, [])


def test_an_operator_who_wants_to_look_first_is_known_to_guard_until_it_is_taken_back(
    rollcall: Typed, guard: psycopg.Connection[Any]
) -> None:
    rollcall("look-first", "add", "springfield", "--reason", "first night with ClassLink", *BY)
    look_first = read(guard).look_first
    assert look_first is not None
    assert (look_first.asked_by, look_first.reason) == ("ana", "first night with ClassLink")
    assert [row["district"] for row in rollcall("look-first", "list", "--json").object["look_first"]] == ["springfield"]
    assert rollcall("look-first", "remove", "springfield").status == 0
    assert read(guard).look_first is None


def test_nothing_is_said_about_a_district_that_is_not_registered(rollcall: Typed) -> None:
    for typed in (
        ("pause", "add", "--district", "nowhere", "--name", "Storm", "--from", "2026-10-05"),
        ("pause", "add", "--district", "nowhere", "--summer", "06-15..08-10"),
        ("limit", "set", "nowhere", "--kind", "classes", "--percent", "30"),
        ("look-first", "add", "nowhere", "--reason", "because"),
    ):
        ran = rollcall(*typed, "--json")
        assert (ran.status, ran.object["error"]["code"]) == (1, "unknown-district"), typed


def test_the_week_is_what_was_applied_in_seven_days_measured_from_the_first_total_that_was_not_0(
    rollcall: Typed, database: str, guard: psycopg.Connection[Any]
) -> None:
    day = timedelta(days=1)
    apply(database, 1, NOON - 7 * day, students=KindCounts(existing=900, removed=400))
    apply(database, 2, NOON - 6 * day, students=KindCounts(existing=500, removed=20), teachers=KindCounts(created=40))
    apply(database, 3, NOON - day, students=KindCounts(existing=480, removed=5), teachers=KindCounts(existing=40))
    week = read(guard, students=KindCounts(existing=475), classes=KindCounts(existing=12)).week
    assert week.existing_at_start == {"students": 500, "teachers": 40, "classes": 12}
    assert week.removed == {"students": 25, "teachers": 0}


def test_replay_says_which_past_nights_another_limit_would_have_held_or_let_through(
    rollcall: Typed, database: str
) -> None:
    with psycopg.connect(database) as connection:
        for number, (judged_at, updated) in enumerate(
            [("2026-09-30 23:59", 45), ("2026-10-01 00:00", 20), ("2026-10-02 01:00", 40), ("2026-10-03 01:00", 60)]
        ):
            over = Reason(code="too-large", kind="students", text="over", changed=updated, existing=100, limit=50)
            reasons = [over.model_dump(exclude_none=True)] if updated > 50 else []
            counts = {"students": KindCounts(existing=100, updated=updated).model_dump()}
            connection.execute(
                "INSERT INTO judgements (change_set, snapshot_id, district, verdict, reasons, counts, judged_at) VALUES"
                " (%s, 's', 'springfield', %s, %s, %s, %s::timestamp AT TIME ZONE 'America/Chicago')",
                (f"set-{number}", "hold" if reasons else "pass", Jsonb(reasons), Jsonb(counts), judged_at),
            )
    replayed = rollcall("guard", "replay", "--limit", "30", "--since", "2026-10-01", "--json").object
    assert (replayed["judged"], replayed["held_then"], replayed["would_be_held"]) == (3, 1, 2)
    assert [(one["change_set"], one["held_then"], one["would_be_held"]) for one in replayed["nights"]] == [
        ("set-1", False, False),
        ("set-2", False, True),
        ("set-3", True, True),
    ]
    for_people = rollcall("guard", "replay", "--limit", "70", "--since", "2026-10-01").out
    assert "set-3" in for_people
    assert "set-2" not in for_people
    assert "3 change sets were judged: 1 were held, 0 would be at 70%." in for_people
    of_classes = rollcall("guard", "replay", "--limit", "0", "--since", "2026-10-01", "--kind", "classes", "--json")
    assert of_classes.object["would_be_held"] == 1


def test_a_plan_is_judged_by_what_a_night_would_be_judged_by(rollcall: Typed, database: str, tmp_path: Path) -> None:
    package = write_package(tmp_path / "roster", 12)
    with connect(database, "rollcall_operator") as connection:
        put_district(
            connection,
            District(
                district="shelbyville", name="Shelbyville", provider="oneroster-csv", url=str(package), setting_up=True
            ),
        )
    assert rollcall("plan", "shelbyville", "--json").object["outcome"] == "applied"
    rollcall("look-first", "add", "shelbyville", "--reason", "first night", *BY)
    yesterday, tomorrow = (str((datetime.now(UTC) + timedelta(days=days)).date()) for days in (-1, 1))
    rollcall("pause", "add", "--name", "Storm", "--from", yesterday, "--to", tomorrow, *BY)
    planned = rollcall("plan", "shelbyville", "--json")
    assert (planned.status, planned.object["outcome"]) == (3, "held")
    assert [reason["code"] for reason in planned.object["reasons"]] == ["paused", "look-first"]
