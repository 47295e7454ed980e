"""Where the Kafka and the PostgreSQL of this installation are: as configured, else those of the local stack."""

import json
from dataclasses import dataclass

from services.settings import Settings


class NothingRunningError(Exception):
    """Neither is an address configured nor does a local stack run. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Addresses: Kafka's bootstrap servers and PostgreSQL's connection string (which may hold a password)."""

    kafka: str
    database: str


def find_installation(settings: Settings) -> Installation:
    """Give the addresses, from the settings first, else from the `stack.json` that a running local stack wrote.

    Raises NothingRunningError where an address is in neither.
    """
    path = settings.home / "stack.json"
    running: dict[str, str] = {}
    if path.exists():
        running = json.loads(path.read_text(encoding="utf-8"))
    kafka = settings.kafka or running.get("kafka")
    database = settings.database.get_secret_value() if settings.database else running.get("database")
    if kafka is None or database is None:
        missing = "ROLLCALL_KAFKA" if kafka is None else "ROLLCALL_DATABASE"
        raise NothingRunningError(
            f"no local stack runs in {settings.home}, and {missing} is not set: start one with `rollcall up`, "
            "or set ROLLCALL_KAFKA and ROLLCALL_DATABASE to your own"
        )
    return Installation(kafka, database)
