"""The desk over HTTP, with its real database and topics: who gets in, who may do what, and what it never tells."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from pydantic import SecretStr

from schemas.events import ReviewDecision
from schemas.topics import DECISIONS, Worker
from services.database.connect import connect
from services.guard.desk.web.reviewers import (
    SHORTEST_PASSWORD,
    put_reviewer,
    remove_reviewer,
)
from services.guard.desk.web.worker import run
from services.pages.serving import AddressError
from services.passwords import MOST_TRIES_OF_ONE
from services.settings import Settings
from tests.cli import Cli
from tests.desk import DISTRICT, NAME, PASSWORD, Browser, add_reviewers, hold_a_set
from tests.pipeline import Pipeline, pipeline, until

UNKNOWN = "0" * 32


@pytest.fixture(scope="module")
def running(kafka: str, shared_database: str, shared_topic_prefix: str) -> Iterator[Pipeline]:
    workers: tuple[Worker, ...] = ("diff", "guard", "apply", "relay", "desk-feed", "desk")
    with pipeline(kafka, shared_database, shared_topic_prefix, *workers) as started:
        add_reviewers(started)
        yield started


@pytest.fixture(scope="module")
def change_set(running: Pipeline) -> str:
    return hold_a_set(running)


@pytest.fixture
def browser(running: Pipeline) -> Iterator[Browser]:
    opened = Browser(running.desk)
    yield opened
    opened.http.close()
    running.query("DELETE FROM desk.sign_in_tries RETURNING 1")


def decisions_sent(running: Pipeline) -> list[ReviewDecision]:
    return [event for event in running.events(DECISIONS) if isinstance(event, ReviewDecision)]


def test_every_page_is_closed_to_who_is_not_signed_in(browser: Browser, change_set: str) -> None:
    pages = ("/", f"/districts/{DISTRICT}", f"/sets/{change_set}", f"/sets/{change_set}/outcome", "/calendar/2026")
    for page in (*pages, f"/sets/{change_set}/approve", f"/sets/{change_set}/changes/65536", "/record"):
        answer = browser.get(page)
        assert answer.url.path == "/sign-in", page
        assert NAME not in answer.text
    assert browser.http.post(f"/sets/{change_set}/names", data={"shown": "true"}).status_code == 401


def test_signing_in_leads_back_to_the_page_that_was_asked_for(browser: Browser, change_set: str) -> None:
    asked = browser.get(f"/sets/{change_set}?kind=students")
    form = dict(re.findall(r'name="(csrf|then)" value="([^"]+)"', asked.text))
    then = form["then"].replace("&amp;", "&")
    given = {"email": "viewer@example.org", "password": PASSWORD, "csrf": form["csrf"], "then": then}
    answer = browser.http.post("/sign-in", data=given)
    assert str(answer.url).endswith(f"/sets/{change_set}?kind=students")
    assert answer.status_code == 200


def test_a_wrong_password_and_an_unknown_email_are_told_in_the_same_words(browser: Browser) -> None:
    wrong, unknown = browser.sign_in("viewer", "not the password"), browser.sign_in("nobody")
    assert wrong.status_code == unknown.status_code == 401
    for answer in (wrong, unknown):
        assert "Email or password is not right." in answer.text


def test_after_too_many_tries_even_the_right_password_waits(browser: Browser) -> None:
    for _ in range(MOST_TRIES_OF_ONE):
        assert browser.sign_in("viewer", "guess").status_code == 401
    answer = browser.sign_in("viewer")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert browser.sign_in("operator").status_code == 200  # another person at the same address is not kept waiting


def test_a_form_without_the_token_of_this_session_does_nothing(
    browser: Browser, change_set: str, running: Pipeline
) -> None:
    browser.sign_in("reviewer")
    before = len(decisions_sent(running))
    for token in ({}, {"csrf": "guessed"}):
        answer = browser.http.post(f"/sets/{change_set}/reject", data={"reason": "x", **token})
        assert answer.status_code == 403
        assert browser.http.post(f"/sets/{change_set}/names", data={"shown": "true", **token}).status_code == 403
        assert browser.http.post("/sign-out", data=token).status_code == 403
    assert len(decisions_sent(running)) == before


def test_a_viewer_sees_everything_and_decides_nothing(browser: Browser, change_set: str, running: Pipeline) -> None:
    browser.sign_in("viewer")
    page = browser.get(f"/sets/{change_set}")
    assert page.status_code == 200
    assert f'href="/sets/{change_set}/approve"' not in page.text
    assert browser.get(f"/sets/{change_set}/approve").status_code == 403
    answer = browser.post(f"/sets/{change_set}", f"/sets/{change_set}/approve", reason="x", typed_name=NAME)
    assert answer.status_code == 403
    assert "for reviewers" in answer.text
    assert decisions_sent(running) == []


def test_an_approval_that_removes_much_needs_a_reason_and_the_districts_name(
    browser: Browser, change_set: str, running: Pipeline
) -> None:
    browser.sign_in("reviewer")
    asks = f"/sets/{change_set}/approve"
    assert "15 students will leave." in browser.get(asks).text
    assert browser.post(asks, asks, reason=" ", typed_name=NAME).status_code == 422
    assert browser.post(asks, asks, reason="told us", typed_name="Lakeside").status_code == 422
    assert decisions_sent(running) == []


def test_names_are_dots_until_asked_for_and_each_page_that_shows_them_is_recorded(
    browser: Browser, change_set: str, running: Pipeline
) -> None:
    browser.sign_in("viewer")
    page = f"/sets/{change_set}?kind=students&op=removed"
    assert "•••••" in browser.get(page).text
    assert "Ortega" not in browser.get(page).text
    assert running.query("SELECT count(*) FROM desk.looks") == [(0,)]

    shown = browser.post(page, f"/sets/{change_set}/names", shown="true", query="kind=students&op=removed")
    assert "Kim Ortega7" in shown.text
    place = re.search(rf"/sets/{change_set}/changes/(\d+)", shown.text)
    assert place is not None
    assert "@example.org" in browser.get(f"/sets/{change_set}/changes/{place[1]}").text
    looks = running.query("SELECT reviewer, change_set, what FROM desk.looks ORDER BY look")
    assert looks == [
        ("viewer@example.org", change_set, "page 1 of students, leaves"),
        ("viewer@example.org", change_set, f"change {place[1]}"),
    ]
    hidden = browser.post(page, f"/sets/{change_set}/names", shown="false", query="")
    assert "Ortega" not in hidden.text
    assert "saw names" in browser.get("/record").text


def test_a_link_with_names_shown_shows_none_to_a_colleague(
    browser: Browser, change_set: str, running: Pipeline
) -> None:
    browser.sign_in("reviewer")
    shown = browser.post(f"/sets/{change_set}", f"/sets/{change_set}/names", shown="true", query="kind=students")
    assert "Ortega" in shown.text
    colleague = Browser(running.desk)
    colleague.sign_in("operator")
    assert "Ortega" not in colleague.get(str(shown.url)).text


def test_the_board_is_told_again_only_when_something_has_changed(browser: Browser, change_set: str) -> None:
    browser.sign_in("viewer")
    board = browser.get("/")
    assert NAME in board.text
    again = re.search(r'hx-get="([^"]+)"', board.text)
    assert again is not None
    refresh = {"HX-Request": "true"}
    assert browser.http.get(again[1].replace("&amp;", "&"), headers=refresh).status_code == 204
    changed = browser.http.get("/?seen=something-else", headers=refresh)
    assert changed.status_code == 200
    assert "<html" not in changed.text
    assert NAME not in browser.get("/?search=lakeside").text
    assert NAME in browser.get("/?search=fielD+uni").text


def test_the_outcome_of_a_set_is_told_again_only_when_it_has_changed(browser: Browser, change_set: str) -> None:
    browser.sign_in("viewer")
    again = re.search(r'hx-get="(/sets/[^"]+/outcome\?[^"]+)"', browser.get(f"/sets/{change_set}").text)
    assert again is not None
    refresh = {"HX-Request": "true"}
    assert browser.http.get(again[1], headers=refresh).status_code == 204
    assert "It waits for a decision." in browser.http.get(f"/sets/{change_set}/outcome", headers=refresh).text


def test_a_district_is_on_the_board_before_its_first_night_and_the_board_says_when_that_is(
    browser: Browser, running: Pipeline
) -> None:
    running.add_district("ogdenville", name="Ogdenville Schools")
    browser.sign_in("viewer")
    board = browser.get("/?search=ogden").text
    assert re.search(r"no night yet; the first is (tonight|\w{3} \d+ \w{3}), \d\d:\d\d C[SD]T", board)
    assert "This district has had no night yet." in browser.get("/districts/ogdenville").text


def test_a_reviewer_who_is_removed_or_demoted_is_so_at_once(
    browser: Browser, running: Pipeline, change_set: str
) -> None:
    with running.connect() as connection:
        put_reviewer(connection, email="temp@example.org", name="Temp", role="reviewer", password=PASSWORD)
        browser.sign_in("temp")
        assert browser.get(f"/sets/{change_set}/approve").status_code == 200
        connection.execute("UPDATE desk.reviewers SET role = 'viewer' WHERE email = 'temp@example.org'")
        assert browser.get(f"/sets/{change_set}/approve").status_code == 403
        assert remove_reviewer(connection, "temp@example.org")
    assert browser.get("/").url.path == "/sign-in"
    refreshed = browser.http.get("/?seen=x", headers={"HX-Request": "true"})
    assert (refreshed.status_code, refreshed.headers["HX-Refresh"]) == (401, "true")


def test_errors_are_pages_in_plain_words(browser: Browser, change_set: str) -> None:
    browser.sign_in("reviewer")
    for address in (
        "/nowhere",
        f"/sets/{UNKNOWN}",
        f"/sets/{change_set}/changes/999999999",
        f"/sets/{change_set}/changes/99999999999999999999999",
        f"/sets/{change_set}/burn",
        "/districts/unheard-of",
        "/calendar/199999",
        f"/sets/{change_set}?page=0",
        f"/sets/{change_set}?search=%00",
        f"/sets/{change_set}?kind=parents",
    ):
        answer = browser.get(address)
        assert answer.status_code in {400, 404}, address
        assert "<h1>" in answer.text, address
        assert "Traceback" not in answer.text, address


def test_every_answer_forbids_other_hosts_frames_and_keeping(browser: Browser) -> None:
    browser.sign_in("viewer")
    for address in ("/", "/nowhere", "/calendar/2026"):
        headers = browser.get(address).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "same-origin"
    page = browser.get("/").text
    assert not re.search(r"<script(?![^>]*src=)|\bstyle=|\bon\w+=\"|https?://", page)


def test_the_desks_role_reaches_its_own_tables_and_none_of_rosterings(running: Pipeline) -> None:
    with connect(running.database, "rollcall_desk") as connection:
        connection.execute("SELECT name, timezone FROM desk.district_labels")
        forbidden = (
            "SELECT 1 FROM students",
            "SELECT url FROM districts",
            "SELECT 1 FROM accounts",
            "SELECT 1 FROM holds",
        )
        writes = (
            "UPDATE desk.reviewers SET role = 'operator'",
            "DELETE FROM desk.looks",
            "UPDATE desk.looks SET what = ''",
        )
        for statement in (*forbidden, *writes):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_a_short_password_or_no_address_is_refused_where_it_is_typed(running: Pipeline) -> None:
    with running.connect() as connection:
        for email, password in (("ana@example.org", "x" * (SHORTEST_PASSWORD - 1)), ("ana", PASSWORD)):
            with pytest.raises(ValueError, match=r"characters|address"):
                put_reviewer(connection, email=email, name="Ana", role="viewer", password=password)


def test_a_reviewer_is_added_and_removed_by_command_with_a_password_that_no_command_line_shows(
    browser: Browser, running: Pipeline, kafka: str, tmp_path: Path
) -> None:
    rollcall = Cli.of(tmp_path, kafka, running.database, running.prefix)
    who = ("ana@example.org", "--name", "Ana")
    assert rollcall("desk", "add-reviewer", *who, "--password-stdin", typed="short\n").status == 2
    assert browser.sign_in("ana").status_code == 401
    assert rollcall("desk", "add-reviewer", *who, "--password-stdin", typed=f"{PASSWORD}\n").status == 0
    assert browser.sign_in("ana").status_code == 200
    listed = rollcall("desk", "list", "--json").object["reviewers"]
    assert {"email": "ana@example.org", "name": "Ana", "role": "reviewer"} in listed
    assert rollcall("desk", "remove", "ana@example.org").status == 0
    assert browser.get("/").url.path == "/sign-in"
    assert rollcall("desk", "remove", "ana@example.org").status == 1


def test_a_port_that_is_taken_is_told_in_a_sentence(running: Pipeline, kafka: str) -> None:
    taken = urlsplit(running.desk).port
    database, secret = SecretStr(running.database), SecretStr("not kept in a home")
    settings = Settings(kafka=kafka, database=database, desk_port=taken, desk_secret=secret)
    with pytest.raises(AddressError, match="ROLLCALL_DESK_PORT"):
        run(settings, threading.Event())


def test_the_calendar_shows_the_house_pauses_of_any_year_and_what_was_added(
    browser: Browser, running: Pipeline
) -> None:
    running.observe_holidays()
    running.query(
        "INSERT INTO closures (name, first_day, last_day, added_by)"
        " VALUES ('Inventory', '2027-06-30', '2027-07-01', 'x') RETURNING 1"
    )
    browser.sign_in("viewer")
    page = browser.get("/calendar/2027").text
    assert re.search(r"Thanksgiving</th><td>Every district</td><td>Thu 25 Nov 2027</td><td>Fri 26 Nov 2027", page)
    assert "Inventory" in page
    assert "Inventory" not in browser.get("/calendar/2028").text


def test_a_rejection_is_published_once_with_reviewer_and_reason_and_its_outcome_is_shown(
    browser: Browser, running: Pipeline, change_set: str
) -> None:
    browser.sign_in("reviewer")
    asks = f"/sets/{change_set}/reject"
    answer = browser.post(asks, asks, reason="asked the district, a mistake")
    assert answer.url.path == f"/sets/{change_set}"

    def rejected() -> str | None:
        text = browser.http.get(f"/sets/{change_set}/outcome", headers={"HX-Request": "true"}).text
        return text if "Rejected by reviewer@example.org" in text else None

    assert "hx-get" not in until("the outcome is shown", rejected)  # settled: it is not asked for again
    [sent] = decisions_sent(running)
    assert (sent.change_set, sent.decision, sent.reviewer) == (change_set, "reject", "reviewer@example.org")
    assert sent.reason == "asked the district, a mistake"
    assert browser.get(asks).status_code == 409
    assert "asked the district, a mistake" in browser.get("/record").text
