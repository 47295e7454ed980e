"""The time, with its zone."""

from datetime import UTC, datetime


def now() -> datetime:
    """Give the current time in UTC."""
    return datetime.now(UTC)
