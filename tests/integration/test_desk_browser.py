"""The desk in a real browser: a review from sign-in to what was applied, on any screen, by keyboard, alone."""

import re
import shutil
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from schemas.topics import Worker
from tests.desk import DISTRICT, NAME, PASSWORD, add_reviewers, hold_a_set, roster
from tests.pipeline import Pipeline, pipeline
from tests.stack import delete_topics, new_database

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (chromium in PATH)")

PAGES = (
    "/",
    "/sets/{change_set}",
    "/sets/{change_set}?kind=students",
    "/sets/{change_set}/approve",
    "/sets/{change_set}/reject",
    f"/districts/{DISTRICT}",
    "/calendar/2026",
    "/record",
)

READ_PAGE = """() => {
  const seen = (e) => e.getClientRects().length > 0;
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (c) => { const [r, g, b] = parse(c).slice(0, 3).map((v) => {
    v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if ((parse(c)[3] ?? 1) > 0) return c; } return 'rgb(255, 255, 255)'; };
  const texts = [...document.querySelectorAll('body *')].filter((e) => seen(e) && !e.closest('.hidden')
    && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()));
  const pale = texts.filter((e) => { const a = light(getComputedStyle(e).color), b = light(ground(e));
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5; });
  return {
    headings: [...document.querySelectorAll('h1, h2, h3, h4')].map((h) => Number(h.tagName[1])),
    unlabelled: [...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
      .filter((e) => !e.labels.length).map((e) => e.outerHTML),
    nameless: [...document.querySelectorAll('a, button')].filter((e) => !e.textContent.trim()).map((e) => e.outerHTML),
    headless: [...document.querySelectorAll('table')].filter((t) => !t.querySelector('th[scope=col]')).length,
    pale: pale.map((e) => e.outerHTML.slice(0, 120)),
    small: texts.filter((e) => parseFloat(getComputedStyle(e).fontSize) < 16).map((e) => e.outerHTML.slice(0, 120)),
    wide: document.documentElement.scrollWidth - window.innerWidth,
    lang: document.documentElement.lang, title: document.title,
  };
}"""


@pytest.fixture(scope="module")
def running(kafka: str, postgres: str, migrated_template: str) -> Iterator[Pipeline]:
    prefix = f"test-{uuid.uuid4().hex[:12]}."
    workers: tuple[Worker, ...] = ("diff", "guard", "apply", "relay", "desk-feed", "desk")
    with new_database(postgres, migrated_template) as database:
        with pipeline(kafka, database, prefix, *workers) as started:
            add_reviewers(started)
            yield started
        delete_topics(kafka, prefix)


@pytest.fixture(scope="module")
def change_set(running: Pipeline) -> str:
    return hold_a_set(running)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


class Screen:
    """A window that takes down what its console says and which hosts it asks."""

    def __init__(self, chromium: Browser, desk: str, **looks: Any) -> None:
        self.context: BrowserContext = chromium.new_context(base_url=desk, **looks)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.said: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))

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
    screen.sign_in("reviewer")
    for path in PAGES:
        answer = screen.page.goto(path.format(change_set=change_set))
        assert answer is not None
        assert answer.status == 200, path
        read[path] = screen.page.evaluate(READ_PAGE)
    for path, page in read.items():
        assert page["headings"][0] == 1, path
        assert page["headings"].count(1) == 1, path
        assert all(after <= before + 1 for before, after in zip(page["headings"], page["headings"][1:], strict=False))
        for fault in ("unlabelled", "nameless", "pale", "small"):
            assert page[fault] == [], (path, fault)
        assert page["headless"] == 0, path
        assert page["wide"] <= 0, path
        assert (page["lang"], bool(page["title"])) == ("en", True)
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


def test_a_set_is_approved_by_keyboard_and_its_outcome_appears_by_itself_on_the_page(
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
    expect(words).to_contain_text("Approved by reviewer@example.org", timeout=30_000)
    expect(words).to_contain_text(re.compile(r"Applied at \d\d:\d\d"), timeout=30_000)
    assert running.query("SELECT students FROM rosters WHERE district = %s", DISTRICT) == [
        (len(roster(5)["students"]),)
    ]
    expect(board.locator("#districts")).to_contain_text("done", timeout=30_000)
    assert board.evaluate("window.opened") is True  # nobody reloaded it
    assert screen.said == []
    screen.context.close()
