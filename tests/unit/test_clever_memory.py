"""A pull that remembers the last one gives exactly what a pull without memory gives."""

import copy
from collections import Counter
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import encode_record
from services.districts import District
from services.ingest.providers.clever.remembered import UsersBlock
from services.ingest.remembered_rows import RowMemory
from services.ingest.source import PullFailedError
from tests.unit.clever_server import (
    COURSE,
    HOST,
    SCHOOL,
    TEACHER,
    TERM,
    CleverServer,
    Pull,
    Rows,
    encoded,
    page_of,
    person,
    read,
    section,
    small_district,
    student,
    student_id,
    teacher,
)

SCHOOLS = (SCHOOL, "b1" * 12, "b2" * 12)
COURSES = (COURSE, "d1" * 12)
TERMS = (TERM, "c1" * 12)
SECTIONS = ("f0" * 12, "f1" * 12, "f2" * 12)
STAMPS = st.sampled_from(("2026-09-30T16:07:32.551Z", "2026-10-01T16:07:32.551Z", 'an odd "stamp"', 7))
EMAILS = st.sampled_from(("one@oak.example.org", "One@oak.example.org", "two@oak.example.org", "no email", "", None))
NAMES = st.sampled_from(
    ({"first": "Ada", "last": "Lee"}, {"first": "A\x00da", "last": "Lee"}, {"last": "Lee"}, None, 7)
)
PERSON_IDS = tuple(student_id(number) for number in (1, 2, 15, 16, 17, 32))  # a block ends behind 16, and behind 32


def some_schools() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"school": st.sampled_from((*SCHOOLS[:2], None)), "schools": st.lists(st.sampled_from(SCHOOLS), max_size=2)}
    )


def roles() -> st.SearchStrategy[dict[str, Any]]:
    as_student = some_schools().flatmap(
        lambda role: st.builds(
            lambda grade, dob: role | {"grade": grade, "dob": dob},
            st.sampled_from(("5", "fifth")),
            st.sampled_from(("2/11/2015", "never")),
        )
    )
    return st.fixed_dictionaries(
        {}, optional={"student": as_student, "teacher": some_schools(), "contact": st.just({"phone": "1"})}
    )


@st.composite
def users(draw: st.DrawFn, id_: str) -> list[dict[str, Any]]:
    """Mostly one row without a defect; else nobody, an odd row, or several under one id."""
    if draw(st.integers(0, 2)):
        kind = draw(st.sampled_from(("student", "student", "student", "teacher")))
        return [person(id_, f"{id_[-3:]}@oak.example.org", {kind: {"school": SCHOOL, "schools": [SCHOOL]}}, {})]
    rows = draw(
        st.lists(
            st.builds(
                lambda email, name, held, created, moved: person(
                    id_, email, held, {"name": name, "created": created, "last_modified": moved}
                ),
                EMAILS,
                NAMES,
                roles(),
                st.just("2023-04-12T23:05:01.315Z"),
                STAMPS,
            ),
            max_size=2,
        )
    )
    if draw(st.booleans()):
        rows = rows[:1] * draw(st.integers(1, 2))
    return rows


@st.composite
def sections(draw: st.DrawFn, id_: str) -> list[dict[str, Any]]:
    members = st.lists(st.sampled_from((*PERSON_IDS, None, "gone")), max_size=5)
    if draw(st.integers(0, 2)):
        plain = st.lists(st.sampled_from(PERSON_IDS), max_size=3, unique=True)
        facts = {"course": draw(st.sampled_from(COURSES)), "grade": draw(st.sampled_from(("5", "fifth")))}
        return [section(id_, students=draw(plain), **facts)]
    row = section(
        id_,
        students=draw(members),
        teacher=draw(st.sampled_from((*PERSON_IDS[:3], TEACHER, None))),
        teachers=draw(members),
        school=draw(st.sampled_from((*SCHOOLS, None))),
        course=draw(st.sampled_from((*COURSES, None))),
        term_id=draw(st.sampled_from((*TERMS, None, "unknown"))),
        grade=draw(st.sampled_from(("5", "fifth"))),
        name=draw(st.sampled_from(("Math", "M\x00ath", 7))),
    )
    return draw(st.sampled_from(([], [row], [row], [row], [row, row], [row, row | {"subject": "odd"}])))


@st.composite
def districts(draw: st.DrawFn) -> Rows:
    ends = st.sampled_from(("2026-12-18", "2026-09-30", "2026-10-01", "someday"))
    return small_district() | {
        "schools": [{"id": id_, "name": "Oak"} for id_ in SCHOOLS if draw(st.integers(0, 9))],
        "terms": [{"id": id_, "start_date": "2026-08-01", "end_date": draw(ends)} for id_ in TERMS],
        "courses": [{"id": id_, "name": draw(st.sampled_from(("Math", "Art")))} for id_ in COURSES],
        "users": [*(row for id_ in PERSON_IDS for row in draw(users(id_))), teacher()],
        "sections": [row for id_ in SECTIONS for row in draw(sections(id_))],
    }


@st.composite
def next_nights(draw: st.DrawFn, rows: Rows) -> Rows:
    """The same, or with a few rows that are another district's, in one place or all over."""
    rows, other = copy.deepcopy(rows), draw(districts())
    for collection in draw(st.sets(st.sampled_from(("schools", "terms", "courses", "users", "sections")))):
        ids = draw(
            st.sets(st.sampled_from(sorted({row["id"] for row in [*rows[collection], *other[collection]]} or {""})))
        )
        kept = [row for row in rows[collection] if row["id"] not in ids]
        come = [row for row in other[collection] if row["id"] in ids]
        rows[collection] = sorted([*kept, *come], key=lambda row: str(row["id"]))
    for row in rows["sections"]:
        row["students"] = draw(st.permutations(row["students"]))
        row["last_modified"] = draw(STAMPS)
    for row in rows["users"]:
        row["last_modified"] = draw(STAMPS)
    return rows


@st.composite
def several_nights(draw: st.DrawFn) -> list[tuple[Rows, date, int, bool]]:
    """Of each night its rows, its day, its rows a page, and whether its snapshot is completed."""
    days = st.sampled_from((date(2026, 10, 1), date(2026, 10, 2)))
    rows = draw(districts())
    nights = []
    for _ in range(draw(st.integers(2, 4))):
        nights.append((rows, draw(days), draw(st.integers(2, 9)), draw(st.integers(0, 4)) > 0))
        rows = draw(next_nights(rows))
    return nights


def result(pull: Callable[[], Pull]) -> object:
    """Everything of a pull that may not depend on a memory; of one that fails, how."""
    try:
        done = pull()
    except PullFailedError as error:
        return error.code, error.text
    content = {
        kind: (sorted(map(encode_record, done.of(kind))), sorted(done.kept(kind)))
        for kind in ("schools", "teachers", "students", "classes")
    }
    entries = Counter(entry for page in done.pages for entry in page.entries)
    return content, entries, done.report.defects, done.report.proofs


@settings(max_examples=40, deadline=None)
@given(several_nights())
def test_whatever_happens_from_night_to_night_a_memory_changes_nothing(
    nights: list[tuple[Rows, date, int, bool]],
) -> None:
    with TemporaryDirectory() as folder:
        memory = Path(folder) / "remembered"
        for rows, today, size, is_completed in nights:
            kept = {path: path.read_bytes() for path in memory.glob("*")} if memory.exists() else {}
            server = CleverServer(rows)

            def pull(how: Path | None, server: CleverServer = server, today: date = today, size: int = size) -> Pull:
                return read(server, Path(folder), today=today, memory_folder=how, page_size=size)

            assert result(lambda: pull(memory)) == result(lambda: pull(None))
            if not is_completed:
                for path in memory.glob("*"):
                    path.unlink()
                for path, content in kept.items():
                    path.write_bytes(content)


def _without(collection: str, id_: str) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        rows[collection] = [row for row in rows[collection] if row["id"] != id_]

    return change


def _with(collection: str, at: int, **fields: Any) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        rows[collection][at] |= fields

    return change


SECOND_TEACHER = "e1" * 12
CHANGES = {
    "a student leaves": _without("users", student_id(1)),
    "a teacher leaves": _without("users", TEACHER),
    "a student becomes a teacher": _with("users", 0, roles={"teacher": {"school": SCHOOL}}),
    "a teacher becomes a student": _with("users", 5, roles={"student": {"school": SCHOOL}}),
    "a student's name changes": _with("users", 0, name={"first": "Eve", "last": "Lee"}),
    "the school goes": _without("schools", SCHOOL),
    "another school goes": _without("schools", SCHOOLS[1]),
    "the course has another name": _with("courses", 0, name="Algebra"),
    "the course goes": _without("courses", COURSE),
    "the term ends": _with("terms", 0, end_date="2026-09-01"),
    "the term goes": _without("terms", TERM),
    "the class has another name": _with("sections", 0, name="Algebra"),
    "the class has another grade": _with("sections", 0, grade="6"),
    "the class has another teacher": _with("sections", 0, teacher=SECOND_TEACHER, teachers=[SECOND_TEACHER]),
    "a student changes class": _with("sections", 0, students=[student_id(number) for number in range(2, 6)]),
    "a student is named twice": _with("sections", 0, students=[student_id(1), student_id(1)]),
    "an unknown student is named": _with("sections", 0, students=[student_id(1), "gone"]),
    "the order of students changes": _with("sections", 0, students=[student_id(n) for n in (3, 1, 2, 5, 4)]),
    "a row is unreadable": _with("users", 0, name=7),
    "nothing": lambda rows: None,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_class_and_its_people_follow_what_they_are_made_of_there_and_back(
    tmp_path: Path, change: Callable[[Rows], None]
) -> None:
    first = small_district()
    first["schools"].append({"id": SCHOOLS[1], "name": "Elm"})
    first["users"].append(teacher(SECOND_TEACHER))
    first["users"][1] = student(2, email=None, role={"schools": [SCHOOL, SCHOOLS[1]]})
    first["sections"] = [section(grade="fifth", students=[student_id(number) for number in range(1, 5)])]
    changed = copy.deepcopy(first)
    change(changed)
    for rows in (first, changed, changed, first):
        with_memory = result(partial(read, CleverServer(rows), tmp_path, memory_folder=tmp_path / "remembered"))
        assert with_memory == result(partial(read, CleverServer(rows), tmp_path))


DISTRICT = District(district="oak", name="Oak", provider="clever", url=HOST)


def alter(folder: Path, entry: bytes) -> None:
    """Let what is remembered of every user be this entry."""
    memory = RowMemory(folder, DISTRICT)
    memory.begin()
    context = msgspec.json.encode([SCHOOL]).decode()
    blocks = memory.recall("users", UsersBlock, context).between("", "z")
    altered = [
        msgspec.structs.replace(block, students=[student and entry for student in block.students]) for block in blocks
    ]
    memory.remember("users", altered, context)
    memory.keep()
    memory.close()


ALTERED = b'{"id":"x","digest":"","record":{}}'


def entries(pull: Pull) -> list[bytes]:
    return [entry for page in pull.pages if page.kind == "students" for entry in page.entries]


def test_a_user_whose_row_is_as_it_was_is_not_worked_out_again(tmp_path: Path) -> None:
    server = CleverServer()
    for row in server.rows["users"]:
        row["last_modified"] = "2026-10-02T16:07:32.551Z"
    read(server, tmp_path, memory_folder=tmp_path)
    for row in server.rows["users"]:
        row["last_modified"] = "2026-10-03T16:07:32.551Z"
    alter(tmp_path, ALTERED)
    server.rows["users"][1] = student(2, email="new@oak.example.org")
    given = entries(read(server, tmp_path, memory_folder=tmp_path))
    assert given.count(ALTERED) == len(given) - 1


def test_what_was_remembered_of_another_address_is_not_taken(tmp_path: Path) -> None:
    read(CleverServer(), tmp_path, memory_folder=tmp_path)
    alter(tmp_path, ALTERED)
    given = entries(read(CleverServer(path="/v3.1"), tmp_path, memory_folder=tmp_path, api_path="/v3.1"))
    assert ALTERED not in given


def test_a_failed_pull_leaves_the_memory_of_the_one_before(tmp_path: Path) -> None:
    folder = tmp_path / "remembered"
    read(CleverServer(), tmp_path, memory_folder=folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    server = CleverServer()
    server.rows["users"].append(student(9))
    server.twist = lambda request, ordinary: (
        page_of([{"no": "id"}], []) if request.url.path.endswith("sections") else ordinary
    )
    with pytest.raises(PullFailedError):
        read(server, tmp_path, memory_folder=folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_section_is_made_anew_once_one_of_its_students_has_left(tmp_path: Path) -> None:
    server = CleverServer()
    read(server, tmp_path, memory_folder=tmp_path)
    del server.rows["users"][0]
    pull = read(server, tmp_path, memory_folder=tmp_path)
    assert student_id(1) not in pull.classes[0].students
    assert pull.report.defects["place-of-unknown-person"] == 1


@pytest.mark.parametrize(
    "damage", [lambda content: content[:100], lambda content: content[:-9], lambda content: b"?" * 99]
)
def test_a_damaged_memory_is_as_good_as_none(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    server = CleverServer()
    whole = encoded(read(server, tmp_path, memory_folder=tmp_path))
    file = tmp_path / "oak.rows"
    file.write_bytes(damage(file.read_bytes()))
    assert encoded(read(server, tmp_path, memory_folder=tmp_path)) == whole
    assert encoded(read(server, tmp_path, memory_folder=tmp_path)) == whole
