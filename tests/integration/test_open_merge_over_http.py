"""The product asks over HTTP while large change sets are merged and not yet committed: it waits for none of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from schemas.events import Change, ChangeSetStarted
from schemas.records import Record, School, Student
from schemas.topics import APPROVED
from tests.change_sets import approved, created, updated
from tests.classroom import DISTRICT, MATH, Classroom
from tests.pipeline import Pipeline, pipeline, until
from tests.product import TOKEN

LARGE = "lakeside"
MANY = 5_000
PATIENCE = 30.0
"""Seconds after which an answer is one that waits: the merges are held open for as long as anybody asks."""

RENAMED = replace(MATH, name="Math 6", students=("p1", "p2"))


@pytest.fixture
def running(kafka: str, database: str, topic_prefix: str, tmp_path: Path) -> Iterator[Pipeline]:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n", encoding="utf-8")
    settings = {"ROLLCALL_PRODUCT_TOKEN_FILE": str(token)}
    with pipeline(kafka, database, topic_prefix, "apply", "activation-web", settings=settings) as running:
        yield running


class Product:
    """The product, over a connection of its own to activation-web."""

    def __init__(self, address: str, room: Classroom) -> None:
        self.room = room
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self._http = httpx.Client(base_url=f"{address}/api", headers=headers, timeout=PATIENCE)

    def ask(self, account: UUID, path: str = "", method: str = "GET", json: Any = None) -> Any:
        answer = self._http.request(method, f"/accounts/{account}{path}", json=json)
        assert answer.is_success, answer.text
        return answer.json()

    def sees(self) -> tuple[str, int, int]:
        """Give what the teacher is told of the synced class: its name, how many students it has, in list and page."""
        whole = self.ask(self.room.teacher, f"/classes/{self.room.math}")
        [listed] = [one for one in self.ask(self.room.teacher, "/classes") if one["class_id"] == str(self.room.math)]
        assert listed["name"] == whole["summary"]["name"]
        return whole["summary"]["name"], listed["students"], len(whole["students"])


def _large() -> list[Change]:
    people: list[Record] = [
        Student(f"p{number:05}", None, "Sam", "Lee", f"Sam {number}", ("s1",)) for number in range(MANY)
    ]
    return [created(record) for record in [School("s1", "Lake"), *people]]


def _waiting(running: Pipeline) -> int:
    """Give how many merges have written everything but the end of their night."""
    statement = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND application_name = 'rollcall_apply'"
    )
    [(waiting,)] = running.query(statement)
    assert isinstance(waiting, int)
    return waiting


@contextmanager
def _merges_held_open(running: Pipeline) -> Iterator[None]:
    """Have a large first load and a change of the synced class merged, but for the last statement and the commit."""
    running.add_district(LARGE)
    existing: dict[Any, int] = {"schools": 1, "teachers": 2, "students": 3, "classes": 1, "places": 5}
    sets = [approved(LARGE, 0, _large(), {}, chunk=1000), approved(DISTRICT, 1, [updated(MATH, RENAMED)], existing)]
    with psycopg.connect(running.database) as holder:
        for started, *_ in sets:
            assert isinstance(started, ChangeSetStarted)
            with running.connect() as connection:
                connection.execute(
                    "INSERT INTO nights (sync_id, district, reason, state, requested_at)"
                    " VALUES (%s, %s, 'by hand', 'approved', now())",
                    (started.sync_id, started.district),
                )
            holder.execute("SELECT FROM nights WHERE sync_id = %s FOR UPDATE", (started.sync_id,))
        for events in sets:
            for event in events:
                running.publish(APPROVED, event)
        until("both merges are held open", lambda: _waiting(running) == len(sets) or None, seconds=90)
        yield
        assert _waiting(running) == len(sets), "both were open all the while"


def test_the_product_reads_and_changes_classes_over_http_while_large_merges_are_open(running: Pipeline) -> None:
    room = Classroom(running.database)
    product = Product(running.pages, room)
    with _merges_held_open(running):
        assert product.sees() == (MATH.name, 3, 3)
        assert product.ask(room.ada)["display_name"] == "Ada L."
        assert {one["class_id"] for one in product.ask(room.ada, "/classes")} == {str(room.math), str(room.club)}
        assert not product.ask(room.ada, f"/classes/{room.math}")["may"]["leave-class"]["allowed"]
        made = product.ask(room.teacher, "/classes", "POST", {"name": "Go club"})["summary"]["class_id"]
        filled = product.ask(room.teacher, f"/classes/{made}/students", "POST", {"account_id": str(room.ada)})
        assert len(filled["students"]) == 1
        renamed = product.ask(room.teacher, f"/classes/{room.club}", "PATCH", {"name": "Rooks"})
        assert renamed["summary"]["name"] == "Rooks"
        assert product.sees() == (MATH.name, 3, 3)
    until("the class is as it was merged", lambda: product.sees() == ("Math 6", 2, 2) or None, seconds=60)
    until(
        "the large one is applied",
        lambda: running.query("SELECT students FROM rosters WHERE district = %s", LARGE) == [(MANY,)] or None,
        seconds=60,
    )
