"""Activation done twice, in two windows, half way, by a whole class, by somebody else at a shared computer."""

from functools import partial

from services.activation.sign_in.tokens import digest
from tests.signing_in import PASSWORD, PROVIDER, Browser, Browsers, Person, Town, in_parallel, refusal, student


def test_a_double_click_makes_one_account(town: Town, browser: Browser) -> None:
    person = student()
    town.roster(person)
    browser.sign_in("clever", person.who)
    cookies = dict(browser.http.cookies)
    windows = [Browser(browser.pages, browser.sandbox) for _ in range(4)]
    for window in windows:
        window.http.cookies.update(cookies)
    answers = in_parallel([lambda window=window: window.post("/activate/create") for window in windows])
    assert [answer.headers["location"] for answer in answers] == ["/"] * 4
    account_id = town.activation(person)[1]
    assert {window.me()["account_id"] for window in windows} == {account_id}
    assert town.query("SELECT count(*) FROM account_emails WHERE email = %s", person.email) == [(1,)]
    assert town.told(person) == ["required", "linked"]


def test_a_whole_class_that_activates_at_the_same_moment_gets_in(town: Town, browsers: Browsers) -> None:
    people = [student(district) for district in ("springfield", "riverside") for _ in range(10)]
    town.roster(*people)

    def activate(browser: Browser, person: Person) -> str | None:
        browser.sign_in(PROVIDER[person.district], person.who)
        browser.post("/activate/create")
        account_id: str | None = browser.me().get("account_id")
        return account_id

    accounts = in_parallel([partial(activate, browsers.new(), person) for person in people])
    assert [town.activation(person) for person in people] == [("activated", account_id) for account_id in accounts]
    assert len(set(accounts)) == len(people)


def test_two_windows_that_choose_differently_end_with_one_account(town: Town, browsers: Browsers) -> None:
    person = student()
    own = f"home-{person.id}@mail.example"
    town.add_account(own)
    town.roster(person)
    one, other = browsers.new(), browsers.new()
    for window in (one, other):
        window.sign_in("clever", person.who)
    answers = in_parallel(
        [lambda: one.post("/activate/create"), lambda: other.post("/log-in", email=own, password=PASSWORD)]
    )
    assert 303 in {answer.status_code for answer in answers}
    linked = town.query("SELECT account_id::text FROM identities WHERE subject = %s", person.id)
    assert linked == [(town.activation(person)[1],)]
    assert town.told(person) == ["required", "linked"]


def test_a_window_that_chooses_another_account_later_changes_nothing(town: Town, browsers: Browsers) -> None:
    created, matched = town.rostered_student("springfield"), town.rostered_student("springfield")
    own = f"home-{created.id}@mail.example"
    town.add_account(own)
    late = {person: browsers.new() for person in (created, matched)}
    for person, window in late.items():
        window.sign_in("clever", person.who)
    first = browsers.new()
    first.sign_in("clever", created.who)
    first.post("/activate/create")
    assert matched.email is not None
    town.add_account(matched.email)  # whose email finds it by itself
    accounts = {person: town.activation(person) for person in late}
    assert {state for state, _ in accounts.values()} == {"activated"}
    for person, window in late.items():
        assert refusal(window.post("/log-in", email=own, password=PASSWORD)) == "done-elsewhere"
        assert town.activation(person) == accounts[person]


def test_an_account_in_use_by_somebody_else_of_the_district_stays_theirs(town: Town, browsers: Browsers) -> None:
    first, second = student(), student()
    own = f"home-{first.id}@mail.example"
    account_id = town.add_account(own)
    town.roster(first, second)
    owner, other = browsers.new(), browsers.new()
    owner.sign_in("clever", first.who)
    owner.post("/log-in", email=own, password=PASSWORD)
    other.sign_in("clever", second.who)
    assert refusal(other.post("/log-in", email=own, password=PASSWORD)) == "account-taken"
    assert town.activation(first) == ("activated", account_id)
    assert town.activation(second) == ("required", None)


def test_an_activation_that_is_left_half_way_leaves_nothing(town: Town, browser: Browser) -> None:
    person = student()
    town.roster(person)
    before = town.everything()
    browser.sign_in("clever", person.who)
    town.query(
        "UPDATE sign_in.sessions SET expires_at = now() - interval '1 second' WHERE id = %s RETURNING 1", person.id
    )
    assert refusal(browser.post("/activate/create")) == "session-ended"
    browser.get("/sign-in/clever")  # whoever begins sweeps up what has run out
    assert town.everything() == before
    assert town.activation(person) == ("required", None)


def test_not_me_ends_everything_in_this_browser_and_leaves_the_person_alone(town: Town, browser: Browser) -> None:
    person = student()
    town.roster(person)
    unfinished = browser.way_back("/sign-in/clever", person.who)
    browser.sign_in("clever", person.who)
    assert browser.post("/not-me").headers["location"] == "/sign-in?not_me=clever"
    assert browser.me() == {}
    assert refusal(browser.get(unfinished)) == "state-unknown"
    assert town.activation(person) == ("required", None)


def test_a_new_sign_in_ends_the_session_of_who_was_here_before(town: Town, browser: Browser) -> None:
    first, second = student(), student()
    for person in (first, second):
        assert person.email is not None
        town.add_account(person.email)
    town.roster(first, second)
    browser.sign_in("clever", first.who)
    earlier = browser.http.cookies["rollcall_session"]
    browser.sign_in("clever", second.who)
    assert browser.me()["person"] == ["springfield", "students", second.id]
    assert town.query("SELECT 1 FROM sign_in.sessions WHERE token = %s", digest(earlier)) == []
    browser.command(add_faults=[{"server": "clever", "step": "me", "status": 503}])
    assert refusal(browser.sign_in("clever", first.who)) == "provider-away"
    assert browser.me() != {}  # nobody has come
    assert refusal(browser.sign_in("clever", "springfield/students/nobody")) == "not-rostered"
    assert browser.me() == {}  # somebody has, and it is not their session
