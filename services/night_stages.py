"""What each stage has worked on a district's last night, in the accounts database, for `rollcall status`.

Each worker's process tells it once a second, beside its work and for all nights at once: no stage waits for it, and a
night of a small district costs no statement. It is for people. What a process that is killed had not yet told is
missing, and what was done twice counts twice.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import structlog
from psycopg.rows import TupleRow, class_row

from schemas.topics import Worker
from services.database.connect import Role, connect
from services.database.queries import Queries
from services.installation import find_installation
from services.metrics import NIGHT_WORK, Stage, Sums
from services.settings import Settings

QUERIES = Queries("services", "night_stages.sql")

SECONDS_BETWEEN = 1.0

_ROLES: dict[Worker, Role] = {
    "ingest": "rollcall_ingest",
    "diff": "rollcall_diff",
    "guard": "rollcall_guard",
    "apply": "rollcall_apply",
    "relay": "rollcall_relay",
    "activation": "rollcall_activation",
}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NightStage:
    """A stage's work on a night so far; `seconds` are those in which it worked, of lanes side by side added up."""

    district: str
    sync_id: str
    stage: Stage
    records: int
    bytes: int
    seconds: float


def night_stages(connection: psycopg.Connection[TupleRow]) -> list[NightStage]:
    """Give what each stage worked on the last night of each district that reached it, by district, in their order."""
    with connection.cursor(row_factory=class_row(NightStage)) as cursor:
        return cursor.execute(QUERIES["all"]).fetchall()


def tell(connection: psycopg.Connection[TupleRow], work: dict[tuple[str, Stage], Sums]) -> None:
    """Add work to that of its nights; what is of no night, or of one before a district's last, is left out."""
    connection.execute(
        QUERIES["tell"],
        {
            "sync_ids": [sync_id for sync_id, _ in work],
            "stages": [stage for _, stage in work],
            "records": [sums.records for sums in work.values()],
            "bytes": [sums.bytes for sums in work.values()],
            "seconds": [sums.seconds for sums in work.values()],
        },
    )


@contextmanager
def telling(worker: Worker, settings: Settings) -> Iterator[None]:
    """Tell what this process works, while the block runs and once more at its end."""
    if worker not in _ROLES:
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_tell_on, args=(_ROLES[worker], settings, ended), name="night-stages", daemon=True)
    NIGHT_WORK.follow(True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        NIGHT_WORK.some.set()
        thread.join(SECONDS_BETWEEN)  # a database that does not answer now holds nobody up
        NIGHT_WORK.follow(False)


def _tell_on(role: Role, settings: Settings, ended: threading.Event) -> None:
    connection: psycopg.Connection[TupleRow] | None = None
    while not ended.is_set():
        NIGHT_WORK.some.wait()
        ended.wait(SECONDS_BETWEEN)
        work = NIGHT_WORK.take()
        if not work:
            continue
        try:
            if connection is None or connection.closed:
                connection = connect(find_installation(settings).database, role)
                connection.execute("SET synchronous_commit = off")
            tell(connection, work)
        except psycopg.Error as error:  # a district that goes at this moment, or a database that is away
            log.info("stages-not-told", error=type(error).__name__)
    if connection is not None:
        connection.close()
