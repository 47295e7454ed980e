"""Ingest: what is asked for is pulled into a snapshot that is whole, or says that it is not."""

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeAlias, cast

import httpx
import pytest
from kafka import KafkaAdminClient

from schemas.cloudevents import header
from schemas.events import SnapshotAborted, SnapshotCompleted, SnapshotPage, SnapshotStarted, SyncRequested
from schemas.records import RECORD_KINDS
from schemas.topics import DEAD_LETTERS, SNAPSHOTS, SYNC_REQUESTS
from services import clock
from tests.pipeline import Pipeline, pipeline, until
from tests.unit.clever_server import CleverServer

SnapshotEvent: TypeAlias = SnapshotStarted | SnapshotPage | SnapshotCompleted | SnapshotAborted

SETTINGS = {"ROLLCALL_PAGE_RECORDS": "20"}


@pytest.fixture
def ingesting(kafka: str, database: str, topic_prefix: str, tmp_path: Path) -> Iterator[Pipeline]:
    settings = {**SETTINGS, "ROLLCALL_HOME": str(tmp_path / "home")}
    with pipeline(kafka, database, topic_prefix, "relay", "ingest", settings=settings) as running:
        yield running


def _csv_district(folder: Path, students: int) -> Path:
    """Write a OneRoster 1.1 package of one school and one class with so many students."""
    folder.mkdir(parents=True)
    people = range(students)
    files = {
        "manifest.csv": "propertyName,value\nmanifest.version,1.0\noneroster.version,1.1\nfile.orgs,bulk\n"
        "file.academicSessions,bulk\nfile.courses,bulk\nfile.users,bulk\nfile.classes,bulk\nfile.enrollments,bulk\n",
        "orgs.csv": "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\ns1,,,Lincoln,school,1,\n",
        "academicSessions.csv": "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,"
        "schoolYear\ny1,,,Always,schoolYear,2020-01-01,2040-01-01,,2030\n",
        "courses.csv": "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,"
        "subjects,subjectCodes\nk1,,,y1,Math,M,,s1,,\n",
        "classes.csv": "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,"
        "schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods\nc1,,,Math 1,,k1,,scheduled,,s1,y1,,,\n",
        "users.csv": "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,"
        "familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password\n"
        "t1,,,true,s1,teacher,t1,,Ada,Hand,,,t1@x.example,,,,,\n"
        + "".join(f"p{n:06},,,true,s1,student,p{n},,Sam,Lee,,,p{n}@x.example,,,,05,\n" for n in people),
        "enrollments.csv": "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,"
        "primary,beginDate,endDate\net,,,c1,s1,t1,teacher,true,,\n"
        + "".join(f"e{n},,,c1,s1,p{n:06},student,false,,\n" for n in people),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@contextmanager
def _silent_server() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def _clever_that_waits_before_its_sections() -> Iterator[tuple[str, threading.Event]]:
    """A small Clever district; its sections come once the event is set."""
    clever, go_on = CleverServer(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "/sections" in self.path:
                go_on.wait()
            answer = clever(httpx.Request("GET", f"http://here{self.path}", headers=dict(self.headers)))
            self.send_response(answer.status_code)
            for name in ("content-type", "content-length"):
                self.send_header(name, answer.headers[name])
            self.end_headers()
            self.wfile.write(answer.content)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", go_on
        finally:
            go_on.set()
            server.shutdown()


def _of(running: Pipeline, district: str) -> list[SnapshotEvent]:
    return [cast(SnapshotEvent, event) for event in running.events(SNAPSHOTS) if event.district == district]


def _completed(running: Pipeline, district: str, count: int = 1, seconds: float = 60) -> list[SnapshotCompleted]:
    def look() -> list[SnapshotCompleted] | None:
        found = [event for event in _of(running, district) if isinstance(event, SnapshotCompleted)]
        return found if len(found) >= count else None

    return until(f"{district} has {count} completed snapshots", look, seconds)


def _aborted(running: Pipeline, district: str) -> SnapshotAborted:
    def look() -> SnapshotAborted | None:
        return next((event for event in _of(running, district) if isinstance(event, SnapshotAborted)), None)

    return until(f"{district} has an aborted snapshot", look)


def _acked(running: Pipeline, requests: int) -> None:
    """Wait until the group has committed everything on the requests' topic."""

    def look() -> bool | None:
        with closing(KafkaAdminClient(bootstrap_servers=running.kafka)) as admin:
            group = f"{running.prefix}rollcall.ingest"
            committed = admin.list_group_offsets(group)[group].values()
        return sum(metadata.offset for metadata in committed if metadata.offset > 0) >= requests or None

    until(f"{requests} requests are acknowledged", look)


def test_a_pull_becomes_a_snapshot_whose_counts_match_its_pages(ingesting: Pipeline, tmp_path: Path) -> None:
    ingesting.add_district("springfield", provider="oneroster-csv", url=str(_csv_district(tmp_path / "csv", 95)))
    sync_id = ingesting.request("springfield")
    completed = _completed(ingesting, "springfield")[0]
    events = _of(ingesting, "springfield")
    pages = [event for event in events if isinstance(event, SnapshotPage)]
    assert [type(event) for event in events] == [SnapshotStarted, *[SnapshotPage] * len(pages), SnapshotCompleted]
    assert {event.snapshot_id for event in events} == {completed.snapshot_id}
    assert [page.page for page in pages] == list(range(1, completed.pages + 1))
    assert max(len(page.entries) for page in pages) == 20
    assert completed.records == {"schools": 1, "teachers": 1, "students": 95, "classes": 1}
    for kind in RECORD_KINDS:
        assert sum(len(page.entries) for page in pages if page.kind == kind) == completed.records[kind]
    assert {proof.collection for proof in completed.proofs} >= {"users", "enrollments"}
    assert ingesting.query("SELECT state, snapshot_id FROM nights") == [("pulling", completed.snapshot_id)]
    requested = ingesting.messages(SYNC_REQUESTS)[0]
    for message in ingesting.messages(SNAPSHOTS):
        assert header(message.headers, "ce_correlationid") == sync_id
        assert header(message.headers, "ce_causationid") == header(requested.headers, "ce_id")


def test_a_pull_cut_off_by_a_kill_begins_anew_and_only_its_second_snapshot_completes(
    ingesting: Pipeline, tmp_path: Path
) -> None:
    token = tmp_path / "token.json"
    token.write_text('{"bearer": "district-token"}', encoding="utf-8")
    with _clever_that_waits_before_its_sections() as (url, go_on):
        ingesting.add_district("springfield", url=url, credentials_file=str(token))
        ingesting.request("springfield")
        until(
            "some pages are written",
            lambda: [event for event in _of(ingesting, "springfield") if isinstance(event, SnapshotPage)] or None,
        )
        ingesting.kill("ingest")
        assert not [event for event in _of(ingesting, "springfield") if isinstance(event, SnapshotCompleted)]
        go_on.set()
        ingesting.start("ingest")
        completed = _completed(ingesting, "springfield", seconds=120)
    _acked(ingesting, 1)
    started = [event for event in _of(ingesting, "springfield") if isinstance(event, SnapshotStarted)]
    assert len(started) == 2
    assert [event.snapshot_id for event in completed] == [started[1].snapshot_id]
    assert completed[0].records == {"schools": 1, "teachers": 1, "students": 5, "classes": 1}


def test_a_provider_that_hangs_delays_no_other_district(ingesting: Pipeline, tmp_path: Path) -> None:
    token = tmp_path / "token.json"
    token.write_text('{"bearer": "t"}', encoding="utf-8")
    with _silent_server() as url:
        ingesting.add_district("shelbyville", url=url, credentials_file=str(token))
        ingesting.add_district("springfield", provider="oneroster-csv", url=str(_csv_district(tmp_path / "csv", 30)))
        ingesting.request("shelbyville")
        until("shelbyville is being pulled", lambda: _of(ingesting, "shelbyville") or None)
        for count in (1, 2, 3):
            ingesting.request("springfield")
            _completed(ingesting, "springfield", count)
        assert [type(event) for event in _of(ingesting, "shelbyville")] == [SnapshotStarted]


def test_two_requests_of_one_district_are_pulled_one_after_the_other(ingesting: Pipeline, tmp_path: Path) -> None:
    ingesting.add_district("springfield", provider="oneroster-csv", url=str(_csv_district(tmp_path / "csv", 2000)))
    ingesting.request("springfield")
    ingesting.request("springfield")
    _completed(ingesting, "springfield", 2)
    order = [event.snapshot_id for event in _of(ingesting, "springfield") if not isinstance(event, SnapshotPage)]
    assert order[0] == order[1] != order[2] == order[3]


def test_a_district_on_the_enterprise_starter_plan_is_refused(ingesting: Pipeline, tmp_path: Path) -> None:
    ingesting.add_district("springfield", plan="enterprise-starter", url=str(tmp_path))
    ingesting.request("springfield")
    aborted = _aborted(ingesting, "springfield")
    assert aborted.code == "plan"
    assert "Enterprise Starter" in aborted.text
    _acked(ingesting, 1)
    assert ingesting.query("SELECT state, failure_code FROM nights") == [("failed", "plan")]


def test_a_request_for_an_unknown_district_is_answered_and_stops_nothing(ingesting: Pipeline) -> None:
    ingesting.publish(
        SYNC_REQUESTS,
        SyncRequested(district="nowhere", sync_id="s1", reason="by hand", requested_at=clock.now()),
    )
    assert _aborted(ingesting, "nowhere").code == "unknown-district"
    _acked(ingesting, 1)


def test_a_folder_that_is_no_roster_fails_the_night_with_a_reason(ingesting: Pipeline, tmp_path: Path) -> None:
    folder = _csv_district(tmp_path / "csv", 5)
    (folder / "users.csv").unlink()
    ingesting.add_district("springfield", provider="oneroster-csv", url=str(folder))
    ingesting.request("springfield")
    aborted = _aborted(ingesting, "springfield")
    assert "users.csv" in aborted.text
    _acked(ingesting, 1)
    assert ingesting.query("SELECT state, failure_code, failure_text FROM nights") == [
        ("failed", aborted.code, aborted.text)
    ]


def test_a_request_whose_night_is_past_its_pull_is_acknowledged_without_another(
    ingesting: Pipeline, tmp_path: Path
) -> None:
    folder = _csv_district(tmp_path / "csv", 5)
    ingesting.add_district("springfield", provider="oneroster-csv", url=str(folder))
    sync_id = ingesting.request("springfield")
    _completed(ingesting, "springfield")
    ingesting.query("UPDATE nights SET state = 'unchanged' RETURNING 1")
    shutil.rmtree(folder)
    ingesting.publish(
        SYNC_REQUESTS,
        SyncRequested(district="springfield", sync_id=sync_id, reason="by hand", requested_at=clock.now()),
    )
    _acked(ingesting, 2)
    assert [type(event) for event in _of(ingesting, "springfield") if not isinstance(event, SnapshotPage)] == [
        SnapshotStarted,
        SnapshotCompleted,
    ]
    assert ingesting.query("SELECT state FROM nights") == [("unchanged",)]


def test_a_request_that_cannot_be_read_is_a_dead_letter_and_the_next_one_is_served(
    ingesting: Pipeline, tmp_path: Path
) -> None:
    ingesting.add_district("springfield", provider="oneroster-csv", url=str(_csv_district(tmp_path / "csv", 5)))
    kind = ("ce_type", b"dev.rollcall.sync.requested.v1")
    ingesting.publisher.publish_raw(SYNC_REQUESTS, [kind], b"springfield", b'{"district": 7}')
    ingesting.publisher.flush()
    ingesting.request("springfield")
    _completed(ingesting, "springfield")
    letter = ingesting.messages(DEAD_LETTERS)[0]
    assert (letter.key, letter.value) == (b"springfield", b'{"district": 7}')
    assert header(letter.headers, "rollcall_worker") == "ingest"
    assert "district: string_type" in (header(letter.headers, "rollcall_reason") or "")


def test_a_worker_that_is_asked_to_stop_while_it_pulls_ends_at_once_and_leaves_the_pull_to_the_next(
    ingesting: Pipeline, tmp_path: Path
) -> None:
    token = tmp_path / "token.json"
    token.write_text('{"bearer": "district-token"}', encoding="utf-8")
    with _clever_that_waits_before_its_sections() as (url, go_on):
        ingesting.add_district("springfield", url=url, credentials_file=str(token))
        ingesting.request("springfield")
        until("the pull has begun", lambda: _of(ingesting, "springfield") or None)
        before = time.monotonic()
        ingesting.stop()
        assert time.monotonic() - before < 12
        assert not [event for event in _of(ingesting, "springfield") if isinstance(event, SnapshotCompleted)]
        go_on.set()
        ingesting.start("ingest")
        assert _completed(ingesting, "springfield")[0].records["students"] == 5


def test_what_is_remembered_of_a_district_that_was_removed_is_deleted(
    kafka: str, database: str, topic_prefix: str, tmp_path: Path
) -> None:
    kept, gone = tmp_path / "springfield.rows", tmp_path / "removed.rows"
    settings = {"ROLLCALL_MEMORY_FOLDER": str(tmp_path)}
    with pipeline(kafka, database, topic_prefix, settings=settings) as running:
        running.add_district("springfield")
        kept.touch()
        gone.touch()
        running.start("ingest")
        until("it is deleted", lambda: True if not gone.exists() else None, seconds=60)
        assert kept.exists()
