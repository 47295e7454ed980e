"""Districts, accounts and dead letters from the command line, against a real database and a real broker."""

import json
from pathlib import Path

import psycopg
import pytest

from schemas.cloudevents import Headers
from schemas.topics import DEAD_LETTERS, SNAPSHOTS
from services.topics import create_topics
from tests.cli import Cli, write_package
from tests.pipeline import Pipeline, pipeline, until

TYPED = ("district", "add", "springfield", "--name", "Springfield Unified", "--provider", "clever")


@pytest.fixture
def rollcall(kafka: str, database: str, topic_prefix: str, tmp_path: Path) -> Cli:
    """The command line of an installation without workers."""
    return Cli.of(tmp_path, kafka, database, topic_prefix)


def _token(folder: Path) -> str:
    path = folder / "token.json"
    path.write_text(json.dumps({"bearer": "t0ken"}), encoding="utf-8")
    return str(path)


def test_a_district_is_added_shown_changed_listed_and_removed(rollcall: Cli, tmp_path: Path) -> None:
    credentials = ("--credentials", _token(tmp_path))
    added = rollcall(
        *TYPED, "--url", "https://api.clever.test", *credentials, "--timezone", "America/Chicago", "--json"
    )
    assert added.status == 0, added.err
    assert "t0ken" not in added.out
    shown = rollcall("district", "show", "springfield", "--json").object
    assert (shown["timezone"], shown["setting_up"], shown["roster"]["roster_version"]) == ("America/Chicago", False, 0)
    changed = rollcall(
        "district", "update", "springfield", "--setting-up", "--contact", "it@district.example", "--json"
    )
    assert (changed.object["setting_up"], changed.object["contact"]) == (True, "it@district.example")
    assert changed.object["url"] == shown["url"]
    assert rollcall("district", "update", "springfield", "--contact", "", "--json").object["contact"] is None
    assert [d["district"] for d in rollcall("district", "list", "--json").object["districts"]] == ["springfield"]
    kept = rollcall("district", "remove", "springfield", typed="n\n")
    assert kept.status == 1
    assert "Remove springfield with 0 students" in kept.err
    assert rollcall("district", "remove", "springfield", typed="y\n").status == 0
    assert rollcall("district", "list", "--json").object == {"districts": []}


def test_a_district_that_is_removed_leaves_nothing_of_its_rows_behind(rollcall: Cli, tmp_path: Path) -> None:
    assert rollcall(*TYPED, "--url", "https://api.clever.test", "--credentials", _token(tmp_path)).status == 0
    remembered = tmp_path / "remembered"  # below ROLLCALL_HOME
    remembered.mkdir()
    for name in ("springfield.rows", "another.rows"):
        (remembered / name).touch()
    assert rollcall("district", "remove", "springfield", "--yes").status == 0
    assert [path.name for path in remembered.iterdir()] == ["another.rows"]


def test_a_district_is_added_only_once(rollcall: Cli, tmp_path: Path) -> None:
    typed = (*TYPED, "--url", "https://api.clever.test", "--credentials", _token(tmp_path))
    assert rollcall(*typed).status == 0
    again = rollcall(*typed)
    assert again.status == 1
    assert "registered already" in again.err


def test_what_cannot_be_a_district_is_refused_where_it_is_typed_and_named(rollcall: Cli, tmp_path: Path) -> None:
    token, address = ("--credentials", _token(tmp_path)), ("--url", "https://api.clever.test")
    (tmp_path / "broken.json").write_text('{"bearer": "s3cret"', encoding="utf-8")
    (tmp_path / "oauth.json").write_text('{"oauth1_key": "k", "oauth1_secret": "s3cret"}', encoding="utf-8")
    as_csv = ("district", "add", "springfield", "--name", "Springfield", "--provider", "oneroster-csv")
    wrong = {
        "ID: 'Spring Field' is not a district id": ("district", "add", "Spring Field", *TYPED[3:], *address, *token),
        "--timezone: 'Mars/Base' is not a time zone": (*TYPED, *address, *token, "--timezone", "Mars/Base"),
        "--url: 'api.clever.test' is not an address": (*TYPED, "--url", "api.clever.test", *token),
        "they belong into --credentials": (*TYPED, "--url", "https://me:pw@api.clever.test", *token),
        "--credentials is needed": (*TYPED, *address),
        "missing.json of district springfield cannot be read": (*TYPED, *address, "--credentials", "missing.json"),
        "none of the known forms": (*TYPED, *address, "--credentials", str(tmp_path / "broken.json")),
        "clever takes": (*TYPED, *address, "--credentials", str(tmp_path / "oauth.json")),
        "--page-size": (*TYPED, *address, *token, "--page-size", "0"),
        "--ca-file: there is no file": (*TYPED, *address, *token, "--ca-file", "nowhere.pem"),
        "--url: there is no folder or zip": (*as_csv, "--url", str(tmp_path / "nowhere")),
        "leave the option out": (*as_csv, "--url", str(tmp_path), *token),
    }
    for sentence, typed in wrong.items():
        ran = rollcall(*typed)
        assert ran.status == 2, (sentence, ran)
        assert sentence in ran.err
        assert "s3cret" not in ran.err
    assert rollcall("district", "list", "--json").object == {"districts": []}


def test_an_account_is_made_and_found_by_any_of_its_emails_and_its_id(rollcall: Cli) -> None:
    made = rollcall("account", "add", "Dana@Example.org", "dana@home.example", "--json").object
    for known_as in ("dana@example.ORG", "dana@home.example", made["account_id"]):
        assert rollcall("account", "show", known_as, "--json").object == made
    assert made["emails"] == ["Dana@Example.org", "dana@home.example"]
    rollcall("account", "add", "dana@example.org")
    shared = rollcall("account", "show", "dana@example.org", "--json")
    assert (shared.status, shared.object["error"]["code"]) == (1, "shared-email")
    assert rollcall("account", "show", "nobody@example.org").status == 1
    assert rollcall("account", "add", "not an email").status == 2


def test_a_kafka_that_does_not_answer_is_told_in_a_sentence(database: str, tmp_path: Path) -> None:
    ran = Cli.of(tmp_path, "127.0.0.1:9", database, "")("dead-letters", "list", "--json")
    assert (ran.status, ran.object["error"]["code"]) == (1, "kafka")
    assert "Traceback" not in ran.err


def test_topics_that_are_missing_or_set_differently_fail_the_doctor(
    rollcall: Cli, kafka: str, topic_prefix: str
) -> None:
    before = {check["name"]: check for check in rollcall("doctor", "--json").object["checks"]}
    assert "missing: roster.sync-requests" in before["topics"]["text"]
    create_topics(kafka, topic_prefix)
    ran = rollcall("doctor", "--json")
    after = {check["name"]: check for check in ran.object["checks"]}
    assert after["topics"]["ok"]
    assert not after["worker apply"]["ok"]
    assert ran.status == 1


def test_a_rule_of_the_database_that_is_switched_off_fails_the_doctor(rollcall: Cli, database: str) -> None:
    before = {check["name"]: check for check in rollcall("doctor", "--json").object["checks"]}
    assert before["triggers"]["ok"]
    with psycopg.connect(database) as owner:
        owner.execute("ALTER TABLE classes DISABLE TRIGGER keep_roster")
    after = {check["name"]: check for check in rollcall("doctor", "--json").object["checks"]}
    assert not after["triggers"]["ok"]
    assert "classes.keep_roster" in after["triggers"]["text"]


def _unreadable(running: Pipeline, marker: bytes) -> Headers:
    headers: Headers = [("ce_type", b"dev.rollcall.snapshot.started.v1"), ("ce_id", marker)]
    running.publisher.publish_raw(SNAPSHOTS, headers, b"springfield", b'{"given": "Ben", broken')
    running.publisher.flush()
    return headers


def test_a_dead_letter_is_listed_shown_replayed_byte_for_byte_and_dropped(
    kafka: str, database: str, topic_prefix: str, tmp_path: Path
) -> None:
    rollcall = Cli.of(tmp_path, kafka, database, topic_prefix)
    with pipeline(kafka, database, topic_prefix, "diff") as running:
        headers = _unreadable(running, b"one")

        def letters(count: int) -> bool | None:
            return True if len(running.messages(DEAD_LETTERS)) == count else None

        until("the message is a dead letter", lambda: letters(1))
        [letter] = rollcall("dead-letters", "list", "--json").object["dead_letters"]
        assert (letter["original_topic"], letter["worker"], letter["attempt"]) == (SNAPSHOTS.name, "diff", 1)
        assert letter["reason"]
        hidden = rollcall("dead-letters", "show", letter["id"])
        assert "ce_id: one" in hidden.out
        assert "Ben" not in hidden.out
        assert '{"given": "Ben", broken' in rollcall("dead-letters", "show", letter["id"], "--payload").out

        replayed = rollcall("dead-letters", "replay", letter["id"], "--json")
        assert replayed.object == {"replayed": [{"id": letter["id"], "topic": SNAPSHOTS.name}]}
        until("the replayed message is a dead letter again", lambda: letters(2))
        first, second = running.messages(SNAPSHOTS)
        assert (second.key, second.value) == (first.key, first.value)
        assert [header for header in second.headers if not header[0].startswith("rollcall_")] == headers

        [again] = rollcall("dead-letters", "list", "--json").object["dead_letters"]
        assert (again["attempt"], again["original_offset"]) == (2, letter["original_offset"])
        assert rollcall("dead-letters", "drop", again["id"]).status == 0
        assert rollcall("dead-letters", "list", "--json").object == {"dead_letters": []}
        everything = rollcall("dead-letters", "list", "--all", "--json").object["dead_letters"]
        assert [one["state"] for one in everything] == ["replayed", "dropped"]
        for unknown in ("9-9", "0-99", "letter"):
            assert rollcall("dead-letters", "show", unknown, "--json").object["error"]["code"] == "no-such-letter"


def test_a_package_is_registered_by_its_absolute_path(rollcall: Cli, tmp_path: Path) -> None:
    folder = write_package(tmp_path / "package", 1)
    relative = str(folder.relative_to(Path(folder.anchor)))
    ran = rollcall(
        "district", "add", "springfield", "--name", "S", "--provider", "oneroster-csv",
        "--url", f"/tmp/../{relative}", "--json",
    )  # fmt: skip
    assert ran.object["url"] == str(folder)
