"""The commands inside the test's own process: quick where what is tested is not how they start."""

import json
from collections.abc import Mapping
from pathlib import Path

import structlog
from typer.testing import CliRunner

from services.cli.failures import failure_of
from services.cli.main import app
from tests.cli import Ran


class CliInside:
    """Runs commands as `tests.cli.Cli` does, without a process for each."""

    def __init__(self, home: Path, kafka: str, database: str, prefix: str) -> None:
        self._environment: Mapping[str, str] = {
            "ROLLCALL_HOME": str(home),
            "ROLLCALL_KAFKA": kafka,
            "ROLLCALL_DATABASE": database,
            "ROLLCALL_TOPIC_PREFIX": prefix,
        }

    def __call__(self, *arguments: str) -> Ran:
        """Run one command to its end; what it cannot do is told as `services.cli.main.main` tells it."""
        with structlog.testing.capture_logs():  # as the command does, which shows none of its warnings
            done = CliRunner().invoke(app, arguments, env=self._environment)
        if done.exception is None or isinstance(done.exception, SystemExit):
            return Ran(done.exit_code, done.stdout, done.stderr)
        failure = failure_of(done.exception) if isinstance(done.exception, Exception) else None
        if failure is None:
            raise done.exception
        told = json.dumps({"error": {"code": failure.code, "text": failure.text}})
        return Ran(failure.status, told if "--json" in arguments else "", failure.text)
