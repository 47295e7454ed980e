"""The embedded stack as a person meets it: it starts, keeps its state, is hard to break, and leaves nothing behind."""

import os
import signal
import smtplib
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import psycopg
import pytest
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from deploy.local import ports, record, stack
from deploy.local.errors import StackError
from deploy.local.kafka import Kafka
from deploy.local.process import Process
from deploy.local.record import StackRecord
from deploy.local.supervisor import Child, Supervisor
from services.settings import Settings

_SECONDS_TO_END = 20


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home of its own, with ports of its own, embedded servers only."""
    return Settings(
        home=tmp_path / "home",
        kafka=None,
        database=None,
        kafka_port=ports.any_free(),
        postgres_port=ports.any_free(),
    )


def _processes(started: StackRecord) -> list[psutil.Process]:
    listed = [psutil.Process(process.pid) for process in started.processes if process.pid]
    return [psutil.Process(started.pid), *listed]


def _silence(_: str) -> None:
    """Progress is not what these tests are about."""


def test_a_second_start_keeps_the_state(settings: Settings) -> None:
    with stack.session(settings, _silence, sandbox=False) as first:
        assert first.record.kafka is not None
        assert first.record.database is not None
        with closing(KafkaAdminClient(bootstrap_servers=first.record.kafka)) as admin:
            admin.create_topics([NewTopic("kept", 1, 1)])
        with psycopg.connect(first.record.database) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")

    with stack.session(settings, _silence, sandbox=False) as second:
        assert second.record.kafka == first.record.kafka
        assert second.record.database == first.record.database
        with closing(KafkaAdminClient(bootstrap_servers=second.record.kafka)) as admin:
            assert "kept" in admin.list_topics()
        assert second.record.database is not None
        with psycopg.connect(second.record.database) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_everything_listens_on_this_machine_only_and_down_leaves_no_process(settings: Settings) -> None:
    started = stack.start(settings, _silence, sandbox=False, detach=True)
    everything = _processes(started.record)
    listening = [
        connection.laddr.ip
        for process in everything
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    with pytest.raises(StackError, match="already running"):
        stack.start(settings, _silence, sandbox=False)

    assert stack.stop(settings.home)

    assert len(everything) >= 3
    assert {address.removeprefix("::ffff:") for address in listening} == {ports.HOST}
    assert psutil.wait_procs(everything, timeout=_SECONDS_TO_END)[1] == []
    assert record.running(settings.home) is None
    assert not stack.stop(settings.home)


def test_with_the_sandbox_the_workers_mail_goes_to_its_mail_catcher_for_operators_too(settings: Settings) -> None:
    with stack.session(settings, _silence) as started:
        assert started.record.smtp is not None
        [notifier] = [process for process in _processes(started.record) if "notifier" in process.cmdline()]
        environment = notifier.environ()
        assert environment["ROLLCALL_SMTP"] == started.record.smtp
        assert environment["ROLLCALL_OPERATORS"]
        host, _, port = started.record.smtp.removeprefix("smtp://").partition(":")
        with smtplib.SMTP(host, int(port), timeout=30) as catcher:
            assert catcher.noop()[0] == 250


def test_a_killed_supervisor_leaves_no_process_and_the_next_start_works(settings: Settings) -> None:
    killed = stack.start(settings, _silence, sandbox=False, detach=True)
    everything = _processes(killed.record)
    os.kill(killed.record.pid, signal.SIGKILL)
    assert psutil.wait_procs(everything, timeout=_SECONDS_TO_END)[1] == []

    with stack.session(settings, _silence, sandbox=False) as started:
        assert started.record.database == killed.record.database


def test_a_worker_that_is_killed_is_started_again(tmp_path: Path) -> None:
    class RunsAgainError(Exception):
        """Ends the watch."""

    def changed() -> None:
        if worker.restarts == 1 and process.pid is not None:
            raise RunsAgainError

    said: list[str] = []
    process = Process("worker", (sys.executable, "-c", "import time; time.sleep(600)"), tmp_path / "worker.log")
    worker = Child(process, process.start)
    supervisor = Supervisor(said.append, changed)
    try:
        supervisor.start(worker)
        first = process.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        with pytest.raises(RunsAgainError):
            supervisor.watch()
        assert process.pid not in (None, first)
        assert "worker was killed by signal 9; starting it again" in said[0]
    finally:
        supervisor.stop()
    assert process.pid is None


def test_a_port_in_use_is_a_sentence_that_says_what_to_do(settings: Settings) -> None:
    with socket.create_server((ports.HOST, 0)) as server:
        port = server.getsockname()[1]
        taken = settings.model_copy(update={"kafka_port": port})
        with pytest.raises(StackError, match=rf"port {port}, set for kafka, is in use by another program; stop"):
            stack.start(taken, _silence, sandbox=False)
    assert record.running(settings.home) is None


def test_two_brokers_may_start_at_the_same_moment(tmp_path: Path) -> None:
    brokers = [Kafka(tmp_path / name, ports.any_free()) for name in ("one", "other")]
    with ThreadPoolExecutor() as threads:  # a server ends with the thread that started it
        try:
            for started in [threads.submit(broker.start) for broker in brokers]:
                started.result()
            clusters = set()
            for broker in brokers:
                with closing(KafkaAdminClient(bootstrap_servers=broker.bootstrap)) as admin:
                    clusters.add(admin.describe_cluster()["cluster_id"])
            assert len(clusters) == 2
        finally:
            for broker in brokers:
                broker.stop()


def test_data_of_another_cluster_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "meta.properties").write_text("version=1\ncluster.id=of-somebody-else\nnode.id=1\n")
    with pytest.raises(StackError, match="belongs to the Kafka cluster of-somebody-else"):
        Kafka(tmp_path, ports.any_free()).start()


def test_a_server_that_ends_at_once_is_reported_with_its_last_words(tmp_path: Path) -> None:
    process = Process("the server", (sys.executable, "-c", "raise SystemExit('the reason')"), tmp_path / "server.log")
    process.start()
    with pytest.raises(StackError, match=r"(?s)the server ended at once \(exit 1\).*the reason"):
        process.await_answer(lambda: socket.create_connection((ports.HOST, 1)), seconds=20)


def test_a_cluster_id_that_begins_with_a_dash_is_not_taken_for_an_option(tmp_path: Path) -> None:
    (tmp_path / "cluster-id").write_text("-Xm0t2gBQ4aYjUO8b2kXmA", encoding="utf-8")
    broker = Kafka(tmp_path, ports.any_free())
    broker.start()
    try:
        with closing(KafkaAdminClient(bootstrap_servers=broker.bootstrap)) as admin:
            assert admin.describe_cluster()["cluster_id"] == "-Xm0t2gBQ4aYjUO8b2kXmA"
    finally:
        broker.stop()
