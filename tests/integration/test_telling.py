"""What the scheduler writes of its own accord, once each: pauses, lost connections and conflicts."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from schemas.events import Notice
from schemas.topics import NOTICES
from services import clock
from services.guard.telling import tell_due
from tests.pipeline import Pipeline, pipeline, until

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
MIDDAY = datetime(2027, 3, 2, 18, tzinfo=UTC)  # no holiday is near


def _notices(running: Pipeline) -> list[tuple[Any, ...]]:
    return running.query("SELECT district, code, subject_id FROM notices_told ORDER BY noticed_at, district, code")


def _night(running: Pipeline, district: str, sync_id: str, at: datetime, state: str, code: str | None = None) -> None:
    with running.connect() as connection:
        connection.execute(
            "INSERT INTO nights (sync_id, district, reason, state, requested_at, failure_code, failure_text)"
            " VALUES (%s, %s, 'night', %s, %s, %s, 'text')",
            (sync_id, district, state, at, code),
        )


def test_a_pause_is_told_ahead_at_its_start_and_when_it_is_over_by_schedulers_side_by_side_once_each(
    kafka: str, database: str, topic_prefix: str
) -> None:
    with pipeline(kafka, database, topic_prefix, "relay") as running:
        running.add_district("springfield", timezone="America/Chicago", registered_at=LONG_AGO)
        running.add_district("honolulu", timezone="Pacific/Honolulu", registered_at=LONG_AGO)
        running.add_district("ogdenville", registered_at=LONG_AGO, plan="enterprise-starter")
        with running.connect() as connection:
            connection.execute(
                "INSERT INTO closures (name, first_day, last_day, added_by) VALUES ('Founders Days', %s, %s, 'tests')",
                (date(2027, 3, 4), date(2027, 3, 5)),
            )
        start = threading.Barrier(2)
        turns = [MIDDAY + timedelta(hours=hours) for hours in range(0, 24 * 6, 3)]

        def play(_: int) -> int:
            start.wait()
            return sum(len(tell_due(database, now)) for now in turns)

        with ThreadPoolExecutor(2) as pool:
            assert sum(pool.map(play, range(2))) == 6
        running.published()
        events = [event for event in running.events(NOTICES) if isinstance(event, Notice)]
        assert sorted((event.district, event.code) for event in events) == [
            (district, code)
            for district in ("honolulu", "springfield")
            for code in ("pause-ahead", "pause-begun", "pause-over")
        ]
        begun = {event.district: event.noticed_at for event in events if event.code == "pause-begun"}
        assert begun["honolulu"] - begun["springfield"] <= timedelta(hours=6)
        assert begun["springfield"] < begun["honolulu"]


def test_a_lost_connection_is_told_once_until_the_provider_lets_us_read_again(
    kafka: str, database: str, topic_prefix: str
) -> None:
    running = Pipeline(kafka, database, topic_prefix)
    running.add_district("springfield", registered_at=LONG_AGO)
    running.add_district("shelbyville", registered_at=LONG_AGO)
    day = timedelta(days=1)
    _night(running, "springfield", "n1", MIDDAY - 5 * day, "applied")
    _night(running, "shelbyville", "s1", MIDDAY - 5 * day, "failed", "provider-unavailable")
    assert tell_due(database, MIDDAY - 5 * day) == []
    _night(running, "springfield", "n2", MIDDAY - 4 * day, "failed", "disconnected")
    _night(running, "springfield", "n3", MIDDAY - 3 * day, "failed", "provider-unavailable")
    _night(running, "springfield", "n4", MIDDAY - 2 * day, "failed", "wrong-credentials")
    assert len(tell_due(database, MIDDAY - 2 * day)) == 1
    assert tell_due(database, MIDDAY - 2 * day) == []
    _night(running, "springfield", "n5", MIDDAY - day, "held")
    assert tell_due(database, MIDDAY - day) == []
    _night(running, "springfield", "n6", MIDDAY, "failed", "wrong-credentials")
    assert len(tell_due(database, MIDDAY)) == 1
    assert _notices(running) == [("springfield", "disconnected", "n2"), ("springfield", "disconnected", "n6")]


def test_the_scheduler_tells_as_it_starts_and_the_notice_reaches_its_topic(
    kafka: str, database: str, topic_prefix: str, tmp_path: Path
) -> None:
    settings = {"ROLLCALL_HOME": str(tmp_path)}
    with pipeline(kafka, database, topic_prefix, "relay", settings=settings) as running:
        running.add_district("springfield", registered_at=clock.now())
        _night(running, "springfield", "n1", clock.now() - timedelta(hours=2), "failed", "disconnected")
        running.start("scheduler")

        def look() -> Notice | None:
            events = (event for event in running.events(NOTICES) if isinstance(event, Notice))
            return next((event for event in events if event.code == "disconnected"), None)

        assert until("the notice is on its topic", look, 90).subject_id == "n1"


def test_conflicts_are_told_as_numbers_without_anybodys_id_or_email(
    kafka: str, database: str, topic_prefix: str
) -> None:
    running = Pipeline(kafka, database, topic_prefix)
    running.add_district("springfield", registered_at=LONG_AGO)
    running.add_district("shelbyville", registered_at=LONG_AGO)
    with running.connect() as connection:
        for number, (kind, state) in enumerate(
            [("teachers", "conflict"), ("students", "conflict"), ("students", "required")]
        ):
            connection.execute(
                "INSERT INTO activations (district, kind, id, email_key, state, roster_version)"
                " VALUES ('springfield', %s, %s, %s, %s, 1)",
                (kind, f"person-{number}", f"someone{number}@springfield.example", state),
            )
    assert len(tell_due(database, MIDDAY)) == 1
    assert tell_due(database, MIDDAY + timedelta(hours=1)) == []
    assert _notices(running) == [("springfield", "conflicts", "conflicts-2027-03-02")]
    ((text, payload),) = running.query("SELECT t.text, o.payload FROM notices_told t CROSS JOIN outbox o")
    assert text.startswith("1 teacher and 1 student have")
    assert "person-" not in payload
    assert "@" not in payload
