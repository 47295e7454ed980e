"""The time, with its zone."""

from datetime import UTC, datetime
from pathlib import Path

_rehearsal: Path | None = None


def rehearse(clock_file: Path | None) -> None:
    """From here on take the time of this process from a file, or with None from the machine again.

    The file holds one ISO 8601 instant with its zone, and the time stands still until the file says another. So a
    rehearsal, or a test, plays weeks in seconds. What PostgreSQL and Kafka note down keeps the machine's time.
    """
    global _rehearsal  # noqa: PLW0603 - one process has one clock
    _rehearsal = clock_file


def now() -> datetime:
    """Give the current time in UTC. Raises OSError or ValueError where a rehearsal's file has no instant."""
    if _rehearsal is None:
        return datetime.now(UTC)
    told = datetime.fromisoformat(_rehearsal.read_text(encoding="utf-8").strip())
    if told.tzinfo is None:
        raise ValueError(f"{_rehearsal} names a time without a zone; write it like 2026-12-18T20:00:00-06:00")
    return told.astimezone(UTC)
