"""The calendar kept from the desk: by operators alone, seen before it is saved, with who did it on record."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import psycopg
import pytest

from services.database.connect import connect
from tests.desk import Browser, add_reviewers
from tests.pipeline import Pipeline, pipeline

PAUSE = {"name": "Inventory", "first_day": "2027-06-14", "last_day": "2027-06-16"}
EXPECTED: dict[str, str | list[str]] = {
    "district": "springfield", "kinds": ["classes", "places"], "percent": "90", "first_day": "2027-08-23",
    "last_day": "2027-08-27", "reason": "new school year",
}  # fmt: skip
WHO = "operator@example.org"


@pytest.fixture(scope="module")
def running(kafka: str, shared_database: str, shared_topic_prefix: str) -> Iterator[Pipeline]:
    settings = {"ROLLCALL_NIGHT_HOURS": "1"}
    with pipeline(kafka, shared_database, shared_topic_prefix, "desk", settings=settings) as started:
        add_reviewers(started)
        for district in ("springfield", "lakeside"):
            started.add_district(district)
        started.add_district("starter", plan="enterprise-starter")
        yield started


@pytest.fixture
def operator(running: Pipeline) -> Iterator[Browser]:
    browser = Browser(running.desk)
    browser.sign_in("operator")
    yield browser
    browser.http.close()
    with running.connect() as connection:
        for table in ("closures", "expected_changes", "summer_pauses", "desk.calendar_acts"):
            connection.execute(f"DELETE FROM {table}".encode())


def seen(page: httpx.Response) -> str:
    """Give what the form says was shown, as it comes back with it."""
    found = re.search(r'name="seen" value="([^"]*)"', page.text)
    assert found is not None
    return found[1]


def add(browser: Browser, what: str, **typed: str | list[str]) -> httpx.Response:
    """Look at what an entry would do, then save it."""
    address = f"/calendar/add/{what}"
    looked = browser.post(address, address, **typed)
    assert looked.status_code == 200, looked.text
    return browser.post(address, address, **typed, seen=seen(looked))


def test_what_a_pause_would_hold_is_shown_before_it_is_saved(running: Pipeline, operator: Browser) -> None:
    looked = operator.post("/calendar/add/pause", "/calendar/add/pause", **PAUSE)
    assert "It would hold 3 nights of 2 districts." in looked.text  # a starter district has no nights
    assert running.query("SELECT 1 FROM closures") == []

    longer = {**PAUSE, "last_day": "2027-06-17"}
    again = operator.post("/calendar/add/pause", "/calendar/add/pause", **longer, seen=seen(looked))
    assert "It would hold 4 nights of 2 districts." in again.text
    assert running.query("SELECT 1 FROM closures") == []

    saved = operator.post("/calendar/add/pause", "/calendar/add/pause", **longer, seen=seen(again))
    assert saved.url.path == "/calendar/2027"
    assert "The pause is added." in saved.text
    kept = running.query("SELECT district, name, first_day::text, last_day::text, added_by FROM closures")
    assert kept == [(None, "Inventory", "2027-06-14", "2027-06-17", WHO)]
    assert "added a pause" in operator.get("/record").text


def test_a_pause_is_removed_after_one_question_and_the_record_keeps_both_acts(
    running: Pipeline, operator: Browser
) -> None:
    add(operator, "pause", district="lakeside", **PAUSE)
    link = re.search(r'href="(/calendar/remove/pause/\d+)"', operator.get("/calendar/2027").text)
    assert link is not None
    assert "The pause of Lakeside, Inventory, Mon 14 Jun 2027 to Wed 16 Jun 2027." in operator.get(link[1]).text
    assert running.query("SELECT count(*) FROM closures") == [(1,)]
    assert "It is removed." in operator.post(link[1], link[1]).text
    assert running.query("SELECT count(*) FROM closures") == [(0,)]
    assert operator.get(link[1]).status_code == 404
    assert operator.post("/calendar/add/pause", link[1]).status_code == 404
    acts = running.query("SELECT operator, did, district, what FROM desk.calendar_acts ORDER BY act")
    about = ("lakeside", "Inventory, 14 Jun 2027 to 16 Jun 2027")
    assert acts == [(WHO, "added a pause", *about), (WHO, "removed a pause", *about)]


def test_an_expected_change_says_which_nights_it_lets_through_and_is_taken_back(
    running: Pipeline, operator: Browser
) -> None:
    looked = operator.post("/calendar/add/expected", "/calendar/add/expected", **EXPECTED)
    assert "In 5 nights of Springfield up to 90% of classes and places in classes would pass." in looked.text
    add(operator, "expected", **EXPECTED)
    kept = running.query("SELECT district, kind, percent, reason, added_by FROM expected_changes ORDER BY kind")
    assert kept == [("springfield", kind, 90, "new school year", WHO) for kind in ("classes", "places")]
    page = operator.get("/calendar/2027").text
    link = re.search(r'href="(/calendar/remove/expected/\d+)"', page)
    assert link is not None
    operator.post(link[1], link[1])
    assert running.query("SELECT count(*) FROM expected_changes") == [(1,)]
    assert "expects a change no longer" in operator.get("/record").text


def test_a_districts_summer_is_set_changed_and_removed(running: Pipeline, operator: Browser) -> None:
    add(operator, "summer", district="springfield", first_day="06-15", last_day="08-10")
    add(operator, "summer", district="springfield", first_day="06-20", last_day="08-10")
    kept = running.query("SELECT district, first_day, last_day, added_by FROM summer_pauses")
    assert kept == [("springfield", "06-20", "08-10", WHO)]
    assert "20 June, every year" in operator.get("/calendar/2027").text
    operator.post("/calendar/remove/summer/springfield", "/calendar/remove/summer/springfield")
    assert running.query("SELECT 1 FROM summer_pauses") == []
    assert operator.get("/calendar/remove/summer/springfield").status_code == 404


def test_what_cannot_be_meant_is_told_in_words_and_nothing_is_saved(running: Pipeline, operator: Browser) -> None:
    for what, typed, sentence in (
        ("pause", {**PAUSE, "last_day": "2027-06-01"}, "2027-06-01 is before the first day"),
        ("pause", {**PAUSE, "name": ""}, "The name must not be empty."),
        ("expected", {**EXPECTED, "percent": "101"}, "not a whole number from 0 to 100"),
        ("expected", {**EXPECTED, "district": "shelbyville"}, "Choose a district."),
        ("summer", {"district": "springfield", "first_day": "08-10", "last_day": "06-15"}, "ends before it begins"),
    ):
        answer = operator.post(f"/calendar/add/{what}", f"/calendar/add/{what}", **typed)
        assert answer.status_code == 422
        assert sentence in answer.text.replace("&#39;", "'")
    assert running.query("SELECT 1 FROM desk.calendar_acts") == []


def test_only_operators_change_the_calendar_and_others_see_no_way_to(running: Pipeline, operator: Browser) -> None:
    add(operator, "pause", **PAUSE)
    reviewer = Browser(running.desk)
    reviewer.sign_in("reviewer")
    page = reviewer.get("/calendar/2027").text
    assert "Inventory" in page
    assert "/calendar/add/" not in page
    assert "/calendar/remove/" not in page
    assert reviewer.get("/calendar/add/pause").status_code == 403
    assert reviewer.post("/", "/calendar/add/pause", **PAUSE).status_code == 403
    assert reviewer.post("/", "/calendar/remove/pause/1").status_code == 403
    assert operator.http.post("/calendar/add/pause", data=PAUSE).status_code == 403  # without the session's token
    reviewer.http.close()
    assert running.query("SELECT count(*) FROM closures") == [(1,)]


def test_the_desks_role_changes_the_calendar_through_its_functions_alone_and_in_an_operators_name(
    running: Pipeline, operator: Browser
) -> None:
    [(operator_id,)] = running.query("SELECT id FROM desk.reviewers WHERE role = 'operator'")
    [(reviewer_id,)] = running.query("SELECT id FROM desk.reviewers WHERE role = 'reviewer'")
    at, name, long = datetime.now(UTC), "Inventory", "2029-01-01"
    put = "SELECT desk.add_closure(%s, NULL, %s, '2027-06-14', %s, %s)"
    with connect(running.database, "rollcall_desk") as connection:
        for statement in (
            "INSERT INTO closures (name, first_day, last_day, added_by) VALUES ('x', now(), now(), 'x')",
            "DELETE FROM expected_changes",
            "DELETE FROM desk.calendar_acts",
            f"SELECT desk.operator_of('{operator_id}')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(put.encode(), (reviewer_id, name, "2027-06-16", at))
        for called, last_day in ((" ", "2027-06-16"), (name, "2027-06-13"), (name, long)):
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.execute(put.encode(), (operator_id, called, last_day, at))
    assert running.query("SELECT 1 FROM closures") == []
    assert running.query("SELECT 1 FROM desk.calendar_acts") == []
