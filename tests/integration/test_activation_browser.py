"""The people's pages in a real browser: both ways to activate on both providers, on any screen, by keyboard, alone."""

import itertools
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from deploy.sandbox.control import SandboxControl
from deploy.sandbox.running import running_sandbox
from deploy.sandbox.sign_in_settings import write_sign_in_file
from tests.browsing import READ_PAGE, Window, faults, launched, needs_chromium
from tests.pipeline import Pipeline, pipeline
from tests.signing_in import PASSWORD, Person, Town

pytestmark = needs_chromium

WAYS = {"springfield": "Clever", "riverside": "ClassLink"}
BORN = f"{date.today().year - 16}-01-01"

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def town(shared_database: str) -> Town:
    made = Town(shared_database)
    made.add_districts()
    return made


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxControl]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as control:
        yield control


@pytest.fixture(scope="module")
def running(
    kafka: str,
    town: Town,
    sandbox: SandboxControl,
    shared_topic_prefix: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pipeline]:
    file: Path = write_sign_in_file(sandbox.base_url, tmp_path_factory.mktemp("sign-in") / "sign-in.json")
    settings = {"ROLLCALL_SIGN_IN_FILE": str(file)}
    with pipeline(kafka, town.dsn, shared_topic_prefix, "activation-web", settings=settings) as started:
        yield started


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def windows(chromium: Browser, running: Pipeline) -> Iterator["Windows"]:
    opened = Windows(chromium, running.pages)
    yield opened
    for window in opened.all:
        window.context.close()


class Windows:
    """As many windows as a test needs, each a computer of its own."""

    def __init__(self, chromium: Browser, address: str) -> None:
        self._chromium = chromium
        self.address = address
        self.all: list[Window] = []

    def new(self, **looks: Any) -> Window:
        self.all.append(Window(self._chromium, self.address, **looks))
        return self.all[-1]


def newcomer(town: Town, district: str = "springfield", kind: str = "students", **about: Any) -> Person:
    """Roster somebody whom no account belongs to."""
    number = next(_numbers)
    person = Person(district, kind, f"N{number:05d}", f"n{number}@{district}.example", BORN, **about)
    town.roster(person)
    return person


def sign_in(page: Page, person: Person) -> None:
    """Sign in as somebody would, from our first page over the provider's."""
    page.goto("/")
    page.get_by_role("link", name=person.district.title()).click()
    page.get_by_role("link", name=f"Sign in with {WAYS[person.district]}").click()
    choose(page, person.who)


def choose(page: Page, who: str) -> None:
    """Be somebody at the sandbox's sign-in server, whose page is open."""
    expect(page.get_by_role("heading", level=1)).to_contain_text("Sign in to")
    page.goto(f"{page.url}&as={quote(who, safe='')}")


def is_in(page: Page, name: str = "Math 5") -> None:
    """See that whoever it is has come in, and where."""
    expect(page.get_by_role("heading", level=1)).to_have_text("You’re in.")
    expect(page.get_by_role("link", name=name)).to_be_visible()


@pytest.mark.parametrize("district", WAYS)
def test_somebody_new_has_an_account_made_without_any_script(town: Town, windows: Windows, district: str) -> None:
    person = newcomer(town, district)
    page = windows.new(java_script_enabled=False).page
    sign_in(page, person)
    expect(page.get_by_role("heading", level=1)).to_have_text("We don’t have an account for you yet.")
    page.get_by_role("link", name="No, make one for me").click()
    joined = page.locator(".joined")
    expect(joined).to_contain_text(str(person.email))
    expect(joined).to_contain_text("Math 5")
    assert town.activation(person)[0] == "required"  # shown before it happens
    page.get_by_role("button", name="Make my account").click()
    is_in(page)
    assert town.activation(person)[0] == "activated"
    page.get_by_role("link", name="Go to my classes").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("My classes")
    expect(page.get_by_text("District Synced")).to_be_visible()


@pytest.mark.parametrize("by", ["password", "identity provider"])
@pytest.mark.parametrize("district", WAYS)
def test_somebody_logs_in_to_the_account_they_have_and_it_becomes_the_districts(
    town: Town, windows: Windows, district: str, by: str
) -> None:
    person = newcomer(town, district)
    email = f"home{person.id}@mail.example"
    account_id = town.add_account(email)
    page = windows.new().page
    sign_in(page, person)
    page.get_by_role("link", name="Yes, log in to my account").click()
    expect(page.locator(".joined")).to_contain_text(str(person.email))
    expect(page.locator(".joined")).to_contain_text("Math 5")
    if by == "password":
        page.get_by_label("Email").fill(email)
        page.get_by_label("Password").fill("not the password")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("Email or password is not right.")
        page.get_by_label("Email").fill(email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
    else:
        page.get_by_role("link", name="Sandbox Identity").click()
        choose(page, email)
    is_in(page)
    assert town.activation(person) == ("activated", account_id)


def test_an_account_is_made_by_keyboard_alone_and_the_focus_is_always_seen(town: Town, windows: Windows) -> None:
    person = newcomer(town)
    page = windows.new().page
    sign_in(page, person)
    for wanted in ("No, make one for me", "Make my account", "Go to my classes"):
        reached = ""
        for _ in range(15):
            page.keyboard.press("Tab")
            reached = page.evaluate("document.activeElement.textContent.trim()")
            if reached == wanted:
                break
        assert reached == wanted
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        before = page.url
        page.keyboard.press("Enter")
        expect(page).not_to_have_url(before)
    expect(page.get_by_role("heading", level=1)).to_have_text("My classes")


@pytest.mark.parametrize("step", ["/activate", "/activate/new", "/activate/log-in"])
def test_who_is_not_the_one_leaves_at_every_step_and_nothing_is_left_behind(
    town: Town, windows: Windows, step: str
) -> None:
    person = newcomer(town)
    page = windows.new().page
    sign_in(page, person)
    page.goto(step)
    page.get_by_role("button", name="That’s not me").click()
    expect(page.get_by_role("status")).to_contain_text("nobody is signed in here now")
    expect(page.get_by_role("link", name="Sign out of Clever too")).to_be_visible()
    page.goto(step)
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.go_back()
    assert str(person.email) not in page.content()
    assert town.activation(person) == ("required", None)


def test_a_sign_in_that_was_left_open_for_too_long_says_so_and_begins_anew(town: Town, windows: Windows) -> None:
    person = newcomer(town)
    page = windows.new().page
    sign_in(page, person)
    page.get_by_role("link", name="No, make one for me").click()
    town.query("UPDATE sign_in.sessions SET expires_at = now() WHERE id = %s RETURNING 1", person.id)
    page.get_by_role("button", name="Make my account").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You were away for too long.")
    page.get_by_role("link", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert town.activation(person) == ("required", None)


def test_a_teacher_sees_a_student_activate_on_the_open_page_and_nothing_jumps(town: Town, windows: Windows) -> None:
    classes = ("Science 7",)
    teacher = newcomer(town, kind="teachers", classes=classes)
    town.add_account(str(teacher.email))
    student, _ = (newcomer(town, classes=classes) for _ in range(2))
    window = windows.new()
    page = window.page
    sign_in(page, teacher)
    page.get_by_role("link", name="Science 7").click()
    counted = page.get_by_role("status")
    expect(counted).to_contain_text("0 of 2 students activated")
    expect(counted).to_contain_text("Not yet activated: 2")
    page.evaluate("window.opened = true")
    page.get_by_role("link", name=f"Dana Of {student.id}").focus()

    other = windows.new().page
    sign_in(other, student)
    other.get_by_role("link", name="No, make one for me").click()
    other.get_by_role("button", name="Make my account").click()
    expect(other.get_by_role("heading", level=1)).to_have_text("You’re in.")

    expect(counted).to_contain_text("1 of 2 students activated", timeout=30_000)
    expect(page.get_by_role("row", name=student.id)).to_contain_text("activated")
    assert page.evaluate("window.opened") is True  # nobody reloaded it
    assert student.id in page.evaluate("document.activeElement.textContent")  # who was reading reads on
    assert counted.get_attribute("aria-live") == "polite"
    assert window.said == []


def test_what_cannot_be_done_in_a_synced_class_is_said_where_one_tries(town: Town, windows: Windows) -> None:
    teacher = newcomer(town, kind="teachers", classes=("Art 2",))
    town.add_account(str(teacher.email))
    newcomer(town, classes=("Art 2",))
    page = windows.new().page
    sign_in(page, teacher)
    page.get_by_role("link", name="Art 2").click()
    page.get_by_role("button", name="Add a student").click()
    expect(page.get_by_role("alert")).to_contain_text("Students come from your district.")
    expect(page.get_by_role("alert")).to_contain_text("Ask your school office to change the roster")
    page.get_by_role("button", name="Attach Google Classroom").click()
    expect(page.get_by_role("alert")).to_contain_text("Make a class of your own")


def test_every_page_is_legible_labelled_and_in_order_on_any_screen_and_talks_to_its_own_host_alone(
    town: Town, windows: Windows
) -> None:
    classes = ("Music 1",)
    teacher = newcomer(town, kind="teachers", classes=classes)
    town.add_account(str(teacher.email))
    student = newcomer(town, classes=classes)
    placeless = newcomer(town, classes=())

    visitor = windows.new()
    read_all(visitor, "/sign-in", "/sign-in?district=springfield", "/sign-in?not_me=clever", "/nowhere")
    pupil = windows.new()
    sign_in(pupil.page, student)
    read_all(pupil, "/activate", "/activate/new", "/activate/log-in")
    pupil.page.goto("/activate/new")
    pupil.page.get_by_role("button", name="Make my account").click()
    is_in(pupil.page, *classes)
    class_page = str(pupil.page.get_by_role("link", name=classes[0]).get_attribute("href"))
    read_all(pupil, "/activate/done", "/", class_page, "/me")
    stopped = windows.new()
    sign_in(stopped.page, placeless)
    expect(stopped.page.get_by_role("heading", level=1)).to_have_text("You are not in a class yet.")
    read(stopped)
    staff = windows.new()
    sign_in(staff.page, teacher)
    expect(staff.page.get_by_role("heading", level=1)).to_have_text("My classes")
    read_all(staff, "/", "/me", class_page)
    staff.page.get_by_role("link", name=f"Dana Of {student.id}").click()
    expect(staff.page.get_by_role("heading", level=1)).to_have_text(f"Dana Of {student.id}")
    read(staff)
    assert "Dana" not in staff.page.url


def read_all(window: Window, *paths: str) -> None:
    """Open each page; see that its console is silent, that it asks nobody else, and that nothing is wrong with it."""
    for path in paths:
        window.said.clear()
        window.hosts.clear()
        window.page.goto(path)
        assert len(window.hosts) == 1, path
        if path != "/nowhere":  # a browser's console tells of every 404
            assert window.said == [], path
        read(window)


def read(window: Window) -> None:
    """See that nothing is wrong with the page that is open: light, dark, and on a telephone."""
    looks: tuple[tuple[Literal["light", "dark"], int], ...] = (("dark", 1200), ("light", 390), ("light", 1200))
    for scheme, width in looks:
        window.page.emulate_media(color_scheme=scheme)
        window.page.set_viewport_size({"width": width, "height": 800})
        assert faults(window.page.evaluate(READ_PAGE)) == {}, (window.page.url, scheme, width)
