"""Pulls a district's roster: reads it from its provider, from the start again where it changed under way."""

import errno
import tempfile
import traceback
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import date
from typing import TypeAlias

import structlog

from services.ingest.source import PullFailedError, PullReport, RecordPage, RosterMovedError, RosterSource

log = structlog.get_logger()

MAX_READS = 3
"""How often a roster that changes while it is read is begun anew."""

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)

OpenSource: TypeAlias = Callable[[], AbstractAsyncContextManager[RosterSource]]


async def pull_roster(open_source: OpenSource, today: date) -> AsyncGenerator[PullReport | RecordPage, None]:
    """Give the roster's pages. A report comes before them, and is whole once the last page has come.

    A report that comes later says that the roster has changed under way: everything before it is void.

    Raises PullFailedError where the roster cannot be read whole, with the code 'moved' where it kept changing.
    """
    for _ in range(MAX_READS):
        report = PullReport()
        yield report
        try:
            async with open_source() as source, aclosing(source.read(today, report)) as pages:
                async for page in pages:
                    yield page
        except RosterMovedError:
            continue
        except PullFailedError:
            raise
        except Exception as error:  # one district's odd data must not stop the worker for all (promise 9)
            raise _failure(error) from error
        return
    raise PullFailedError(
        "moved",
        f"the provider's data changed while they were read, {MAX_READS} times in a row; sync again when it is quieter",
    )


def _failure(error: Exception) -> PullFailedError:
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return PullFailedError(
            "disk-full",
            f"no space is left for the temporary files of the pull in {tempfile.gettempdir()}, on the machine that "
            "reads the roster; make room there, or name another folder by TMPDIR, then sync the district again",
        )
    log.error("adapter-fault", error=type(error).__name__, trace=traceback.format_tb(error.__traceback__))
    return PullFailedError(
        "fault",
        f"Rollcall could not cope with what the provider sent ({type(error).__name__}, a mistake in Rollcall); "
        "the ingest worker's log says where it happened",
    )
