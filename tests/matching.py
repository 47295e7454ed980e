"""A database with districts, accounts and rostered people, to try matching on without Kafka."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg

from schemas.events import ActivationChanged
from services.activation.matching import PersonKey, Rostered, match_changed_accounts, match_roster
from services.database.connect import connect
from tests.outbox import COLUMNS, events

Account = UUID


@dataclass
class Told:
    """What was told of a person."""

    person: str
    state: str
    reason: str
    account_id: UUID | None
    candidates: frozenset[UUID]


@dataclass
class Matching:
    """Matching in a database of the test's own."""

    database: str
    _versions: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.everything: psycopg.Connection[Any] = psycopg.connect(self.database, autocommit=True)
        self.activation = connect(self.database, "rollcall_activation")
        self.sign_in = connect(self.database, "rollcall_sign_in")

    def close(self) -> None:
        """Close the connections."""
        for connection in (self.everything, self.activation, self.sign_in):
            connection.close()

    def query(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Give the rows of a statement, run with every right."""
        cursor = self.everything.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []

    def add_district(self, district: str, provider: str = "clever", tenant: str | None = None) -> None:
        """Register a district."""
        self.query(
            "INSERT INTO districts (district, name, provider, tenant_id, url, timezone, plan)"
            " VALUES (%s, %s, %s, %s, 'http://127.0.0.1:9', 'UTC', 'districts')",
            district,
            district,
            provider,
            tenant,
        )
        self.query("INSERT INTO rosters (district) VALUES (%s)", district)

    def account(self, *emails: str) -> Account:
        """Make an account with these emails; nobody is matched by that alone."""
        account: UUID = self.query("INSERT INTO accounts DEFAULT VALUES RETURNING account_id")[0][0]
        for email in emails:
            self.query("INSERT INTO account_emails (account_id, email) VALUES (%s, %s)", account, email)
        return account

    def night(self, *people: Rostered) -> int:
        """Take these updates in one turn; give how many people were told of."""
        return match_roster(self.activation, people)

    def rostered(
        self,
        id_: str,
        email: str | None,
        *,
        district: str = "springfield",
        kind: str = "students",
        number: str | None = None,
        birth_date: str | None = None,
        name: str | None = None,
    ) -> Rostered:
        """Give an update of a person, at the district's next roster version."""
        given, family = (name or f"Given {id_}").split(" ", 1)
        return Rostered(
            PersonKey(district, kind, id_), self._next(district), False, email, number, birth_date, given, family
        )

    def gone(self, id_: str, *, district: str = "springfield", kind: str = "students") -> Rostered:
        """Give an update that says that a person is gone."""
        return Rostered(PersonKey(district, kind, id_), self._next(district), True)

    def _next(self, district: str) -> int:
        self._versions[district] = self._versions.get(district, 0) + 1
        return self._versions[district]

    def accounts_changed(self) -> None:
        """Match again whom the changed accounts concern, as the worker does."""
        while match_changed_accounts(self.activation, 1000):
            pass

    def state(self, id_: str, district: str = "springfield") -> tuple[str, UUID | None]:
        """Give the state of a person and their account."""
        rows = self.query(
            "SELECT DISTINCT state, account_id FROM activations WHERE district = %s AND id = %s", district, id_
        )
        assert len(rows) == 1, f"{id_} has {len(rows)} states"
        return rows[0][0], rows[0][1]

    def why(self, id_: str, district: str = "springfield") -> tuple[str, str]:
        """Give the state of a person and the reason."""
        rows = self.query(
            "SELECT DISTINCT state, reason FROM activations WHERE district = %s AND id = %s", district, id_
        )
        assert len(rows) == 1, f"{id_} has {len(rows)} reasons"
        return rows[0][0], rows[0][1]

    def told(self) -> list[Told]:
        """Give what was told since the last time, in order."""
        rows = self.query(f"DELETE FROM outbox WHERE aggregatetype = 'roster.activations' RETURNING {COLUMNS}")
        told = [ActivationChanged.model_validate(event.data) for event in events(rows)]
        return [
            Told(
                event.id,
                event.state,
                event.reason,
                UUID(event.account_id) if event.account_id else None,
                frozenset(map(UUID, event.candidates)),
            )
            for event in told
        ]

    def everybody(self) -> dict[tuple[str, str, str], tuple[str, UUID | None, str, tuple[UUID, ...]]]:
        """Give everybody who is there: state, account, reason, candidates."""
        return {
            (district, kind, id_): (state, account, reason, tuple(candidates))
            for district, kind, id_, state, account, reason, candidates in self.query(
                "SELECT district, kind, id, state, account_id, reason, candidates FROM activations"
                " WHERE state <> 'deactivated'"
            )
        }

    def forget_everything(self) -> None:
        """Leave a database in which nobody has been rostered and no account been made."""
        self.query("TRUNCATE outbox, activations, identities, account_emails, account_changes, resolutions")
        self.query("DELETE FROM accounts")
        self.query("DELETE FROM districts")
        self._versions.clear()


def nights(people: Iterable[Rostered], sizes: Sequence[int]) -> list[list[Rostered]]:
    """Cut updates into turns of these sizes; the rest is the last one."""
    left = list(people)
    turns = []
    for size in sizes:
        turns.append(left[:size])
        left = left[size:]
    return [turn for turn in [*turns, left] if turn]
