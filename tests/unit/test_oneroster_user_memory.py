"""A OneRoster pull that remembers the last one's users gives exactly what a pull without memory gives."""

import copy
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import Student
from services.districts import District
from services.ingest.entries import encode_entry
from services.ingest.providers.oneroster.remembered_users import UsersBlock
from services.ingest.remembered_rows import RowMemory
from services.ingest.source import PullFailedError, RecordPage
from tests.unit.oneroster_server import OneRosterServer, base, district, pull, ref, small_district

Rows = dict[str, list[dict[str, Any]]]

SCHOOLS = ("s1", "s2", "s3")
IDS = ("t1", "u000", "u001", "u002", "u\x00", "v1")
STAMPS = st.sampled_from(("2026-09-30T04:00:00.000Z", "2026-10-01T04:00:00.000Z"))
EMAILS = st.sampled_from(("one@oak.example.org", "One@oak.example.org", "no email", "NULL", "", None))
NAMES = st.sampled_from(("Ada", "A\x00da", "", "NULL", "0123456789abcdef0123", None))
ROLES = st.sampled_from(("student", "student", "student", "teacher", "Teacher", "guardian", "wizard", ""))
STATUSES = st.sampled_from(("active", "active", "active", "", "inactive", "odd", "NULL"))


@st.composite
def orgs(draw: st.DrawFn) -> list[dict[str, Any]]:
    types = st.sampled_from(("school", "school", "school", "district"))
    statuses = st.sampled_from(("active", "active", "odd", "tobedeleted"))
    return [
        base(id_) | {"name": "Oak", "type": draw(types), "status": draw(statuses)}
        for id_ in SCHOOLS
        if draw(st.integers(0, 4))
    ]


@st.composite
def user(draw: st.DrawFn, id_: str) -> dict[str, Any]:
    """Mostly a user without a defect; else one with several."""
    row = base(id_) | {"dateLastModified": draw(STAMPS)}
    if draw(st.integers(0, 2)):
        plain = {
            "givenName": "Ada",
            "familyName": "Lee",
            "email": f"{ord(id_[-1])}@oak.example.org",
            "enabledUser": "true",
        }
        return row | plain | {"role": "student", "orgs": [ref("s1", "org")], "grades": ["05"]}
    held = draw(st.lists(st.tuples(ROLES, st.sampled_from((*SCHOOLS, "elsewhere"))), max_size=2))
    return row | {
        "status": draw(STATUSES),
        "enabledUser": draw(st.sampled_from(("true", False, "perhaps", None))),
        "givenName": draw(NAMES),
        "familyName": draw(NAMES),
        "preferredFirstName": draw(NAMES),
        "email": draw(EMAILS),
        "identifier": draw(st.sampled_from(("7", " 7 ", None))),
        "grades": draw(st.sampled_from((["05"], ["", "KG"], "05, 06", None))),
        "roles": [{"role": role, "org": ref(org, "org")} for role, org in held],
    }


@st.composite
def users(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Each id once, not at all, or twice, alike or not."""
    rows = []
    for id_ in IDS:
        row = draw(user(id_))
        rows += draw(st.sampled_from(([row], [row], [row], [row], [], [row, row], [row, row | {"givenName": "Eve"}])))
    return rows


@st.composite
def several_nights(draw: st.DrawFn) -> list[tuple[Rows, int, bool]]:
    """Of each night its rows, its rows a page, and whether its users come in the order of their ids."""
    rows = small_district() | {"orgs": draw(orgs()), "users": draw(users())}
    nights = []
    for _ in range(draw(st.integers(2, 4))):
        nights.append((rows, draw(st.integers(2, 9)), draw(st.integers(0, 4)) > 0))
        rows = copy.deepcopy(rows)
        if not draw(st.integers(0, 2)):
            rows["orgs"] = draw(orgs())
        changed = {row["sourcedId"]: row for row in draw(users())}
        for at in draw(st.sets(st.integers(0, max(0, len(rows["users"]) - 1)), max_size=2)):
            if at < len(rows["users"]):
                rows["users"][at] = changed.get(rows["users"][at]["sourcedId"], rows["users"][at])
        for row in rows["users"]:
            row["dateLastModified"] = draw(STAMPS)
    return nights


def unsorted_users(server: OneRosterServer) -> None:
    """Have the server give users from the last id to the first, whatever is asked."""
    backwards = sorted(server.rows["users"], key=lambda row: str(row["sourcedId"]), reverse=True)

    def twist(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        if not request.url.path.endswith("/users"):
            return ordinary
        limit, offset = int(request.url.params["limit"]), int(request.url.params["offset"])
        headers = {"X-Total-Count": str(len(backwards))}
        return httpx.Response(200, json={"users": backwards[offset : offset + limit]}, headers=headers)

    server.twist = twist


def result(of: District, server: OneRosterServer, memory_folder: Path | None) -> object:
    """Everything of a pull that may not depend on a memory; of one that fails, how."""
    pages: list[RecordPage] = []
    try:
        done = pull(of, server, pages=pages, memory_folder=memory_folder)
    except PullFailedError as error:
        return error.code, error.text
    entries = Counter(entry for page in pages for entry in page.entries)
    return done.records, entries, sorted(done.kept), done.report.defects, done.report.proofs


@settings(max_examples=60, deadline=None)
@given(several_nights())
def test_whatever_happens_from_night_to_night_a_memory_of_users_changes_nothing(
    nights: list[tuple[Rows, int, bool]],
) -> None:
    with TemporaryDirectory() as folder:
        for rows, size, is_in_order in nights:
            of, server = district(Path(folder), page_size=size), OneRosterServer(rows)
            if not is_in_order:
                unsorted_users(server)
            assert result(of, server, Path(folder)) == result(of, server, None)


def _with(collection: str, at: int, **fields: Any) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        rows[collection][at] |= fields

    return change


def _without(collection: str, at: int) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        del rows[collection][at]

    return change


CHANGES = {
    "a student leaves": _without("users", 1),
    "a teacher leaves": _without("users", 0),
    "a student becomes a teacher": _with("users", 1, role="teacher"),
    "a student is marked as removed": _with("users", 1, status="tobedeleted"),
    "a student's name changes": _with("users", 1, givenName="Eve"),
    "a student's email becomes another's": _with("users", 1, email="T1@x.example.org"),
    "a student changes school": _with("users", 1, orgs=[ref("s2", "org")]),
    "the school goes": _without("orgs", 0),
    "the school cannot be relied on": _with("orgs", 0, status="odd"),
    "another school becomes an office": _with("orgs", 1, type="district"),
    "a student comes twice, differing": lambda rows: rows["users"].append(rows["users"][1] | {"givenName": "Eve"}),
    "nothing": lambda rows: None,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_people_follow_what_they_are_made_of_there_and_back(tmp_path: Path, change: Callable[[Rows], None]) -> None:
    first = small_district()
    first["orgs"].append(base("s2") | {"name": "Elm", "type": "school"})
    first["users"][2] |= {"orgs": [ref("s1", "org"), ref("s2", "org"), ref("s3", "org")]}
    changed = copy.deepcopy(first)
    change(changed)
    of = district(tmp_path)
    for rows in (first, changed, changed, first):
        assert result(of, OneRosterServer(rows), tmp_path) == result(of, OneRosterServer(rows), None)


ALTERED = encode_entry(Student("x", None, "Remembered", "As such", "Remembered"), Counter())


def alter(folder: Path, of: District) -> None:
    """Let what is remembered of every student be one entry."""
    memory = RowMemory(folder, of)
    memory.begin()
    context = msgspec.json.encode((["s1"], [], ["s1"])).decode()
    blocks = memory.recall("users", UsersBlock, context).between("", "z")
    altered = [
        msgspec.structs.replace(block, students=[student and ALTERED for student in block.students]) for block in blocks
    ]
    memory.remember("users", altered, context)
    memory.keep()
    memory.close()


def test_a_user_who_is_as_before_is_not_worked_out_again(tmp_path: Path) -> None:
    of, server = district(tmp_path), OneRosterServer()
    pull(of, server, memory_folder=tmp_path)
    for row in server.rows["users"]:
        row["dateLastModified"] = "2026-10-01T04:00:00.000Z"
    alter(tmp_path, of)
    server.rows["users"][1]["email"] = "new@x.example.org"
    pages: list[RecordPage] = []
    pull(of, server, pages=pages, memory_folder=tmp_path)
    given = [entry for page in pages if page.kind == "students" for entry in page.entries]
    assert given.count(ALTERED) == len(given) - 1 == 6


def test_a_failed_pull_leaves_the_users_of_the_one_before(tmp_path: Path) -> None:
    of, folder = district(tmp_path), tmp_path / "remembered"
    pull(of, OneRosterServer(), memory_folder=folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    server = OneRosterServer(small_district(students=9))
    del server.rows["enrollments"]
    with pytest.raises(PullFailedError):
        pull(of, server, memory_folder=folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
