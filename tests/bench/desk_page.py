"""Times the desk's page of a large held set, as a browser gets it: `python -m tests.bench.desk_page --changes 100000`.

The set goes the whole way over roster.held and desk-feed. Figures are of this machine at this moment.
"""

import argparse
import statistics
import time
import uuid

from rich.console import Console
from rich.table import Table

from schemas.events import ChangeSetStarted, Event
from schemas.records import Class, Student
from schemas.topics import HELD
from services.database.migrate import migrate
from tests.change_sets import approved, created, removed, updated
from tests.desk import Browser, add_reviewers
from tests.pipeline import Pipeline, pipeline, until
from tests.stack import delete_topics, kafka_for_tests, new_database, postgres_for_tests

SCHOOLS = 40
ASKED = 15
screen = Console()


def large_set(changes: int) -> list[Event]:
    """Give the messages of a held set: half of it students who move up, the rest classes that are renumbered."""
    made = []
    for number in range(changes // 2):
        school = (f"school-{number % SCHOOLS}",)
        before = Student(f"student-{number}", None, "Ana", "Lovelace", "Ana L", school, grade="4")
        made.append(updated(before, Student(before.id, None, "Ana", "Lovelace", "Ana L", school, grade="5")))
    for number in range(changes // 4):
        school_id, people = f"school-{number % SCHOOLS}", tuple(f"student-{number + n}" for n in range(20))
        made.append(removed(Class(f"old-{number}", f"Math {number}", school_id, ("t1",), people)))
        made.append(created(Class(f"new-{number}", f"Math {number}", school_id, ("t1",), people)))
    started, *rest = approved("springfield", 3, made, {"students": changes, "classes": changes}, 1000)
    assert isinstance(started, ChangeSetStarted)
    return [started.model_copy(update={"approval": None, "held_by": "policy"}), *rest]


def load(running: Pipeline, events: list[Event]) -> float:
    """Publish the set; give the seconds until the desk has all of it."""
    begun = time.perf_counter()
    for event in events:
        running.publish(HELD, event)
    until(
        "the set is whole",
        lambda: running.query("SELECT 1 FROM desk.held_sets WHERE whole_at IS NOT NULL") or None,
        900,
    )
    return time.perf_counter() - begun


def asked(browser: Browser, address: str) -> list[float]:
    """Give the milliseconds of each request."""
    taken = []
    for _ in range(ASKED):
        begun = time.perf_counter()
        answer = browser.get(address)
        taken.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 200, answer.text
    return taken


def main() -> None:
    """Load one set and ask for its pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=100_000)
    changes: int = parser.parse_args().changes
    prefix = f"bench-{uuid.uuid4().hex[:8]}."
    with kafka_for_tests() as kafka, postgres_for_tests() as postgres, new_database(postgres) as database:
        migrate(database)
        with pipeline(kafka, database, prefix, "desk-feed", "desk") as running:
            running.add_district("springfield")
            add_reviewers(running)
            header, *_ = events = large_set(changes)
            assert isinstance(header, ChangeSetStarted)
            screen.print(
                f"{changes:,} changes: on the desk {load(running, events):.1f} s after the first was published"
            )
            browser = Browser(running.desk)
            browser.sign_in("viewer")
            show(browser, header.change_set, changes)
        delete_topics(kafka, prefix)


def show(browser: Browser, change_set: str, changes: int) -> None:
    """Print how long each page takes."""
    table = Table("page", "median ms", "slowest ms")
    page = f"/sets/{change_set}"
    for name, address in {
        "the set": page,
        "its last page": f"{page}?page={changes // 50}",
        "one school's students": f"{page}?kind=students&school=school-7",
        "a search": f"{page}?search=math+77",
        "the board": "/",
    }.items():
        taken = asked(browser, address)
        table.add_row(name, f"{statistics.median(taken):.0f}", f"{max(taken):.0f}")
    screen.print(table)


if __name__ == "__main__":
    main()
