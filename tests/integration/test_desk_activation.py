"""Conflicts and a district's activation at the desk: from the topics to the page, over HTTP and in a real browser."""

import csv
import io
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import expect

from schemas.events import ConflictResolved
from schemas.topics import DECISIONS, Worker
from services.guard.desk.web.activation_pages import cell
from tests.activating import ACTIVATED, STUDENTS, TWO_ACCOUNTS, activate_a_district
from tests.browsing import READ_PAGE, faults, launched, needs_chromium
from tests.cli_inside import CliInside
from tests.desk import DISTRICT, NAME, Browser, add_reviewers
from tests.integration.test_desk_browser import Screen
from tests.pipeline import Pipeline, pipeline, until

FIRST, SECOND, THIRD = TWO_ACCOUNTS


@pytest.fixture(scope="module")
def running(kafka: str, shared_database: str, shared_topic_prefix: str) -> Iterator[Pipeline]:
    workers: tuple[Worker, ...] = ("diff", "guard", "apply", "relay", "activation", "desk-feed", "desk")
    with pipeline(kafka, shared_database, shared_topic_prefix, *workers) as started:
        add_reviewers(started)
        yield started


@pytest.fixture(scope="module")
def accounts(running: Pipeline) -> dict[str, tuple[str, str]]:
    return activate_a_district(running)


@pytest.fixture
def browser(running: Pipeline, accounts: dict[str, tuple[str, str]]) -> Iterator[Browser]:
    opened = Browser(running.desk)
    yield opened
    opened.http.close()
    running.query("DELETE FROM desk.sign_in_tries RETURNING 1")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with launched() as opened:
        yield opened


def page_of(student: str, verb: str = "person") -> str:
    return f"/conflicts/{verb}/{DISTRICT}/students/{student}"


def resolutions(running: Pipeline) -> list[ConflictResolved]:
    return [event for event in running.events(DECISIONS) if isinstance(event, ConflictResolved)]


def test_every_page_is_closed_to_who_is_not_signed_in(browser: Browser) -> None:
    here = f"/districts/{DISTRICT}"
    for page in ("/conflicts", f"{here}/conflicts", f"{here}/activation", f"{here}/activation.csv", page_of(FIRST)):
        answer = browser.get(page)
        assert answer.url.path == "/sign-in", page
        assert NAME not in answer.text
    assert browser.http.post(page_of(FIRST, "names"), data={"shown": "true"}).status_code == 401


def test_a_class_tells_how_many_of_its_students_have_their_account(browser: Browser) -> None:
    browser.sign_in("viewer")
    page = browser.get(f"/districts/{DISTRICT}/activation").text
    assert f"{ACTIVATED} of {STUDENTS} students activated" in page
    assert "1 of 2 activated" in page  # teachers
    assert "3 asked at their first sign-in, 3 in conflict" in page
    assert page.index("Art 5") < page.index("Math 5") < page.index("Study hall")  # the least activated first
    for name in ("Ortega", "Krabappel", "example.org", "s001"):
        assert name not in page.replace("viewer@example.org", "")


def test_classes_are_found_by_school_name_and_id(browser: Browser) -> None:
    browser.sign_in("viewer")
    here = f"/districts/{DISTRICT}/activation"
    found = {
        "?school=school-1": ("Math 5",),
        "?school=school-2": ("Art 5", "Study hall"),
        "?search=study": ("Study hall",),
        "?search=c1": ("Math 5",),
        "?search=nothing": (),
        "?page=9": (),
    }
    for query, names in found.items():
        page = browser.get(here + query).text
        assert re.findall(r'<th scope="row">([^<]+)<span', page) == list(names), query


def test_an_open_page_is_sent_again_only_when_something_has_changed(browser: Browser) -> None:
    browser.sign_in("viewer")
    for page in (f"/districts/{DISTRICT}/activation", "/conflicts", f"/districts/{DISTRICT}/conflicts"):
        shown = browser.get(page).text
        [again] = re.findall(rf'hx-get="({re.escape(page)}[^"]*)"', shown)
        assert browser.http.get(again.replace("&amp;", "&"), headers={"HX-Request": "true"}).status_code == 204
        assert browser.http.get(f"{page}?seen=old", headers={"HX-Request": "true"}).status_code == 200


def test_the_csv_has_ids_and_counts_and_no_cell_that_a_spreadsheet_would_run(browser: Browser) -> None:
    browser.sign_in("viewer")
    answer = browser.get(f"/districts/{DISTRICT}/activation.csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert f"activation-{DISTRICT}-" in answer.headers["Content-Disposition"]
    rows = {row["class_id"]: row for row in csv.DictReader(io.StringIO(answer.text))}
    assert set(rows) == {"c1", "'=c2", "c3"}
    math = rows["c1"]
    assert [math[f"students_{state}"] for state in ("all", "activated", "required", "conflict", "waiting")] == [
        "24", "18", "3", "3", "0",
    ]  # fmt: skip
    for name in ("Math", "Lincoln", "Ortega", "@"):
        assert name not in answer.text


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_text_of_a_provider_begins_a_formula(value: str) -> None:
    assert cell(value) == f"'{value}"
    assert cell(f"c{value}") == f"c{value}"


def test_a_district_that_is_not_known_has_no_progress_and_no_conflicts(browser: Browser) -> None:
    browser.sign_in("viewer")
    for page in ("activation", "activation.csv", "conflicts"):
        assert browser.get(f"/districts/nowhere/{page}").status_code == 404
    assert browser.get(page_of("nobody")).status_code == 404
    assert browser.get(f"/conflicts/person/{DISTRICT}/janitors/{FIRST}").status_code == 404


def test_the_board_and_the_district_lead_to_its_open_conflicts(browser: Browser) -> None:
    browser.sign_in("viewer")
    for page in ("/", f"/districts/{DISTRICT}"):
        assert f'href="/districts/{DISTRICT}/conflicts"' in browser.get(page).text
    listed = browser.get(f"/districts/{DISTRICT}/conflicts").text
    for student in TWO_ACCOUNTS:
        assert f'href="{page_of(student)}"' in listed
    assert "Several accounts have the rostered email." in listed
    assert "Ortega" not in listed


def test_names_are_shown_when_asked_for_and_each_look_is_on_record_first(browser: Browser, running: Pipeline) -> None:
    browser.sign_in("viewer")
    page = browser.get(page_of(FIRST))
    assert "Ortega" not in page.text
    assert "home.example" not in page.text
    assert running.query("SELECT count(*) FROM desk.conflict_looks") == [(0,)]
    shown = browser.post(page_of(FIRST), page_of(FIRST, "names"), shown="true")
    assert "Kim Ortega19" in shown.text
    assert f"second{FIRST}@home.example" in shown.text
    assert running.query("SELECT reviewer, kind, id FROM desk.conflict_looks") == [
        ("viewer@example.org", "students", FIRST)
    ]
    assert "Ortega" not in browser.get(page_of(SECOND)).text  # one person's names are not another's
    assert page_of(FIRST) in browser.get("/record").text
    hidden = browser.post(page_of(FIRST), page_of(FIRST, "names"), shown="false")
    assert "Ortega" not in hidden.text


def test_a_viewer_resolves_nothing(browser: Browser, running: Pipeline, accounts: dict[str, tuple[str, str]]) -> None:
    browser.sign_in("viewer")
    assert 'type="radio"' not in browser.get(page_of(FIRST)).text
    answer = browser.post(page_of(FIRST), page_of(FIRST, "resolve"), choice=accounts[FIRST][0], reason="x")
    assert answer.status_code == 403
    assert resolutions(running) == []


def test_an_answer_names_one_of_the_accounts_and_a_reason_or_nothing_is_published(
    browser: Browser, running: Pipeline, accounts: dict[str, tuple[str, str]]
) -> None:
    browser.sign_in("reviewer")
    for choice, reason in (("", "because"), (str(uuid.uuid4()), "because"), (accounts[FIRST][0], " ")):
        answer = browser.post(page_of(FIRST), page_of(FIRST, "resolve"), choice=choice, reason=reason)
        assert answer.status_code == 422, (choice, reason)
    stolen = browser.http.post(page_of(FIRST, "resolve"), data={"choice": accounts[FIRST][0], "reason": "x"})
    assert stolen.status_code == 403
    assert resolutions(running) == []


@pytest.fixture(params=[("light", 1200), ("dark", 1200), ("light", 360)], ids=["light", "dark", "narrow"])
def looks(request: pytest.FixtureRequest) -> dict[str, Any]:
    scheme, width = request.param
    return {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}


@needs_chromium
def test_every_page_is_legible_labelled_and_in_order(
    running: Pipeline, accounts: dict[str, tuple[str, str]], chromium: Chromium, looks: dict[str, Any]
) -> None:
    screen = Screen(chromium, running.desk, **looks)
    screen.sign_in("reviewer")
    for path in ("/conflicts", f"/districts/{DISTRICT}/conflicts", f"/districts/{DISTRICT}/activation", page_of(FIRST)):
        answer = screen.page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        assert faults(screen.page.evaluate(READ_PAGE)) == {}, path
    assert screen.said == []
    screen.context.close()


@needs_chromium
def test_a_conflict_is_resolved_by_keyboard_and_its_outcome_appears_on_the_same_page(
    running: Pipeline, accounts: dict[str, tuple[str, str]], chromium: Chromium
) -> None:
    screen = Screen(chromium, running.desk)
    screen.sign_in("reviewer")
    progress = screen.context.new_page()
    progress.goto(f"/districts/{DISTRICT}/activation")
    progress.evaluate("window.opened = true")

    page = screen.page
    page.get_by_role("link", name="3 conflicts").click()
    page.get_by_role("link", name=f"student {FIRST}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Whose account is it?")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.type") == "radio":
            break
    page.keyboard.press("Space")
    first = page.evaluate("document.activeElement.value")
    assert first in accounts[FIRST]
    page.get_by_label("Why?").fill("the school told us which one the child uses")
    page.get_by_role("button", name="Resolve").press("Enter")

    expect(page.locator("#outcome-words")).to_contain_text("Settled", timeout=30_000)
    expect(page.locator("#outcome-words")).to_contain_text(first)
    expect(page.locator("#answer")).to_have_count(0)
    expect(page.locator("#answers")).to_contain_text("followed")
    assert running.query("SELECT state, account_id::text FROM activations WHERE id = %s", FIRST) == [
        ("activated", first)
    ]
    expect(progress.locator("#progress")).to_contain_text(f"{ACTIVATED + 1} of {STUDENTS} students", timeout=30_000)
    assert progress.evaluate("window.opened") is True  # nobody reloaded it
    assert screen.said == []
    screen.context.close()


def test_a_person_who_is_to_be_asked_is_settled_and_listed_so(browser: Browser, running: Pipeline) -> None:
    browser.sign_in("operator")
    browser.post(page_of(SECOND), page_of(SECOND, "resolve"), choice="ask", reason="both may be theirs")
    until(
        "the desk knows that they are asked",
        lambda: running.query("SELECT 1 FROM desk.conflicts WHERE id = %s AND state = 'required'", SECOND) or None,
    )
    assert "asked at their next sign-in" in browser.get(page_of(SECOND)).text
    said = [(one.id, one.account_id, one.reviewer) for one in resolutions(running)]
    assert (SECOND, None, "operator@example.org") in said
    again = browser.http.post(page_of(SECOND, "resolve"), data={"choice": "ask", "reason": "x"})
    assert again.status_code == 403  # without the page's token
    assert NAME in browser.get("/record").text


def test_the_command_line_waits_for_activations_answer_and_tells_a_refusal(
    running: Pipeline, accounts: dict[str, tuple[str, str]], tmp_path: Path
) -> None:
    rollcall = CliInside(tmp_path, running.kafka, running.database, running.prefix)
    person, why = f"{DISTRICT}/students/{THIRD}", ("--reason", "the school told us", "--by", "ana", "--json")
    [(taken,)] = running.query(
        "UPDATE identities SET proof = 'sign-in' WHERE subject = (SELECT min(id) FROM activations"
        " WHERE kind = 'students' AND state = 'activated') RETURNING account_id::text"
    )
    refused = rollcall("conflict", "resolve", person, "--account", taken, *why)
    assert (refused.status, refused.object["error"]["code"]) == (1, "refused")
    assert "another person" in refused.object["error"]["text"]
    followed = rollcall("conflict", "resolve", person, "--account", accounts[THIRD][1], *why)
    assert (followed.status, followed.object["outcome"]) == (0, "activated")
    [explained] = rollcall("explain", person, "--json").object["people"]
    assert (explained["activation"]["state"], explained["activation"]["reason"]) == ("activated", "reviewer")
    assert explained["identities"][0]["proof"] == "reviewer"
    until(
        "the desk knows of it",
        lambda: running.query("SELECT 1 FROM desk.conflicts WHERE id = %s AND state = 'linked'", THIRD) or None,
    )
