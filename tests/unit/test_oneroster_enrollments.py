"""What is decided about enrollments by columns is what the rules say row by row; and ids are found as a dict would."""

from collections import Counter
from datetime import date

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.defects import DefectCode
from services.ingest.providers.oneroster.classes import Classes
from services.ingest.providers.oneroster.decode import ENROLLMENTS
from services.ingest.providers.oneroster.enrollments import Enrollments
from services.ingest.providers.oneroster.id_positions import IdPositions
from services.ingest.providers.oneroster.id_texts import IdTexts
from services.ingest.providers.oneroster.people import People
from services.ingest.providers.oneroster.places import Places
from services.ingest.providers.oneroster.rows import (
    ClassRow,
    EnrollmentColumns,
    EnrollmentRow,
    OrgRow,
    RoleRow,
    UserRow,
    UserRows,
)
from services.ingest.providers.oneroster.schools import Schools

TODAY = date(2026, 10, 1)
STATUSES = st.sampled_from(["active", "active", "active", "", "Active", "inactive", "odd", "NULL"])
ROLES = st.sampled_from(["student", "student", "teacher", "Teacher", "proctor", "wizard", ""])
BOOLEANS = st.sampled_from(["true", "false", "", "yes", "perhaps"])
DATES = st.sampled_from(["", "", "", "2026-10-01", "2026-09-30", "2026-10-02", "9/1/2026", "soon"])
CLASS_IDS = st.sampled_from(["c1", "c2", "c3", "c4"])
USER_IDS = st.sampled_from(["u1", "u2", "u3", "u4", "u5"])

USERS = st.lists(
    st.builds(
        lambda id_, status, role, family: UserRow(id_, status, family_name=family, roles=(RoleRow(role, "s1"),)),
        USER_IDS,
        STATUSES,
        st.sampled_from(["student", "student", "teacher", "guardian"]),
        st.sampled_from(["Lovelace", "Lovelace", "Hopper"]),
    ),
    max_size=8,
)
CLASSES = st.lists(
    st.builds(
        lambda id_, status, school: ClassRow(id_, status, "Math", school_id=school),
        CLASS_IDS,
        STATUSES,
        st.sampled_from(["s1", "s1", "s2", "gone"]),
    ),
    max_size=6,
)
ROWS = st.lists(
    st.builds(
        EnrollmentRow,
        st.just(""),
        CLASS_IDS,
        USER_IDS,
        STATUSES,
        st.sampled_from(["s1", "s1", "s2", "", "elsewhere"]),
        ROLES,
        BOOLEANS,
        DATES,
        DATES,
    ),
    max_size=30,
)


class Taken:
    """Enrollments with the classes and people that they lead to, and what came of them."""

    def __init__(self, classes: list[ClassRow], users: list[UserRow], *, is_1_2: bool) -> None:
        self.defects: Counter[DefectCode] = Counter()
        schools = Schools(self.defects)
        for id_ in ("s1", "s2"):
            schools.add(OrgRow(id_, "active", id_, "school"))
        schools.settle()
        self.people = People(schools, self.defects, 1000)
        self.people.add(UserRows.of(users))
        self.classes = Classes(TODAY, self.defects, end_date_is_exclusive=is_1_2)
        for row in classes:
            self.classes.add(row)
        self.classes.settle(schools)
        self.places = Places(self.defects)
        self.enrollments = Enrollments(
            self.classes, self.people, self.places, self.defects, end_date_is_exclusive=is_1_2
        )

    def outcome(self) -> tuple[object, ...]:
        places = list(self.places.by_class(len(self.classes.current), self.people.ids))
        return places, self.classes.kept, dict(self.defects)


@given(classes=CLASSES, users=USERS, rows=ROWS, page=st.integers(1, 30), is_1_2=st.booleans())
def test_enrollments_taken_by_columns_come_to_the_same_as_row_by_row(
    classes: list[ClassRow], users: list[UserRow], rows: list[EnrollmentRow], page: int, *, is_1_2: bool
) -> None:
    one_by_one, by_columns = Taken(classes, users, is_1_2=is_1_2), Taken(classes, users, is_1_2=is_1_2)
    for row in rows:
        one_by_one.enrollments.add(row)
    for start in range(0, len(rows), page):
        by_columns.enrollments.add_all(EnrollmentColumns.of(rows[start : start + page]))
    assert by_columns.outcome() == one_by_one.outcome()


@given(pages=st.lists(st.lists(st.text(min_size=1, max_size=3), max_size=20), max_size=20), settled=st.booleans())
def test_ids_are_found_where_they_were_added_and_others_are_not(pages: list[list[str]], *, settled: bool) -> None:
    positions = IdPositions()
    known: dict[str, int] = {}
    for page in pages:
        new = [id_ for id_ in dict.fromkeys(page) if id_ not in known]
        assert positions.find(page).tolist() == [known.get(id_, -1) for id_ in page]
        positions.add(new)
        known |= {id_: len(known) + at for at, id_ in enumerate(new)}
    if settled:
        positions.settle()
    asked = [*known, "long-unknown"]
    assert positions.find(asked).tolist() == [*known.values(), -1]
    assert len(positions) == len(known)


@given(pages=st.lists(st.lists(st.text(st.characters()), max_size=5), max_size=5), data=st.data())
def test_ids_kept_as_one_text_come_back_as_they_were(pages: list[list[str]], data: st.DataObject) -> None:
    ids = [id_ for page in pages for id_ in page]
    texts = IdTexts()
    for page in pages:
        texts.extend(page)
    asked = data.draw(st.lists(st.sampled_from(range(len(ids))))) if ids else []
    assert texts.at(np.array(asked, dtype=np.int64)) == [ids[at] for at in asked]
    assert len(texts) == len(ids)


LAYOUTS = (b'{"enrollments":[%b]}', b' {\n "enrollments" : [ %b ] }\n', b'{"warnings":[],"enrollments":[%b]}')
ODD = (b'{"sourcedId":"e1","class":"c1","user":"u1","role":"student"}', b'{"sourcedId":7}')


@given(
    rows=st.lists(
        st.sampled_from(
            [
                b'{"sourcedId":"e2","class":{"sourcedId":"c1"},"user":{"sourcedId":"u1"},"role":"student"}',
                b'{"sourcedId":"e3","class":{"sourcedId":"c2","href":"x"},"user":null,"primary":true,"metadata":{}}',
                b'{"sourcedId":"e4","primary":"true","status":"active","dateLastModified":"2026-09-01T00:00:00Z"}',
            ]
        ),
        max_size=6,
    ),
    layout=st.sampled_from(LAYOUTS),
)
def test_a_page_decoded_at_once_is_the_same_as_row_by_row_however_it_is_laid_out(
    rows: list[bytes], layout: bytes
) -> None:
    defects: Counter[DefectCode] = Counter()
    body = layout % b",".join(rows)
    plain = ENROLLMENTS.decode(body, "GET enrollments", defects)
    # One odd row makes the reader go through the page row by row.
    odd = ENROLLMENTS.decode(layout % b",".join([*rows, *ODD]), "GET enrollments", defects)
    assert plain.ids == odd.ids[: len(rows)]
    assert [plain.rows.row(at) for at in range(len(rows))] == [odd.rows.row(at) for at in range(len(rows))]
    assert odd.rows.row(len(rows)) == EnrollmentRow("", "c1", "u1", role="student")
    assert bytes(plain.raw(body)).strip() == b",".join(rows)
    assert not plain.ids or plain.newest == odd.newest
