"""The accounts that are there before a district's first load, and what must become of its people beside them.

As in the product that Rollcall is for: of ten people nine have an account already, known by the person's email, and
more than as many accounts again are of people whom no district rosters.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from kafka import KafkaAdminClient, KafkaConsumer, OffsetSpec, TopicPartition

from schemas.topics import ACTIVATIONS, UPDATES
from tests.bench.recorded import truth
from tests.pipeline import Pipeline

ACCOUNTS_A_PERSON = 2_300_000 / 1_060_000
"""As the aim has it: 2.3 million accounts, and a million students with 60,000 teachers."""

WITHOUT_ACCOUNT = 10
"""Every tenth person has none."""


class _User(msgspec.Struct):
    id: str
    email: str = ""


class _Row(msgspec.Struct):
    data: _User


class _Page(msgspec.Struct):
    data: list[_Row]


class WrongAccountError(Exception):
    """People did not end with the accounts that they must have."""


class _Told(msgspec.Struct):
    state: str


def _people(folder: Path, night: int) -> Iterator[tuple[str, str]]:
    """Give "kind/id" and the email of everybody whom a night of Clever's form rosters."""
    rostered = truth(folder, night).digests
    decode = msgspec.json.Decoder(_Page).decode
    for page in sorted((folder / f"night-{night}").glob("users.*")):
        for row in decode(page.read_bytes()).data:
            for kind in ("students", "teachers"):
                if (person := f"{kind}/{row.data.id}") in rostered:
                    yield person, row.data.email.strip().lower()


class Accounts:
    """Accounts for the people of a recorded first night, and what the activation worker must make of each night."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        people = list(_people(folder, 1))
        times = Counter(email for _, email in people)
        with_own = [email for _, email in people if email and times[email] == 1]
        self._emails = {email for number, email in enumerate(with_own) if number % WITHOUT_ACCOUNT}
        self.number = max(round(len(people) * ACCOUNTS_A_PERSON), len(self._emails))

    def make(self, connection: psycopg.Connection[Any]) -> None:
        """Make them all, as they stood before any district was there."""
        connection.execute(
            "CREATE TEMPORARY TABLE made (account_id uuid NOT NULL DEFAULT gen_random_uuid(), email text NOT NULL)"
        )
        with connection.cursor() as cursor, cursor.copy("COPY made (email) FROM STDIN") as copy:
            for email in self._emails:
                copy.write_row((email,))
        connection.execute(
            "INSERT INTO made (email) SELECT 'somebody' || n || '@home.example' FROM generate_series(1, %s) n",
            (self.number - len(self._emails),),
        )
        connection.execute("INSERT INTO accounts (account_id) SELECT account_id FROM made")
        connection.execute("INSERT INTO account_emails (account_id, email) SELECT account_id, email FROM made")
        connection.execute("TRUNCATE account_changes")  # nobody is rostered yet
        connection.execute("DROP TABLE made")
        connection.execute("ANALYZE accounts, account_emails")

    def check(self, connection: psycopg.Connection[Any], running: Pipeline, district: str, night: int) -> None:
        """Raise WrongAccountError unless database and topic tell of everybody what they must after this night."""
        expected = {
            person: ("activated", email) if email in self._emails else ("required", None)
            for person, email in _people(self._folder, night)
        }
        found = {
            f"{kind}/{id_}": (state, email)
            for kind, id_, state, email in connection.execute(
                "SELECT a.kind, a.id, a.state, e.email_key FROM activations a"
                " LEFT JOIN account_emails e ON e.account_id = a.account_id"
                " WHERE a.district = %s AND a.state <> 'deactivated'",
                (district,),
            )
        }
        if found != expected:
            raise WrongAccountError(f"{_differences(found, expected)} after night {night} in the accounts database")
        told = {person: state for person, state in _told(running, district).items() if state != "deactivated"}
        if told != {person: state for person, (state, _) in expected.items()}:
            raise WrongAccountError(f"roster.activations does not tell of everybody what is so after night {night}")


def _differences(found: dict[str, Any], expected: dict[str, Any]) -> str:
    wrong = sorted(person for person in found.keys() | expected.keys() if found.get(person) != expected.get(person))
    return f"{len(wrong)} people have not the account that they must have ({', '.join(wrong[:5])})"


def _told(running: Pipeline, district: str) -> dict[str, str]:
    """Give what was told last of each person."""
    decode = msgspec.json.Decoder(_Told).decode
    name = running.prefix + ACTIVATIONS.name
    told: dict[str, str] = {}
    with closing(KafkaConsumer(bootstrap_servers=running.kafka, enable_auto_commit=False)) as consumer:
        partitions = [TopicPartition(name, number) for number in range(ACTIVATIONS.partitions)]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for messages in consumer.poll(timeout_ms=1000, max_records=5000).values():
                for message in messages:
                    told[message.key.decode().removeprefix(f"{district}/")] = decode(message.value).state
    return told


class ActivationLag:
    """How many updates the activation worker has not dealt with yet."""

    def __init__(self, running: Pipeline) -> None:
        self._admin = KafkaAdminClient(bootstrap_servers=running.kafka)
        self._group = f"{running.prefix}rollcall.activation"
        name = running.prefix + UPDATES.name
        self._partitions = [TopicPartition(name, number) for number in range(UPDATES.partitions)]

    def __call__(self) -> int:
        """Give the number as it is now; what is committed is durable in the accounts database."""
        committed = self._admin.list_group_offsets({self._group: None})[self._group]
        ends = self._admin.list_partition_offsets(dict.fromkeys(self._partitions, OffsetSpec.LATEST))
        return sum(ends[tp].offset - (committed[tp].offset if tp in committed else 0) for tp in self._partitions)

    def close(self) -> None:
        """Give up the connection."""
        self._admin.close()
