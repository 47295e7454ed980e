"""A held set in the desk's tables, put there by its feed's own way (topics, real workers), and who visits the desk."""

import re
from collections.abc import Sequence

import httpx

from schemas.records import Class, Record, RecordKind, School, Student, Teacher
from services.guard.desk.web.reviewers import Role, put_reviewer
from tests.pipeline import Pipeline, until

PASSWORD = "correct horse battery staple"
DISTRICT = "springfield"
NAME = "Springfield Unified"


class Browser:
    """A browser without scripts: it keeps cookies and sends back the forms it was shown."""

    def __init__(self, desk: str) -> None:
        self.http = httpx.Client(base_url=desk, follow_redirects=True)

    def get(self, path: str) -> httpx.Response:
        return self.http.get(path)

    def post(self, page: str, path: str, **fields: str | list[str]) -> httpx.Response:
        """Open a page and send its form, filled in."""
        token = re.search(r'name="csrf" value="([^"]+)"', self.get(page).text)
        return self.http.post(path, data={"csrf": token[1] if token else "", **fields})

    def sign_in(self, who: str, password: str = PASSWORD) -> httpx.Response:
        return self.post("/sign-in", "/sign-in", email=f"{who}@example.org", password=password)


def roster(students: int, *, grade: str = "5") -> dict[RecordKind, Sequence[Record]]:
    """Give a school with so many students in one class."""
    people = [
        Student(f"s{n:03}", f"kid{n}@example.org", "Kim", f"Ortega{n}", f"Kim Ortega{n}", ("school-1",), grade=grade)
        for n in range(students)
    ]
    return {
        "schools": [School("school-1", "Lincoln Elementary")],
        "teachers": [Teacher("t1", "teach@example.org", "Edna", "Krabappel", "Edna Krabappel", ("school-1",))],
        "students": people,
        "classes": [Class("c1", "Math 5", "school-1", ("t1",), tuple(one.id for one in people))],
    }


def hold_a_set(running: Pipeline) -> str:
    """Have a first load applied and a second night held that lets 15 of 20 students go; give its change set."""
    running.add_district(DISTRICT, name=NAME)
    first = running.ended(running.publish_snapshot(DISTRICT, roster(20)))
    assert first.state == "applied"
    held = running.ended(running.publish_snapshot(DISTRICT, roster(5)))
    assert held.state == "held"
    assert held.change_set is not None
    until(
        "the desk knows the whole set",
        lambda: running.query("SELECT 1 FROM desk.held_sets WHERE whole_at IS NOT NULL") or None,
    )
    return held.change_set


def add_reviewers(running: Pipeline) -> None:
    """Let one of each role sign in."""
    with running.connect() as connection:
        roles: tuple[Role, ...] = ("viewer", "reviewer", "operator")
        for role in roles:
            put_reviewer(connection, email=f"{role}@example.org", name=role.title(), role=role, password=PASSWORD)
