"""Structured logs on standard error: one JSON object a line, with ids and numbers, never a person's name or email.

The text of an exception may quote what it failed on (psycopg tells rows, pydantic inputs), so only its type and where
it was raised are logged, by us, by libraries and where it ends the process.
"""

import logging
import sys
import threading
import traceback
from types import TracebackType

import structlog
from structlog.typing import EventDict, WrappedLogger

log = structlog.get_logger()


def configure_logs(worker: str, level: str) -> None:
    """Send this process's logs, and those of its libraries, to standard error as JSON with the worker's name."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_WithoutTexts("%(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            _exception_without_text,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(worker=worker)
    sys.excepthook = _ends
    threading.excepthook = lambda ended: _ends(ended.exc_type, ended.exc_value, ended.exc_traceback)


def told_without_text(error: BaseException) -> list[str]:
    """Give what may be said of an exception: its type, that of what caused it, and where each was raised."""
    told = [f"{type(error).__module__}.{type(error).__qualname__}", *traceback.format_tb(error.__traceback__)]
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return told if before is None else [*told, "after", *told_without_text(before)]


class _WithoutTexts(logging.Formatter):
    def formatException(self, ei: object) -> str:  # noqa: N802 - the base class's name
        error = ei[1] if isinstance(ei, tuple) else None
        return "".join(told_without_text(error)) if isinstance(error, BaseException) else ""


def _exception_without_text(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else sys.exception() if given else None
    if error is not None:
        event["exception"] = told_without_text(error)
    return event


def _ends(_type: type[BaseException], error: BaseException | None, _traceback: TracebackType | None) -> None:
    if error is not None:
        log.critical("worker-ends", exc_info=error)
