"""What the command line says before it does anything: help, wrong usage, nothing running."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.failures import WrongUsageError
from services.cli.main import app
from tests.cli import Cli

COMMANDS = (
    ("up",), ("down",), ("status",), ("sync",), ("plan",), ("subscribe",), ("contract",), ("doctor",),
    ("district", "add"), ("district", "list"), ("district", "show"), ("district", "update"), ("district", "remove"),
    ("held", "list"), ("held", "show"), ("held", "approve"), ("held", "reject"),
    ("dead-letters", "list"), ("dead-letters", "show"), ("dead-letters", "replay"), ("dead-letters", "drop"),
    ("account", "add"), ("account", "import"), ("account", "show"), ("class", "show"), ("explain",),
    ("conflict", "list"), ("conflict", "resolve"), ("desk", "add-reviewer"), ("desk", "list"), ("desk", "remove"),
    ("pause", "add"), ("pause", "list"), ("pause", "remove"),
    ("expect", "add"), ("expect", "list"), ("expect", "remove"),
    ("limit", "set"), ("limit", "list"), ("limit", "remove"),
    ("look-first", "add"), ("look-first", "list"), ("look-first", "remove"), ("guard", "replay"),
)  # fmt: skip

EXPECT = ("expect", "add", "springfield", "--kind", "classes", "--reason", "new term")
DAYS = ("--from", "2026-09-01", "--to", "2026-09-12")


@pytest.fixture
def rollcall(tmp_path: Path) -> Cli:
    """The command line of a machine on which nothing runs and nothing is configured."""
    return Cli(tmp_path / "home", {})


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example_and_speaks_json(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"])
    assert shown.exit_code == 0
    assert f"Example: rollcall {' '.join(command)}" in shown.output
    assert "--json" in shown.output


def test_what_is_no_command_or_lacks_an_argument_is_wrong_usage(rollcall: Cli) -> None:
    for typed in (
        (),
        ("nights",),
        ("sync",),
        ("held", "approve", "abcdef"),
        ("district", "add", "x", "--colour", "red"),
    ):
        ran = rollcall(*typed)
        assert ran.status == 2, typed
        assert "Traceback" not in ran.err


@pytest.mark.parametrize("limit", ["101", "-1", "", "abc", "50.5", "50%"])
def test_a_bad_limit_is_refused_where_it_is_typed(limit: str) -> None:
    for typed in (
        ("limit", "set", "springfield", "--kind", "students", "--percent", limit),
        (*EXPECT, *DAYS, "--limit", limit),
        ("guard", "replay", "--since", "2026-10-01", "--limit", limit),
    ):
        ran = CliRunner().invoke(app, typed)
        assert ran.exit_code == 2, typed
        assert "Invalid value for" in ran.output
        assert ("--percent" if typed[0] == "limit" else "--limit") in ran.output


@pytest.mark.parametrize("day", ["", "tomorrow", "2026-13-01", "2026-02-29", "20260901", "1926-09-01"])
def test_a_bad_day_is_refused_where_it_is_typed(day: str) -> None:
    for option, typed in {
        "--from": ("pause", "add", "--name", "Inventory", "--from", day),
        "--to": (*EXPECT, "--limit", "90", "--from", "2026-09-01", "--to", day),
        "--since": ("guard", "replay", "--limit", "30", "--since", day),
    }.items():
        ran = CliRunner().invoke(app, typed)
        assert ran.exit_code == 2, typed
        assert f"Invalid value for '{option}'" in ran.output


def test_days_and_kinds_that_cannot_be_meant_are_refused_before_anything_is_opened() -> None:
    pause = ("pause", "add", "--name", "Inventory")
    for sentence, typed in {
        "--to: 2026-09-01 is before --from, 2026-09-02": (*pause, "--from", "2026-09-02", "--to", "2026-09-01"),
        "is more than a year": (*pause, "--from", "2026-09-02", "--to", "2027-09-03"),
        "--name must not be empty": ("pause", "add", "--name", " ", "--from", "2026-09-02"),
        "a pause needs --name and --from": ("pause", "add", "--from", "2026-09-02"),
        "a summer takes --district, --by and nothing else": ("pause", "add", "--summer", "06-15..08-10"),
        "'06-31..08-10' is not two days": ("pause", "add", "--district", "springfield", "--summer", "06-31..08-10"),
        "'June..August' is not two days": ("pause", "add", "--district", "springfield", "--summer", "June..August"),
        "ends before it begins": ("pause", "add", "--district", "springfield", "--summer", "08-10..06-15"),
        "name a closure by its ID, or a summer": ("pause", "remove", "--district", "springfield"),
        "'pupils' is none of schools, teachers": ("guard", "replay", "--limit", "3", "--since", "2026-09-01",
                                                 "--kind", "pupils"),
        "--reason must not be empty": (*EXPECT[:-1], " ", *DAYS, "--limit", "90"),
        "--by must not be empty": (*EXPECT, *DAYS, "--limit", "90", "--by", ""),
    }.items():  # fmt: skip
        refused = CliRunner().invoke(app, typed).exception
        assert isinstance(refused, WrongUsageError), (sentence, refused)
        assert sentence in refused.text


def test_where_nothing_runs_a_sentence_says_how_to_start(rollcall: Cli) -> None:
    for command in (
        ("sync", "springfield"),
        ("district", "list"),
        ("held", "list"),
        ("dead-letters", "list"),
        ("subscribe",),
    ):
        ran = rollcall(*command)
        assert (ran.status, ran.out) == (1, ""), command
        assert "start one with `rollcall up`" in ran.err
        assert len(ran.err.splitlines()) == 1
    error = rollcall("district", "list", "--json").object["error"]
    assert error["code"] == "nothing-running"


def test_a_database_that_does_not_answer_is_told_in_a_sentence_without_its_password(tmp_path: Path) -> None:
    rollcall = Cli(
        tmp_path, {"ROLLCALL_KAFKA": "127.0.0.1:9", "ROLLCALL_DATABASE": "postgresql://me:s3cret@127.0.0.1:9/rollcall"}
    )
    ran = rollcall("district", "list", "--json")
    assert (ran.status, ran.object["error"]["code"]) == (1, "database")
    assert "Connection refused" in ran.object["error"]["text"]
    assert "s3cret" not in ran.out + ran.err
    assert "Traceback" not in rollcall("district", "list").err


def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    rollcall = Cli(tmp_path, {"ROLLCALL_PAGE_RECORDS": "many"})
    for command in ("district", "list"), ("doctor",):
        ran = rollcall(*command)
        assert ran.status in (1, 2)
        assert "ROLLCALL_PAGE_RECORDS" in ran.err + ran.out
        assert "Traceback" not in ran.err


def test_doctor_says_what_to_do_where_nothing_runs(rollcall: Cli) -> None:
    ran = rollcall("doctor", "--json")
    assert ran.status == 1
    wrong = {check["name"]: check["text"] for check in ran.object["checks"] if not check["ok"]}
    assert wrong.keys() == {"installation"}
    assert "rollcall up" in wrong["installation"]


def test_the_contract_is_printed_without_an_installation(rollcall: Cli) -> None:
    assert rollcall("contract").object["asyncapi"] == "3.0.0"
    assert rollcall("contract", "--json-schema", "RosterUpdate", "--json").object["$id"].endswith("RosterUpdate:1")
    topics = rollcall("contract", "--topics", "--json").object["topics"]
    assert {topic["name"] for topic in topics} >= {"roster.updates", "roster.dead-letters"}
    unknown = rollcall("contract", "--json-schema", "Nobody", "--json")
    assert unknown.status == 2
    assert json.loads(unknown.out)["error"]["code"] == "unknown-event"
