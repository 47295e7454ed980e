"""What commands answer: outcomes and exit statuses of nights, and changes with their names as dots."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from schemas.events import Change
from schemas.records import Class, Student
from services.cli.change_lines import change_line, change_object
from services.cli.night_answer import exit_status, night_answer
from services.nights import Night, NightState

NIGHT = Night(
    sync_id="sync",
    district="springfield",
    reason="by hand",
    state="applied",
    requested_at=datetime(2026, 11, 24, tzinfo=UTC),
    pulling_at=None,
    finished_at=None,
    pulled={},
    snapshot_id=None,
    change_set="a" * 32,
    roster_version=3,
    counts={"students": {"existing": 1, "created": 0, "updated": 0, "removed": 0}},
    reasons=[{"code": "too-large", "kind": "students", "text": "too many", "changed": 9, "limit": 50}],
    defects={"email-missing": 2},
    failure_code=None,
    failure_text=None,
    followed_by=None,
)
BEFORE = Student(
    id="s1", email="ben@x.example", given="Ben", family="Ode", display_name="Ben Ode", schools=("o1",), grade="5"
)
AFTER = replace(BEFORE, given="Benjamin", display_name="Benjamin Ode", birth_date="2012-03-04", grade="6")
RENAMED = Change(op="updated", kind="students", id="s1", before=BEFORE, record=AFTER)


@pytest.mark.parametrize(
    ("state", "outcome", "status"),
    [
        ("applied", "applied", 0),
        ("unchanged", "unchanged", 0),
        ("held", "held", 3),
        ("failed", "failed", 1),
        ("superseded", "failed", 1),
        ("rejected", "failed", 1),
    ],
)
def test_every_end_of_a_night_has_an_outcome_and_an_exit_status(state: NightState, outcome: str, status: int) -> None:
    answered = night_answer(replace(NIGHT, state=state), roster_version=3)
    assert answered["outcome"] == outcome
    assert exit_status([answered]) == status
    assert ("failure" in answered) == (outcome == "failed")
    if outcome == "failed":
        assert answered["failure"]["code"] == state
        assert answered["failure"]["text"]


def test_a_failure_weighs_more_than_a_hold_and_a_hold_more_than_nothing() -> None:
    applied, held, failed = ({"outcome": outcome} for outcome in ("applied", "held", "failed"))
    assert exit_status([applied, held, failed]) == 1
    assert exit_status([applied, held]) == 3
    assert exit_status([applied]) == 0


def test_a_held_night_answers_its_reasons_and_where_the_district_is_now() -> None:
    answered = night_answer(replace(NIGHT, state="held", roster_version=None), roster_version=7)
    assert answered["reasons"] == [{"code": "too-large", "kind": "students", "text": "too many"}]
    assert answered["roster_version"] == 7


def test_a_change_of_a_person_shows_what_changes_and_no_name() -> None:
    line = change_line(RENAMED, show_names=False)
    assert line.startswith("~ student  s1")
    assert "grade 5 → 6" in line
    assert "given changes" in line
    for name in ("Ben", "Ode", "@", "2012"):
        assert name not in line
        assert name not in json.dumps(change_object(RENAMED, show_names=False))
    assert "given Ben → Benjamin" in change_line(RENAMED, show_names=True)
    assert change_object(RENAMED, show_names=True)["record"]["email"] == "ben@x.example"


def test_a_change_of_a_class_names_who_comes_and_goes_by_id() -> None:
    before = Class(id="c1", name="Math 5", school="o1", teachers=("t1", "t2"), students=("s1", "s2"))
    after = replace(before, teachers=("t2", "t1"), students=("s2", "s3"))
    line = change_line(Change(op="updated", kind="classes", id="c1", before=before, record=after), show_names=False)
    assert "students +s3 −s1" in line
    assert "teachers in another order" in line
