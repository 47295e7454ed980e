"""What a command that waits does when nights and reviews take a turn."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from psycopg.types.json import Jsonb
from rich.console import Console

from schemas.events import DecisionRefused, ReviewDecision
from schemas.topics import DECISIONS, HELD
from services.cli.night_watch import NightProgress, NightWatch
from services.clock import now
from services.database.connect import connect
from services.nights import QUERIES
from tests.cli import Cli
from tests.pipeline import Pipeline, pipeline, until


def test_a_stale_night_ends_with_the_one_that_follows_it(kafka: str, database: str, topic_prefix: str) -> None:
    with (
        pipeline(kafka, database, topic_prefix) as running,
        connect(database, "rollcall_operator") as connection,
        connect(database, "rollcall_apply") as apply,
        ThreadPoolExecutor() as pool,
    ):
        running.add_district("springfield")
        watch, shown = NightWatch(connection), Console(file=StringIO())
        first, second = running.request("springfield"), running.request("springfield")
        waiting = pool.submit(watch.until_ended, [first], NightProgress(shown))
        apply.execute(QUERIES["follow"], {"sync_id": first, "text": "stale", "followed_by": second, "at": now()})
        ended = {"sync_id": second, "state": "applied", "change_set": "a" * 32, "roster_version": 2, "at": now()}
        apply.execute(QUERIES["applied"], {**ended, "counts": Jsonb({}), "defects": Jsonb({})})
        [night] = waiting.result(timeout=30)
        assert (night.sync_id, night.state, night.roster_version) == (second, "applied", 2)


def _hold(running: Pipeline, change_set: str) -> None:
    with running.connect() as connection:
        connection.execute(
            "INSERT INTO holds (change_set, district, sync_id, snapshot_id, base_version, counts, reasons, changes,"
            " chunks, state, held_at, held_partition, first_offset, last_offset)"
            " VALUES (%s, 'springfield', 'sync', 'snapshot', 1, '{}', '[]', 0, 0, 'held', now(), 0, 0, 0)",
            (change_set,),
        )


def test_a_decision_that_guard_refuses_fails_with_the_reason(
    kafka: str, database: str, topic_prefix: str, tmp_path: Path
) -> None:
    rollcall = Cli.of(tmp_path, kafka, database, topic_prefix)
    change_set = "abcdef" + "0" * 26
    with pipeline(kafka, database, topic_prefix) as running:
        running.add_district("springfield")
        _hold(running, change_set)
        typed = ("held", "approve", "ABCDEF", "--reviewer", "dana", "--reason", "fine", "--wait")
        with rollcall.started(*typed) as waiting:
            [decision] = until("the decision is published", lambda: running.events(DECISIONS) or None)
            assert isinstance(decision, ReviewDecision)
            assert (decision.change_set, decision.decision, decision.reviewer) == (change_set, "approve", "dana")
            running.publish(
                HELD,
                DecisionRefused(
                    district="springfield",
                    change_set=change_set,
                    decision="approve",
                    reviewer="dana",
                    text="a newer one has come",
                    refused_at=datetime.now(UTC),
                ),
            )
            _, told = waiting.communicate(timeout=60)
            assert waiting.returncode == 1
            assert "a newer one has come" in told


def test_of_several_change_sets_with_the_same_beginning_none_is_chosen(
    kafka: str, database: str, topic_prefix: str, tmp_path: Path
) -> None:
    rollcall = Cli.of(tmp_path, kafka, database, topic_prefix)
    with pipeline(kafka, database, topic_prefix) as running:
        running.add_district("springfield")
        for last in "12":
            _hold(running, "abcdef" + "0" * 25 + last)
        ran = rollcall("held", "approve", "abcdef", "--reviewer", "dana", "--reason", "fine", "--json")
        assert (ran.status, ran.object["error"]["code"]) == (1, "ambiguous-change-set")
        assert running.events(DECISIONS) == []
