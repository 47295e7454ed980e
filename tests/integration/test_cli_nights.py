"""Nights from the command line, with every worker at work: sync, plan, held, subscribe, doctor."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest

from schemas.events import RosterSynced
from schemas.topics import APPROVED, SNAPSHOTS, UPDATES, Worker
from services.database.connect import connect
from tests.cli import Cli, write_package
from tests.pipeline import Pipeline, pipeline

WORKERS: tuple[Worker, ...] = tuple(worker for worker in get_args(Worker) if worker != "scheduler")
KEYS = {
    "district",
    "sync_id",
    "outcome",
    "roster_version",
    "counts",
    "reasons",
    "defects",
    "change_set",
}


@dataclass
class Installation:
    """A running installation, its command line, and a folder for its districts' packages."""

    running: Pipeline
    rollcall: Cli
    folder: Path

    def district(self, students: int = 10, *options: str) -> str:
        """Register a district whose package has so many students."""
        name = f"d{uuid.uuid4().hex[:10]}"
        self.package(name, students)
        added = self.rollcall(
            "district", "add", name, "--name", "A district", "--provider", "oneroster-csv",
            "--url", str(self.folder / name), *(options or ("--setting-up",)),
        )  # fmt: skip
        assert added.status == 0, added.err
        return name

    def package(self, district: str, students: int, *, first: int = 1) -> None:
        """Have the district's package hold these students from now on."""
        write_package(self.folder / district, students, first=first)

    def synced(self, district: str) -> dict[str, Any]:
        """Sync the district; give the answer."""
        return self.rollcall("sync", district, "--wait", "--json").object

    def held(self) -> tuple[str, str]:
        """Give a district with 10 students, and its held change set that replaces 8 of them."""
        district = self.district()
        assert self.synced(district)["outcome"] == "applied"
        self.package(district, 10, first=9)
        return district, self.synced(district)["change_set"]


@pytest.fixture(scope="module")
def installation(
    kafka: str, shared_database: str, shared_topic_prefix: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """One installation for all tests here, each with districts of its own."""
    folder = tmp_path_factory.mktemp("districts")
    with pipeline(kafka, shared_database, shared_topic_prefix, *WORKERS) as running:
        yield Installation(running, Cli.of(folder, kafka, shared_database, shared_topic_prefix), folder)


def test_a_first_sync_that_is_waited_for_answers_that_it_is_applied(installation: Installation) -> None:
    district = installation.district(10)
    ran = installation.rollcall("sync", district, "--wait", "--json")
    assert ran.status == 0, ran.err
    answered = ran.object
    assert answered.keys() == KEYS
    assert (answered["district"], answered["outcome"], answered["roster_version"]) == (district, "applied", 1)
    assert answered["counts"]["students"] == {"existing": 0, "created": 10, "updated": 0, "removed": 0}
    assert answered["counts"]["places"]["created"] == 11
    assert set(answered["counts"]) == {"schools", "teachers", "students", "classes", "places"}
    assert answered["reasons"] == []
    assert len(answered["change_set"]) == 32
    assert answered["defects"] == {code: number for code, number in answered["defects"].items() if number > 0}


def test_a_sync_that_changes_nothing_answers_unchanged_at_the_same_version(installation: Installation) -> None:
    district = installation.district()
    installation.synced(district)
    answered = installation.synced(district)
    assert (answered["outcome"], answered["roster_version"]) == ("unchanged", 1)
    assert answered["counts"]["students"] == {"existing": 10, "created": 0, "updated": 0, "removed": 0}


def test_a_sync_that_is_held_exits_with_3_and_names_its_reasons(installation: Installation) -> None:
    district = installation.district()
    installation.synced(district)
    installation.package(district, 10, first=9)
    ran = installation.rollcall("sync", district, "--wait", "--json")
    assert ran.status == 3
    assert (ran.object["outcome"], ran.object["roster_version"]) == ("held", 1)
    codes = {(reason["code"], reason["kind"]) for reason in ran.object["reasons"]}
    assert ("too-large", "students") in codes
    assert all(reason.keys() == {"code", "kind", "text"} for reason in ran.object["reasons"])


def test_a_sync_whose_pull_fails_exits_with_1_and_says_why(installation: Installation) -> None:
    district = installation.district()
    (installation.folder / district / "users.csv").unlink()
    ran = installation.rollcall("sync", district, "--wait", "--json")
    assert ran.status == 1
    assert (ran.object["outcome"], ran.object["roster_version"], ran.object["counts"]) == ("failed", 0, {})
    assert "users.csv" in ran.object["failure"]["text"]
    for_people = installation.rollcall("sync", district, "--wait")
    assert (for_people.status, "users.csv" in for_people.out) == (1, True)
    assert "Traceback" not in for_people.err


def test_several_districts_answer_together_and_one_that_fails_decides_the_status(installation: Installation) -> None:
    well, broken = installation.district(), installation.district()
    (installation.folder / broken / "users.csv").unlink()
    ran = installation.rollcall("sync", well, broken, "--wait", "--json")
    assert ran.status == 1
    assert [(one["district"], one["outcome"]) for one in ran.object["syncs"]] == [(well, "applied"), (broken, "failed")]


def test_a_sync_that_is_not_waited_for_answers_with_its_id_at_once(installation: Installation) -> None:
    district = installation.district()
    answered = installation.rollcall("sync", district, "--json").object
    assert answered["outcome"] == "requested"
    assert installation.running.ended(answered["sync_id"]).state == "applied"


def test_people_see_progress_on_standard_error_and_the_table_on_standard_output(installation: Installation) -> None:
    district = installation.district()
    ran = installation.rollcall("sync", district, "--wait")
    assert f"{district}: asked for" in ran.err
    assert "applied, roster version 1" in ran.out
    assert "+ new" in ran.out
    assert "students" in ran.out


def test_a_district_that_nobody_registered_is_refused_by_a_sentence(installation: Installation) -> None:
    for command in (("sync", "nowhere"), ("plan", "nowhere"), ("district", "show", "nowhere")):
        ran = installation.rollcall(*command)
        assert (ran.status, ran.out) == (1, "")
        assert "no district is registered as 'nowhere'" in ran.err
        assert installation.rollcall(*command, "--json").object["error"]["code"] == "unknown-district"


def test_a_district_on_the_enterprise_starter_plan_is_refused_before_anything_is_asked_for(
    installation: Installation,
) -> None:
    district = installation.district(10, "--plan", "enterprise-starter")
    for command in ("sync", "plan"):
        ran = installation.rollcall(command, district)
        assert ran.status == 1
        assert "Enterprise Starter" in ran.err
    assert installation.running.query("SELECT count(*) FROM nights WHERE district = %s", district) == [(0,)]


def test_a_plan_answers_what_the_sync_then_answers_and_changes_nothing(installation: Installation) -> None:
    district = installation.district()
    snapshots = len(installation.running.messages(SNAPSHOTS))
    ran = installation.rollcall("plan", district, "--json")
    assert (ran.status, ran.object["outcome"]) == (0, "applied"), ran.err
    assert installation.running.query("SELECT roster_version FROM rosters WHERE district = %s", district) == [(0,)]
    assert installation.running.query("SELECT count(*) FROM nights WHERE district = %s", district) == [(0,)]
    assert len(installation.running.messages(SNAPSHOTS)) == snapshots
    done = installation.synced(district)
    assert ran.object == {**done, "sync_id": None, "roster_version": 0}
    installation.package(district, 10, first=9)
    held = installation.rollcall("plan", district, "--json")
    assert held.status == 3
    assert held.object == {**installation.synced(district), "sync_id": None}


def test_a_plan_that_would_be_held_exits_with_3_and_shows_the_table_without_names(installation: Installation) -> None:
    district = installation.district()
    installation.synced(district)
    installation.package(district, 10, first=9)
    ran = installation.rollcall("plan", district)
    assert ran.status == 3
    assert ran.out.rstrip().endswith("Would be held. Nothing was changed.")
    assert ran.out.index("● ") < ran.out.index("share of limit") < ran.out.index("+ student")
    assert "over" in ran.out
    for name in ("Ben", "Ode", "@"):
        assert name not in ran.out


def test_a_plan_whose_pull_fails_exits_with_1(installation: Installation) -> None:
    district = installation.district()
    (installation.folder / district / "users.csv").unlink()
    assert installation.rollcall("plan", district, "--json").status == 1
    assert "Would fail. Nothing was changed." in installation.rollcall("plan", district).out


def test_held_list_and_show_give_every_change_with_names_as_dots(installation: Installation) -> None:
    district, change_set = installation.held()
    listed = {held["change_set"]: held for held in installation.rollcall("held", "list", "--json").object["held"]}
    assert (listed[change_set]["district"], listed[change_set]["state"]) == (district, "held")
    shown = installation.rollcall("held", "show", change_set[:8], "--json").object
    assert shown["complete"]
    assert len(shown["changes"]) == shown["change_count"] == listed[change_set]["changes"]
    assert {change["id"] for change in shown["changes"] if change["op"] == "removed"} == {f"s{n}" for n in range(1, 9)}
    assert "Ben" not in json.dumps(shown)
    assert "district.example" not in json.dumps(shown)
    for_people = installation.rollcall("held", "show", change_set).out
    assert sum(line.startswith(("+ ", "~ ", "− ")) for line in for_people.splitlines()) == shown["change_count"]
    assert "Ben" not in for_people
    assert "Ben" in installation.rollcall("held", "show", change_set, "--show-names").out


def test_an_approved_set_is_applied_and_cannot_be_decided_again(installation: Installation) -> None:
    district, change_set = installation.held()
    decision = ("held", "approve", change_set[:10], "--reviewer", "dana", "--reason", "new year", "--wait", "--json")
    ran = installation.rollcall(*decision)
    assert ran.status == 0, ran.err
    assert (ran.object["outcome"], ran.object["roster_version"], ran.object["change_set"]) == ("applied", 2, change_set)
    [[approval]] = installation.running.query("SELECT approval FROM ledger WHERE change_set = %s", change_set)
    assert (approval["by"], approval["reviewer"], approval["reason"]) == ("reviewer", "dana", "new year")
    again = installation.rollcall(*decision)
    assert (again.status, again.object["error"]["code"]) == (1, "not-held")
    assert installation.rollcall("district", "show", district, "--json").object["roster"]["roster_version"] == 2


def test_a_rejected_set_is_not_applied_and_a_plan_says_that_its_content_would_be_held_again(
    installation: Installation,
) -> None:
    district, change_set = installation.held()
    ran = installation.rollcall(
        "held", "reject", change_set, "--reviewer", "dana", "--reason", "half the school", "--wait", "--json"
    )
    assert (ran.status, ran.object["outcome"]) == (0, "rejected")
    assert installation.running.query("SELECT roster_version FROM rosters WHERE district = %s", district) == [(1,)]
    assert not any(getattr(e, "change_set", "") == change_set for e in installation.running.events(APPROVED))
    planned = installation.rollcall("plan", district, "--json")
    assert (planned.status, planned.object["change_set"]) == (3, change_set)
    assert planned.object["reasons"][-1]["code"] == "rejected-before"


def test_a_change_set_is_named_by_enough_of_its_id(installation: Installation) -> None:
    assert installation.rollcall("held", "show", "abc").status == 2
    unknown = installation.rollcall("held", "show", "abcdef", "--json")
    assert (unknown.status, unknown.object["error"]["code"]) == (1, "unknown-change-set")


def test_a_subscriber_ends_once_it_is_proved_in_step(installation: Installation) -> None:
    district = installation.district(7)
    installation.synced(district)
    ran = installation.rollcall("subscribe", "--district", district, "--until-synced")
    assert ran.status == 0, ran.err
    lines = [json.loads(line) for line in ran.out.splitlines()]
    updates = [line for line in lines if line["type"] != "dev.rollcall.roster.synced.v1"]
    [synced] = [line for line in lines if line["type"] == "dev.rollcall.roster.synced.v1"]
    assert len(updates) == synced["data"]["updates"] == 10
    assert all(line["specversion"] == "1.0" and line["data"]["district"] == district for line in lines)
    assert f"{district} is in step at roster version 1" in ran.err


def test_a_subscriber_follows_what_comes_after_it_has_begun(installation: Installation) -> None:
    district = installation.district(3)
    with installation.rollcall.started("subscribe", "--district", district, "--from-start") as following:
        installation.synced(district)
        assert following.stdout is not None
        lines = [json.loads(following.stdout.readline()) for _ in range(7)]
    assert {line["data"]["district"] for line in lines} == {district}
    assert (
        sum(isinstance(e, RosterSynced) and e.district == district for e in installation.running.events(UPDATES)) == 1
    )


def test_doctor_finds_all_well_where_it_is_and_a_roster_that_was_changed_past_rollcall(
    installation: Installation,
) -> None:
    for district, folder in installation.running.query("SELECT district, url FROM districts"):
        assert Path(folder).is_dir(), district
    district = installation.district()
    installation.synced(district)
    well = installation.rollcall("doctor", "--json")
    assert well.status == 0, well.out
    names = {check["name"] for check in well.object["checks"]}
    assert {"python", "disk", "kafka", "topics", "worker apply", "migrations", "roles", "clocks", "lag"} <= names
    assert f"roster {district}" in names
    with connect(installation.running.database, "rollcall_apply") as connection:
        connection.execute("DELETE FROM students WHERE district = %s AND id = 's1'", (district,))
    wrong = installation.rollcall("doctor", "--json")
    assert wrong.status == 1
    [check] = [check for check in wrong.object["checks"] if not check["ok"]]
    assert check["name"] == f"roster {district}"
    assert "9 students where its row says 10" in check["text"]
    installation.rollcall("district", "remove", district, "--yes")
