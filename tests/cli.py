"""The `rollcall` command against a test's own topics and database, and rosters for it to pull."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.cli.main import main
from tests.processes import PROCESSES, redirect
from tests.unit.oneroster_csv_packages import files_of, tables_1_1, write_folder

COMMAND = Path(sys.executable).parent / "rollcall"


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def object(self) -> dict[str, Any]:
        """The one object on standard output."""
        loaded = json.loads(self.out)
        assert isinstance(loaded, dict)
        return loaded


def _command(arguments: tuple[str, ...], environment: Mapping[str, str], terminal: Path) -> None:
    redirect(0, terminal / "in", os.O_RDONLY)
    redirect(1, terminal / "out", os.O_WRONLY)
    redirect(2, terminal / "err", os.O_WRONLY)
    sys.stdin = os.fdopen(0, closefd=False)  # multiprocessing has closed it
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["rollcall", *arguments]
    main()


class Cli:
    """Runs commands as a person would, with this installation's addresses in the environment."""

    def __init__(self, home: Path, settings: Mapping[str, str]) -> None:
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ROLLCALL_")},
            "ROLLCALL_HOME": str(home),
            **settings,
        }

    @classmethod
    def of(cls, home: Path, kafka: str, database: str, prefix: str) -> "Cli":
        """Give the command line of an installation."""
        return cls(home, {"ROLLCALL_KAFKA": kafka, "ROLLCALL_DATABASE": database, "ROLLCALL_TOPIC_PREFIX": prefix})

    def __call__(self, *arguments: str, typed: str = "") -> Ran:
        """Run one command to its end, in a process of its own; `typed` is what is typed into it."""
        with tempfile.TemporaryDirectory(prefix="rollcall-test-command-") as folder:
            terminal = Path(folder)
            (terminal / "in").write_text(typed)
            process = PROCESSES.Process(target=_command, args=(arguments, self._environment, terminal))
            process.start()
            process.join(120)
            if process.exitcode is None:
                process.kill()
                process.join()
                raise subprocess.TimeoutExpired(arguments, 120)
            return Ran(process.exitcode, (terminal / "out").read_text(), (terminal / "err").read_text())

    @contextmanager
    def started(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """Give a command that goes on running; it is ended afterwards."""
        process = subprocess.Popen(
            [COMMAND, *arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def write_package(folder: Path, students: int, *, first: int = 1) -> Path:
    """Write a OneRoster package: one school, one teacher, one class of so many students, numbered from `first`."""
    tables = tables_1_1()
    today = datetime.now(UTC).date()
    [term] = tables["academicSessions.csv"]
    term |= {"startDate": str(today - timedelta(days=60)), "endDate": str(today + timedelta(days=60))}
    teacher, student = tables["users.csv"][:2]
    teaching, learning = tables["enrollments.csv"][:2]
    numbers = range(first, first + students)
    tables["users.csv"] = [
        teacher,
        *(
            {**student, "sourcedId": f"s{n}", "username": f"s{n}", "email": f"student{n}@district.example"}
            for n in numbers
        ),
    ]
    tables["enrollments.csv"] = [
        teaching,
        *({**learning, "sourcedId": f"e{n}", "userSourcedId": f"s{n}"} for n in numbers),
    ]
    return write_folder(folder, files_of(tables))
