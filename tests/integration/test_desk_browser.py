"""The desk in a real browser: a review from sign-in to what was applied, on any screen, by keyboard, alone."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from schemas.topics import Worker
from tests.browsing import READ_PAGE, Window, faults, launched, needs_chromium
from tests.desk import DISTRICT, NAME, PASSWORD, add_reviewers, hold_a_set, roster
from tests.desk import Browser as Visitor
from tests.pipeline import Pipeline, pipeline

pytestmark = needs_chromium

PAGES = (
    "/",
    "/sets/{change_set}",
    "/sets/{change_set}?kind=students",
    "/sets/{change_set}/approve",
    "/sets/{change_set}/reject",
    f"/districts/{DISTRICT}",
    "/calendar/2026",
    "/calendar/add/pause",
    "/calendar/add/expected",
    "/calendar/add/summer",
    "/record",
)


@pytest.fixture(scope="module")
def running(kafka: str, shared_database: str, shared_topic_prefix: str) -> Iterator[Pipeline]:
    workers: tuple[Worker, ...] = ("diff", "guard", "apply", "relay", "desk-feed", "desk")
    settings = {"ROLLCALL_TWO_REVIEWERS_ABOVE": "10"}
    with pipeline(kafka, shared_database, shared_topic_prefix, *workers, settings=settings) as started:
        add_reviewers(started)
        yield started


@pytest.fixture(scope="module")
def change_set(running: Pipeline) -> str:
    return hold_a_set(running)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


class Screen(Window):
    """A window at the desk."""

    def sign_in(self, who: str) -> None:
        self.page.goto("/")
        self.page.get_by_label("Email").fill(f"{who}@example.org")
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("heading", level=1)).to_contain_text("Tonight")


@pytest.fixture(params=[("light", 1200), ("dark", 1200), ("light", 360)], ids=["light", "dark", "narrow"])
def looks(request: pytest.FixtureRequest) -> dict[str, Any]:
    scheme, width = request.param
    return {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}


def test_every_page_is_legible_labelled_and_in_order_and_talks_to_its_own_host_alone(
    running: Pipeline, change_set: str, chromium: Browser, looks: dict[str, Any]
) -> None:
    screen = Screen(chromium, running.desk, **looks)
    screen.page.goto("/sign-in")
    read = {"/sign-in": screen.page.evaluate(READ_PAGE)}
    screen.sign_in("operator")
    for path in PAGES:
        answer = screen.page.goto(path.format(change_set=change_set))
        assert answer is not None
        assert answer.status == 200, path
        read[path] = screen.page.evaluate(READ_PAGE)
    for path, page in read.items():
        assert faults(page) == {}, path
    assert screen.said == []
    assert screen.hosts == {urlsplit(running.desk).netloc}
    screen.context.close()


def test_a_held_set_is_found_on_the_board_and_filtered_without_leaving_its_page(
    running: Pipeline, change_set: str, chromium: Browser
) -> None:
    screen = Screen(chromium, running.desk)
    screen.sign_in("viewer")
    page = screen.page
    page.get_by_role("link", name=f"Review {NAME}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    expect(page.get_by_role("heading", name="Why it is held")).to_be_visible()
    expect(page.locator(".counts")).to_contain_text("75%")
    page.get_by_label("Kind", exact=True).select_option("students")
    expect(page.locator(".range")).to_have_text("1–15 of 15")
    assert "kind=students" in page.url
    page.get_by_label("Id, class or school").fill("s007")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator(".range")).to_have_text("1–1 of 1")
    page.reload()
    expect(page.locator(".range")).to_have_text("1–1 of 1")
    assert screen.said == []
    screen.context.close()


def test_names_appear_when_asked_for_and_before_and_after_stand_side_by_side(
    running: Pipeline, change_set: str, chromium: Browser
) -> None:
    screen = Screen(chromium, running.desk)
    screen.sign_in("reviewer")
    page = screen.page
    page.goto(f"/sets/{change_set}?kind=students")
    expect(page.locator("#found")).not_to_contain_text("Ortega")
    looks = running.query("SELECT count(*) FROM desk.looks")[0][0]
    page.get_by_role("button", name="Show names").click()
    expect(page.locator("#found")).to_contain_text("Kim Ortega7")
    assert running.query("SELECT count(*) FROM desk.looks")[0][0] == looks + 1
    page.get_by_role("link", name="Kim Ortega7").click()
    expect(page.get_by_role("columnheader", name="Before")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("email"))).to_contain_text("kid7@example.org")
    screen.context.close()


def test_a_set_is_approved_by_keyboard_and_what_it_waits_for_and_its_outcome_appear_by_themselves(
    running: Pipeline, change_set: str, chromium: Browser
) -> None:
    screen = Screen(chromium, running.desk)
    screen.sign_in("reviewer")
    board = screen.context.new_page()
    board.goto("/")
    expect(board.locator("#districts")).to_contain_text("held")
    board.evaluate("window.opened = true")

    page = screen.page
    page.goto(f"/sets/{change_set}")
    reached = ""
    for _ in range(30):
        page.keyboard.press("Tab")
        reached = page.evaluate("document.activeElement.id")
        if reached == "approve":
            break
    assert reached == "approve"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")
    expect(page.get_by_text("15 students will leave.")).to_be_visible()
    page.get_by_label("Why?").fill("the district told us")
    page.get_by_label("Type the district's name").fill(NAME.lower())
    page.keyboard.press("Enter")

    words = page.locator("#outcome-words")
    waits = re.compile(r"Approved by reviewer@example\.org at \d\d:\d\d \w+; waits for a second reviewer\.")
    expect(words).to_contain_text(waits, timeout=30_000)
    expect(page.get_by_text("You have approved it. Somebody else must too.")).to_be_visible()
    page.evaluate("window.opened = true")

    second = Visitor(running.desk)
    second.sign_in("operator")
    asks = f"/sets/{change_set}/approve"
    assert second.post(asks, asks, reason="I agree", typed_name=NAME).status_code == 200
    second.http.close()
    expect(words).to_contain_text("Approved by operator@example.org", timeout=30_000)
    expect(words).to_contain_text(re.compile(r"Applied at \d\d:\d\d"), timeout=30_000)
    assert page.evaluate("window.opened") is True
    assert running.query("SELECT students FROM rosters WHERE district = %s", DISTRICT) == [
        (len(roster(5)["students"]),)
    ]
    expect(board.locator("#districts")).to_contain_text("done", timeout=30_000)
    assert board.evaluate("window.opened") is True  # nobody reloaded it
    assert screen.said == []
    screen.context.close()
