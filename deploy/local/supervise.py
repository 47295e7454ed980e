"""The supervisor's process, `python -m deploy.local.supervise`: the whole stack of one home, as its children.

It is started by `deploy.local.stack`, which hands it the write end of a pipe. Through it go JSON lines:
{"say": sentence}, then {"ready": true} or {"error": sentence}, then more sentences while it runs.
"""

import argparse
import json
import os
import secrets
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, get_args

import httpx
import psutil
import psycopg
from kafka.errors import KafkaError

from deploy.local import ports, record
from deploy.local.errors import StackError, disk_full_is_a_sentence
from deploy.local.kafka import Kafka
from deploy.local.postgres import Postgres
from deploy.local.process import Process, end_leftovers
from deploy.local.record import StackRecord
from deploy.local.supervisor import Child, Supervisor
from deploy.sandbox.sign_in_settings import write_sign_in_file
from schemas.topics import Worker
from services.database.migrate import MigrationError, migrate
from services.settings import Settings
from services.topics import create_topics

WORKERS: tuple[str, ...] = get_args(Worker)
_SANDBOX_ANSWER_SECONDS = 30


class _StopAskedError(BaseException):
    """SIGTERM or SIGINT has come. Not an Exception, as KeyboardInterrupt is none: nothing on the way may catch it."""


class StackProcess:
    """Builds the stack up and takes it down. `report` sends one message to whoever started it."""

    def __init__(self, settings: Settings, report: Callable[[dict[str, object]], None]) -> None:
        self._settings = settings
        self._home = settings.home
        self._report = report
        self._record = StackRecord(os.getpid(), psutil.Process().create_time())
        self._supervisor = Supervisor(self._say, self._write_record)

    def run(self, *, sandbox: bool) -> int:
        """Start everything, watch it until a signal comes, stop everything. Gives the exit code."""
        try:
            with disk_full_is_a_sentence(self._home), record.only_one(self._home):
                try:
                    self._start(sandbox=sandbox)
                    self._supervisor.watch()
                finally:
                    self._stop()
        except _StopAskedError:
            return 0
        except StackError as error:
            self._report({"error": str(error)})
            return 1

    def _start(self, *, sandbox: bool) -> None:
        self._end_leftovers()
        self._write_record()
        database = self._start_postgres()
        kafka = self._start_kafka()
        self._say("creating topics, migrating the database")
        self._prepare(kafka, database)
        self._record.kafka, self._record.database = kafka, database
        if sandbox:
            self._start_sandbox()
        environment = {**os.environ, "ROLLCALL_KAFKA": kafka, "ROLLCALL_DATABASE": database, **self._mail_settings()}
        environment |= self._desk_settings() | self._activation_settings()
        self._say("starting the workers")
        self._supervisor.start(
            *(self._worker(name, environment | self._metrics_port(at)) for at, name in enumerate(WORKERS))
        )
        self._record.state = "ready"
        self._write_record()
        self._report({"ready": True})

    def _stop(self) -> None:
        """Stop everything and forget the record; signals that come meanwhile change nothing any more."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._say("stopping")
        self._supervisor.stop()
        record.path(self._home).unlink(missing_ok=True)

    def _end_leftovers(self) -> None:
        """End what a stack of this home left behind whose supervisor was killed."""
        left = record.read(self._home)
        if left is not None:
            end_leftovers({process.pid: process.created for process in left.processes if process.pid})

    def _start_postgres(self) -> str:
        if self._settings.database is not None:
            return self._settings.database.get_secret_value()
        self._say("starting PostgreSQL")
        server = Postgres(self._home / "postgres", self._settings.postgres_port, self._say)
        server.process.log = self._log("postgres")
        self._supervisor.start(Child(server.process, server.start))
        return server.address()

    def _start_kafka(self) -> str:
        if self._settings.kafka is not None:
            return self._settings.kafka
        self._say("starting Apache Kafka")
        broker = Kafka(self._home / "kafka", self._settings.kafka_port, self._say)
        broker.process.log = self._log("kafka")
        self._supervisor.start(Child(broker.process, broker.start))
        return broker.bootstrap

    def _prepare(self, kafka: str, database: str) -> None:
        try:
            create_topics(kafka, self._settings.topic_prefix, self._settings.topic_replication)
        except KafkaError as error:
            raise StackError(
                f"the Kafka at {kafka} does not do what is asked: {error!r}; start it, or correct or leave out "
                "ROLLCALL_KAFKA (then the embedded one is used)"
            ) from error
        try:
            migrate(database)
        except psycopg.OperationalError as error:
            raise StackError(
                f"the PostgreSQL that ROLLCALL_DATABASE names does not do what is asked: {error}; start it, or correct "
                "or leave out ROLLCALL_DATABASE (then the embedded one is used)"
            ) from error
        except (psycopg.Error, MigrationError) as error:
            raise StackError(f"the database could not be migrated: {error}") from error

    def _start_sandbox(self) -> None:
        port = ports.choose(self._home / "sandbox" / "ports.json", "sandbox", self._settings.sandbox_port, usual=8600)
        address = f"http://{ports.HOST}:{port}"
        mail_port = ports.choose(self._home / "sandbox" / "ports.json", "mail", usual=8625)
        listening = ("--port", str(port), "--mail-port", str(mail_port))
        command = (sys.executable, "-m", "deploy.sandbox", *listening, "--state", str(self._home / "sandbox"))
        process = Process("sandbox", command, self._log("sandbox"), orphan_signal=signal.SIGKILL)

        def start() -> None:
            process.start()
            process.await_answer(lambda: httpx.get(address, timeout=2), _SANDBOX_ANSWER_SECONDS)

        self._say("starting the sandbox providers")
        self._supervisor.start(Child(process, start))
        self._record.sandbox, self._record.smtp = address, f"smtp://{ports.HOST}:{mail_port}"

    def _mail_settings(self) -> dict[str, str]:
        """Have mail caught by the sandbox, soon and for operators too, where no mail server is configured."""
        if self._record.smtp is None or self._settings.smtp is not None:
            return {}
        caught = {"ROLLCALL_SMTP": self._record.smtp}
        for name, value in (("operators", "operators@rollcall.example"), ("notice_seconds", "5")):
            if name not in self._settings.model_fields_set:
                caught[f"ROLLCALL_{name.upper()}"] = value
        return caught

    def _desk_settings(self) -> dict[str, str]:
        """Choose the desk's port, and have notices lead to it where nobody has said where people reach it."""
        port = ports.choose(self._home / "desk" / "ports.json", "desk", self._settings.desk_port, usual=8700)
        self._record.desk = f"http://{ports.HOST}:{port}"
        return {"ROLLCALL_DESK_PORT": str(port), "ROLLCALL_DESK_URL": self._settings.desk_url or self._record.desk}

    def _activation_settings(self) -> dict[str, str]:
        """Choose the port of the people's pages, have them sign in at the sandbox and let the product in by a token.

        What somebody has set stays.
        """
        folder = self._home / "activation"
        port = ports.choose(folder / "ports.json", "activation", self._settings.activation_port, usual=8720)
        self._record.activation = f"http://{ports.HOST}:{port}"
        reached = self._settings.activation_url or self._record.activation
        chosen = {"ROLLCALL_ACTIVATION_PORT": str(port), "ROLLCALL_ACTIVATION_URL": reached}
        if self._record.sandbox is not None and self._settings.sign_in_file is None:
            file = write_sign_in_file(self._record.sandbox, self._home / "sandbox" / "sign-in.json")
            chosen["ROLLCALL_SIGN_IN_FILE"] = str(file)
        if self._settings.product_token_file is None:
            token = folder / "product-token"
            if not token.exists():
                token.touch(mode=0o600)
                token.write_text(secrets.token_urlsafe(32), encoding="utf-8")
            chosen["ROLLCALL_PRODUCT_TOKEN_FILE"] = str(token)
        return chosen

    def _metrics_port(self, at: int) -> dict[str, str]:
        """Give the worker's own port for /metrics, where they are served: it cannot share one."""
        first = self._settings.metrics_port
        return {} if first is None else {"ROLLCALL_METRICS_PORT": str(first + at)}

    def _worker(self, name: str, environment: dict[str, str]) -> Child:
        command = (sys.executable, "-m", "services.run_worker", name)
        # A worker may be killed at any moment (what it had in hand comes again), so the kernel may do it too.
        process = Process(name, command, self._log(name), environment, stop_seconds=30, orphan_signal=signal.SIGKILL)
        return Child(process, process.start)

    def _log(self, name: str) -> Path:
        return self._home / "logs" / f"{name}.log"

    def _say(self, sentence: str) -> None:
        self._report({"say": sentence})

    def _write_record(self) -> None:
        self._record.processes = self._supervisor.records()
        record.write(self._home, self._record)


def _reporter(descriptor: int) -> Callable[[dict[str, object]], None]:
    def report(message: dict[str, object]) -> None:
        line = json.dumps(message) + "\n"
        with suppress(BrokenPipeError):  # whoever started a detached stack has long gone
            os.write(descriptor, line.encode())
        with suppress(OSError):  # a full disk takes no log, and the stack still has to be stopped
            sys.stderr.write(line)
            sys.stderr.flush()

    return report


def _ask_to_stop(_number: int, _frame: object) -> NoReturn:
    raise _StopAskedError


def main() -> None:
    """Run the stack of the home that the settings name."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.supervise", description=__doc__)
    parser.add_argument("--report", type=int, required=True, help="file descriptor of the pipe")
    parser.add_argument("--no-sandbox", action="store_true", help="leave out the sandbox providers")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _ask_to_stop)
    signal.signal(signal.SIGINT, _ask_to_stop)
    code = StackProcess(Settings(), _reporter(arguments.report)).run(sandbox=not arguments.no_sandbox)
    os._exit(code)  # not sys.exit: a download that hangs in a thread keeps nobody waiting


if __name__ == "__main__":
    main()
