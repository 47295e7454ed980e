"""Why a command fails, as one sentence and an exit status.

Errors of the libraries are translated here and nowhere else, so that nobody who types a command reads a traceback for
something they can do something about.
"""

import errno
from dataclasses import dataclass

import psycopg
from kafka.errors import KafkaError
from pydantic import ValidationError

from services.database.migrate import MigrationError
from services.districts import CredentialsError
from services.ingest.source import PullFailedError
from services.installation import NothingRunningError
from services.messages import PublishError

FAILED = 1
WRONG_USAGE = 2
HELD = 3


class CommandError(Exception):
    """A command cannot do what was asked; `code` is for programs, the text says what is wrong and what to do."""

    status = FAILED

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class WrongUsageError(CommandError):
    """What was typed cannot be meant; nothing was done."""

    status = WRONG_USAGE


@dataclass(frozen=True, slots=True)
class Failure:
    """What is told of an error."""

    code: str
    text: str
    status: int = FAILED


_SAY_IT_THEMSELVES: dict[type[Exception], str] = {
    NothingRunningError: "nothing-running",
    CredentialsError: "credentials-unreadable",
    MigrationError: "migrations",
}
"""Errors of ours whose text is the sentence."""


def failure_of(error: Exception) -> Failure | None:
    """Give what to tell of an error, or None where it is a mistake in Rollcall."""
    if isinstance(error, CommandError):
        return Failure(error.code, error.text, error.status)
    if isinstance(error, PullFailedError):
        return Failure(error.code, error.text)
    if (code := _SAY_IT_THEMSELVES.get(type(error))) is not None:
        return Failure(code, str(error))
    return _of_libraries(error)


def _of_libraries(error: Exception) -> Failure | None:
    if isinstance(error, psycopg.Error):
        return _of_database(error)
    if isinstance(error, PublishError | KafkaError):
        return Failure(
            "kafka",
            f"Kafka does not answer as it should ({_first_line(error) or type(error).__name__}); "
            "`rollcall status` shows where it is looked for, `rollcall doctor` what is wrong",
        )
    if isinstance(error, ValidationError) and error.title == "Settings":
        return Failure("settings", "; ".join(_setting_problems(error)), WRONG_USAGE)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Failure("disk-full", "no space is left on the disk; make room and try again, nothing was changed")
    return None


def _of_database(error: psycopg.Error) -> Failure:
    if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn):
        return Failure(
            "not-migrated", "the accounts database is not at this version's schema; `rollcall up` brings it there"
        )
    if isinstance(error, psycopg.errors.InvalidParameterValue | psycopg.errors.InsufficientPrivilege):
        return Failure(
            "database-rights",
            f"PostgreSQL does not let this user work as rollcall_operator ({_first_line(error)}); `rollcall up` makes "
            "the roles, and a superuser may have to grant them",
        )
    return Failure(
        "database",
        f"PostgreSQL does not answer as it should ({_first_line(error) or type(error).__name__}); "
        "`rollcall status` shows where it is looked for, `rollcall doctor` what is wrong",
    )


def _setting_problems(error: ValidationError) -> list[str]:
    return [
        f"ROLLCALL_{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_url=False)
    ]


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
