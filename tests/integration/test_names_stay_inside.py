"""Names and addresses of people stay inside, whatever goes wrong with their night (promise 11)."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from schemas.events import Event, SnapshotPage
from schemas.records import Class, Record, RecordKind, School, Student, Teacher
from schemas.topics import APPROVED, DEAD_LETTERS, HELD, NOTICES, SNAPSHOTS, UPDATES, Worker
from tests.change_sets import approved, created
from tests.pipeline import Pipeline, pipeline, until

MARKS = ("Zaphira", "Quillfeather", "zaphira@quill.example")
SCHOOL = School("s1", "Lincoln")
TEACHER = Teacher("t1", MARKS[2], MARKS[0], MARKS[1], f"{MARKS[0]} {MARKS[1]}", ("s1",))
STUDENT = Student("p1", MARKS[2], MARKS[0], MARKS[1], f"{MARKS[0]} {MARKS[1]}", ("s1",))
CLASS = Class("c1", "Math 5", "s1", ("t1",), ("p1",))
ROSTER: dict[RecordKind, Sequence[Record]] = {
    "schools": [SCHOOL],
    "teachers": [TEACHER],
    "students": [STUDENT],
    "classes": [CLASS],
}


@contextmanager
def logged(running: Pipeline, folder: Path, name: Worker) -> Iterator[Path]:
    """Run a worker as a supervisor does, with all that it says in a file."""
    path = folder / f"{name}.log"
    environment = {
        **os.environ,
        "ROLLCALL_KAFKA": running.kafka,
        "ROLLCALL_DATABASE": running.database,
        "ROLLCALL_TOPIC_PREFIX": running.prefix,
        "ROLLCALL_LOG_LEVEL": "DEBUG",
    }
    with path.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.run_worker", name], env=environment, stdout=log, stderr=log
        )
        try:
            yield path
        finally:
            process.terminate()
            process.wait(20)


def _spoilt(event: Event) -> bytes:
    data = event.model_dump(mode="json")
    if isinstance(event, SnapshotPage) and event.kind == "students":
        data["entries"][0]["digest"] = MARKS[1]
    return json.dumps(data).encode()


def _assert_no_marks(told: str, where: str) -> None:
    for mark in MARKS:
        assert mark.lower() not in told.lower(), where


def test_nights_that_go_wrong_tell_nobody_a_name(kafka: str, database: str, topic_prefix: str, tmp_path: Path) -> None:
    workers: tuple[Worker, ...] = ("diff", "guard", "apply", "relay", "activation")
    with pipeline(kafka, database, topic_prefix) as running, ExitStack() as stack:
        running.add_district("springfield", setting_up=False)
        running.add_district("riverside")
        logs = [stack.enter_context(logged(running, tmp_path, name)) for name in workers]
        nights = [
            running.publish_snapshot("springfield", ROSTER),
            running.publish_snapshot("springfield", ROSTER, encode=_spoilt),
            running.publish_snapshot("springfield", ROSTER, leave_out_page=2),
        ]
        for topic in (SNAPSHOTS, APPROVED, UPDATES):
            for type_ in topic.types:
                body = json.dumps({"district": "riverside", "change_set": MARKS[0], "kind": MARKS[1], "id": MARKS[2]})
                for value in (body, json.dumps(MARKS), MARKS[0]):
                    running.publisher.publish_raw(topic, [("ce_type", type_.encode())], b"riverside", value.encode())
        twice = [created(record) for record in (SCHOOL, TEACHER, STUDENT, STUDENT, CLASS)]
        without_a_name = created(STUDENT).model_copy(update={"record": SCHOOL})
        for changes in (twice, [created(CLASS)], [without_a_name], [created(SCHOOL), created(TEACHER)]):
            for event in approved("riverside", 0, changes, {}):
                running.publish(APPROVED, event)
        states = [running.ended(sync_id).state for sync_id in nights]
        assert states == ["held", "failed", "failed"]
        until("riverside is applied", lambda: running.query("SELECT 1 FROM rosters WHERE roster_version = 1") or None)
        running.published()
        until("the activation is asked for", lambda: running.query("SELECT 1 FROM activations") or None)
        letters = running.messages(DEAD_LETTERS)
        assert len(letters) >= 15
        for letter in letters:
            own = {key: value for key, value in letter.headers if key.startswith("rollcall_")}
            _assert_no_marks(repr(own), "a dead letter's headers")
        for table, columns in {"nights": "failure_text, reasons, defects", "holds": "reasons"}.items():
            _assert_no_marks(repr(running.query(f"SELECT {columns} FROM {table}")), table)
        _assert_no_marks(repr([record.value for record in running.messages(NOTICES)]), "notices")
        _assert_no_marks(repr([record.headers for record in running.messages(HELD)]), "headers of what is held")
    for log in logs:
        _assert_no_marks(log.read_text(), log.name)


def test_what_ends_a_worker_is_told_without_the_row_it_failed_on(
    kafka: str, database: str, topic_prefix: str, tmp_path: Path
) -> None:
    with pipeline(kafka, database, topic_prefix) as running:
        running.add_district("springfield")
        with running.connect() as connection:
            connection.execute(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$"
                " BEGIN RAISE EXCEPTION 'no % % here', NEW.given, NEW.email; END $$;"
                "CREATE TRIGGER refuse BEFORE INSERT ON students FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
        with logged(running, tmp_path, "apply") as log:
            for event in approved("springfield", 0, [created(SCHOOL), created(STUDENT)], {}):
                running.publish(APPROVED, event)
            until("apply has ended", lambda: "worker-ends" in log.read_text() or None)
        _assert_no_marks(log.read_text(), log.name)
        assert "RaiseException" in log.read_text()
