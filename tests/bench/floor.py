"""The floor: what a night costs in which nothing is decided, each part measured bare.

The same bytes are fetched and split into rows, every row is digested, the digests are compared in PostgreSQL with last
night's, and the rows that changed are written there and published. Nothing is decoded, checked, counted or guarded, and
no message is read again. A night takes what its parts take together, in one process, one after the other.
"""

import argparse
import http.client
import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import psycopg

from schemas.topics import UPDATES
from services.apply.bulk_publisher import BulkPublisher
from services.apply.relay import BATCH
from services.topics import create_topics
from tests.bench.proof import WrongResultError
from tests.bench.recorded import LIMITS, truth
from tests.bench.stack import servers, serving
from tests.bench.stages import RECORDED, recorded_nights, screen

COLLECTIONS = ("schools", "users", "sections")
FIRST, CHANGED = 1, 3
PARTS = ("fetch", "split", "digest", "compare", "write", "publish")
KINDS = {"users": ("students", "teachers"), "sections": ("classes",), "schools": ("schools",)}

_TABLES = """
CREATE TABLE floor_digests (key text NOT NULL, digest bytea NOT NULL);
CREATE TABLE floor_rows (key text PRIMARY KEY, row text NOT NULL);
"""


class _Row(msgspec.Struct):
    uri: str
    data: msgspec.Raw


class _Link(msgspec.Struct):
    rel: str
    uri: str


class _Page(msgspec.Struct):
    data: list[_Row]
    links: list[_Link]


class _Parts:
    """Adds up the seconds of each part."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self.seconds[part] += time.perf_counter() - begun


class Floor:
    """The floor's own tables and connections."""

    def __init__(self, address: str, connection: psycopg.Connection[Any], publisher: BulkPublisher) -> None:
        self._address = address
        self._connection = connection
        self._publisher = publisher
        connection.execute(_TABLES.encode())

    def night(self, number: int) -> tuple[dict[str, float], set[str]]:
        """Run one night; give the seconds of each part, and the keys of the rows that changed or went."""
        urllib.request.urlopen(urllib.request.Request(f"{self._address}/night/{number}", method="PUT")).close()
        parts = _Parts()
        rows: dict[str, msgspec.Raw] = {}
        digests: dict[str, bytes] = {}
        for name in COLLECTIONS:
            self._pull(name, parts, rows, digests)
        with self._connection.transaction():
            with parts.timed("compare"):
                changed = self._compare(digests)
            written = {key: _text(rows[key]) for key in changed if key in rows}
            with parts.timed("write"):
                self._write(written, changed - written.keys())
        with parts.timed("publish"):
            self._publish({**dict.fromkeys(changed, "{}"), **written})
        return parts.seconds, changed

    def _publish(self, messages: dict[str, str]) -> None:
        """Publish them, as many before each flush as the relay has."""
        for number, (key, text) in enumerate(messages.items(), 1):
            self._publisher.publish(UPDATES, [("ce_id", key)], key, text)
            if number % BATCH == 0:
                self._publisher.flush()
        self._publisher.flush()

    def _pull(self, name: str, parts: _Parts, rows: dict[str, msgspec.Raw], digests: dict[str, bytes]) -> None:
        server = urlsplit(self._address)
        connection = http.client.HTTPConnection(server.hostname or "", server.port)
        decode = msgspec.json.Decoder(_Page).decode
        path: str | None = f"/v3.0/{name}?limit={LIMITS[name]}"
        while path is not None:
            with parts.timed("fetch"):
                connection.request("GET", path)
                body = connection.getresponse().read()
            with parts.timed("split"):
                page = decode(body)
                found = [(row.uri, row.data) for row in page.data]
            with parts.timed("digest"):
                digested = [(key, blake2b(_lasting(row), digest_size=16).digest()) for key, row in found]
            rows.update(found)
            digests.update(digested)
            path = next((link.uri for link in page.links if link.rel == "next"), None)
        connection.close()

    def _compare(self, digests: dict[str, bytes]) -> set[str]:
        """Copy tonight's digests and join them with last night's, whose place they take."""
        self._connection.execute("CREATE TEMPORARY TABLE tonight (key text, digest bytea) ON COMMIT DROP")
        with self._connection.cursor() as cursor:
            with cursor.copy("COPY tonight FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["text", "bytea"])
                for row in digests.items():
                    copy.write_row(row)
            cursor.execute(
                "SELECT coalesce(t.key, d.key) FROM tonight t FULL JOIN floor_digests d USING (key)"
                " WHERE t.digest IS DISTINCT FROM d.digest"
            )
            return {key for (key,) in cursor}

    def _write(self, written: dict[str, str], gone: set[str]) -> None:
        connection = self._connection
        connection.execute("CREATE TEMPORARY TABLE written (key text, row text) ON COMMIT DROP")
        with connection.cursor() as cursor, cursor.copy("COPY written FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["text", "text"])
            for row in written.items():
                copy.write_row(row)
        connection.execute(
            "INSERT INTO floor_rows SELECT key, row FROM written ON CONFLICT (key) DO UPDATE SET row = excluded.row"
        )
        connection.execute("DELETE FROM floor_rows WHERE key = ANY (%s)", (list(gone),))
        changed = [*written, *gone]
        connection.execute("DELETE FROM floor_digests WHERE key = ANY (%s)", (changed,))
        connection.execute(
            "INSERT INTO floor_digests SELECT t.* FROM tonight t JOIN unnest(%s::text[]) c (key) USING (key)",
            (list(written),),
        )


def _lasting(row: msgspec.Raw) -> bytes:
    """Give a row without its times, which move every night though nothing has changed."""
    text = bytes(row)
    return text[: text.rindex(b'"created"')]


def _text(row: msgspec.Raw) -> str:
    return bytes(row).decode()


def measure(folder: Path) -> dict[str, Any]:
    """Give the seconds of each part of both nights. Raises WrongResultError where a change was missed."""
    with (
        servers() as own,
        serving(folder) as (address, _),
        psycopg.connect(own.postgres.address("postgres"), autocommit=True) as connection,
    ):
        create_topics(own.kafka.bootstrap, "floor.")
        with closing(BulkPublisher(own.kafka.bootstrap, "floor.", "floor")) as publisher:
            floor = Floor(address, connection, publisher)
            first, _ = floor.night(FIRST)
            tonight, changed = floor.night(CHANGED)
    _check(folder, changed)
    nights = {"first load": first, "1% changed": tonight}
    return {
        "changed": len(changed),
        "nights": {name: {"seconds": sum(parts.values()), "parts": parts} for name, parts in nights.items()},
    }


def _check(folder: Path, changed: set[str]) -> None:
    """Every record that the generator has changed must be among the rows that changed."""
    before, now = truth(folder, FIRST).digests, truth(folder, CHANGED).digests
    found = {key.removeprefix("/v3.0/") for key in changed}
    for name, kinds in KINDS.items():
        for key in before.keys() | now.keys():
            kind, _, id_ = key.partition("/")
            if kind in kinds and before.get(key) != now.get(key) and f"{name}/{id_}" not in found:
                raise WrongResultError(f"the floor has missed that {key} changed")


def main() -> None:
    """Run both nights, print and write the seconds of each part."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.floor", description=__doc__)
    parser.add_argument("--students", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, default=RECORDED)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    given = parser.parse_args()
    result = measure(recorded_nights(given.folder, given.students))
    for name, night in result["nights"].items():
        parts = ", ".join(f"{part} {seconds:.2f}" for part, seconds in night["parts"].items())
        screen.print(f"the floor, {name}, {given.students:,} students: {night['seconds']:.2f} s ({parts})")
    if given.json is not None:
        given.json.write_text(json.dumps({"students": given.students, **result}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
