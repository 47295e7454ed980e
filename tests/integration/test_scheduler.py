"""The scheduler: what is due is asked for, once, through the outbox."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemas.events import SyncRequested
from schemas.topics import SYNC_REQUESTS
from services import clock
from services.ingest.schedule import Window
from services.ingest.scheduler import request_due
from tests.pipeline import Pipeline, pipeline, until

WINDOW = Window(starts=20, hours=6)
FRIDAY_MORNING = datetime(2026, 11, 27, 14, tzinfo=UTC)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def test_schedulers_side_by_side_ask_once_for_each_district_and_never_for_an_enterprise_starter(
    kafka: str, database: str, topic_prefix: str
) -> None:
    running = Pipeline(kafka, database, topic_prefix)
    for name in ("springfield", "shelbyville"):
        running.add_district(name, registered_at=LONG_AGO)
    running.add_district("ogdenville", registered_at=LONG_AGO, plan="enterprise-starter")
    start = threading.Barrier(4)

    def ask(_: int) -> list[str]:
        start.wait()
        return request_due(database, WINDOW, FRIDAY_MORNING)

    with ThreadPoolExecutor(4) as pool:
        asked = [sync_id for sync_ids in pool.map(ask, range(4)) for sync_id in sync_ids]
    expected = ["night-2026-11-26-shelbyville", "night-2026-11-26-springfield"]
    assert sorted(asked) == expected
    assert running.query("SELECT sync_id, state FROM nights ORDER BY 1") == [(id_, "requested") for id_ in expected]
    assert request_due(database, WINDOW, FRIDAY_MORNING + timedelta(hours=1)) == []


def test_the_scheduler_catches_up_as_it_starts_and_its_requests_reach_the_topic(
    kafka: str, database: str, topic_prefix: str, tmp_path: Path
) -> None:
    settings = {"ROLLCALL_HOME": str(tmp_path)}
    with pipeline(kafka, database, topic_prefix, "scheduler", "relay", settings=settings) as running:
        running.add_district("springfield", registered_at=clock.now() - timedelta(days=10))
        asked = until("a sync is asked for", lambda: running.events(SYNC_REQUESTS) or None, 90)
        assert [type(event) for event in asked] == [SyncRequested]
        assert running.query("SELECT sync_id FROM nights") == [
            (event.sync_id,) for event in asked if isinstance(event, SyncRequested)
        ]
