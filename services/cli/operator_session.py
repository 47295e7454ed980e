"""What a command works with: the settings, where Kafka and PostgreSQL are, and the operator's connection."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from services.cli.failures import CommandError
from services.database.connect import connect
from services.district_rows import district as district_row
from services.districts import District
from services.installation import Installation, find_installation
from services.settings import Settings


@dataclass(frozen=True, slots=True)
class OperatorSession:
    """The connection may do what the role rollcall_operator may do."""

    settings: Settings
    installation: Installation
    connection: psycopg.Connection[Any]

    def district(self, district_id: str) -> District:
        """Give a registered district. Raises CommandError 'unknown-district'."""
        found = district_row(self.connection, district_id)
        if found is None:
            raise CommandError(
                "unknown-district",
                f"no district is registered as {district_id!r}; `rollcall district list` shows those that are",
            )
        return found


@contextmanager
def operator_session() -> Iterator[OperatorSession]:
    """Connect. Raises NothingRunningError, psycopg.OperationalError, pydantic.ValidationError for a wrong setting."""
    settings = Settings()
    installation = find_installation(settings)
    with connect(installation.database, "rollcall_operator") as connection:
        yield OperatorSession(settings, installation, connection)
