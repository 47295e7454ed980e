"""What a OneRoster pull holds in memory, byte by byte: a million students must fit."""

import sys
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import msgspec

from services.ingest.providers.oneroster.assembler import OneRosterAssembler
from services.ingest.providers.oneroster.csv_rows import read_roles
from services.ingest.providers.oneroster.decode import CLASSES
from services.ingest.providers.oneroster.rows import RoleRow
from services.ingest.source import PullReport


class Traced:
    """Bytes that were allocated meanwhile and are still held at the end."""

    held = 0


@contextmanager
def traced() -> Iterator[Traced]:
    tracemalloc.start()
    found, before = Traced(), tracemalloc.get_traced_memory()[0]
    try:
        yield found
        found.held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def page_of_classes(first: int, size: int) -> bytes:
    rows = [
        {
            "sourcedId": f"class-{number:08}",
            "status": "active",
            "title": f"Algebra {number % 40}",
            "course": {"sourcedId": f"course-{number % 40}"},
            "school": {"sourcedId": f"school-{number % 30}"},
            "terms": [{"sourcedId": "term-1"}],
            "grades": ["09"],
            "subjects": ["Mathematics"],
        }
        for number in range(first, first + size)
    ]
    return msgspec.json.encode({"classes": rows})


def test_a_class_that_waits_for_its_enrollments_takes_two_hundred_bytes() -> None:
    classes = 10_000
    assembler = OneRosterAssembler(date(2026, 9, 1), PullReport(), end_date_is_exclusive=False, page_records=1000)
    with traced() as memory:
        for first in range(0, classes, 1000):
            assembler.add_classes(CLASSES.decode(page_of_classes(first, 1000), "GET classes", Counter()).rows)

    assert memory.held < 200 * classes


def test_the_roles_of_a_user_in_a_file_of_their_own_take_little_more_than_the_users_id() -> None:
    users, id_bytes = 10_000, sys.getsizeof("user-00000000")
    with traced() as memory:
        rows = ((f"user-{number:08}", "", "student", f"school-{number % 30}") for number in range(users))
        roles = read_roles(rows, Counter())

    assert roles["user-00000031"] == (RoleRow("student", "school-1"),)
    assert memory.held < (id_bytes + 60) * users
