"""What the command line says before it does anything: help, wrong usage, nothing running."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.main import app
from tests.cli import Cli

COMMANDS = (
    ("up",), ("down",), ("status",), ("sync",), ("plan",), ("subscribe",), ("contract",), ("doctor",),
    ("district", "add"), ("district", "list"), ("district", "show"), ("district", "update"), ("district", "remove"),
    ("held", "list"), ("held", "show"), ("held", "approve"), ("held", "reject"),
    ("dead-letters", "list"), ("dead-letters", "show"), ("dead-letters", "replay"), ("dead-letters", "drop"),
    ("account", "add"), ("account", "show"),
)  # fmt: skip


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
