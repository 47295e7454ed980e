"""Sign-in and activation over HTTP, with the sandbox's sign-in servers and the real database."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import partial

import httpx
import psycopg
import pytest

from deploy.sandbox.control import SandboxControl
from deploy.sandbox.running import running_sandbox
from services.activation.sign_in.lobby import Lobby
from services.activation.sign_in.tokens import digest
from services.database.connect import connect
from services.passwords import MOST_TRIES_OF_ONE
from tests.signing_in import PASSWORD, Browser, Person, Town, in_parallel, pages, query_of, refusal
from tests.stack import new_database

TODAY = date.today()
GROWN = f"{TODAY.year - 16}-01-01"
CHILD = f"{TODAY.year - 9}-01-01"
PROVIDER = {"springfield": "clever", "shelbyville": "clever", "riverside": "classlink"}
BOTH = pytest.mark.parametrize("district", ["springfield", "riverside"])

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def town(postgres: str, migrated_template: str) -> Iterator[Town]:
    with new_database(postgres, migrated_template) as dsn:
        made = Town(dsn)
        made.add_districts()
        yield made


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxControl]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as control:
        yield control


@pytest.fixture(scope="module")
def served(
    town: Town, sandbox: SandboxControl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Lobby]]:
    with pages(town, sandbox.base_url, tmp_path_factory.mktemp("pages")) as opened:
        yield opened


@pytest.fixture
def browsers(served: tuple[str, Lobby], sandbox: SandboxControl) -> Iterator["Browsers"]:
    opened = Browsers(served[0], sandbox.base_url)
    yield opened
    for browser in opened.all:
        browser.http.close()


@pytest.fixture
def browser(browsers: "Browsers") -> Browser:
    return browsers.new()


@pytest.fixture
def lobby(served: tuple[str, Lobby]) -> Lobby:
    return served[1]


class Browsers:
    """As many browsers as a test needs."""

    def __init__(self, pages_url: str, sandbox_url: str) -> None:
        self._urls = (pages_url, sandbox_url)
        self.all: list[Browser] = []

    def new(self) -> Browser:
        self.all.append(Browser(*self._urls))
        return self.all[-1]


def student(district: str = "springfield", born: str | None = GROWN, classes: tuple[str, ...] = ("Math 5",)) -> Person:
    number = next(_numbers)
    return Person(district, "students", f"S{number:06d}", f"s{number}@{district}.example", born, classes)


def teacher(district: str = "springfield") -> Person:
    number = next(_numbers)
    return Person(district, "teachers", f"T{number:06d}", f"t{number}@{district}.example")


def mails_to(town: Town, person: Person) -> list[str]:
    rows = town.query("SELECT recipient FROM sign_in.mails WHERE district = %s AND id = %s", person.district, person.id)
    return [row[0] for row in rows]


def told(town: Town, person: Person) -> list[str]:
    rows = town.query("SELECT type FROM outbox WHERE aggregateid = %s ORDER BY position", person.who)
    return [row[0].split(".")[3] for row in rows]


# ---------------------------------------------------------------- who comes through the district


@BOTH
def test_who_has_an_account_already_is_signed_in_to_it(town: Town, browser: Browser, district: str) -> None:
    person = student(district)
    assert person.email is not None
    account_id = town.add_account(person.email)
    town.roster(person)
    answer = browser.sign_in(PROVIDER[district], person.who)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert browser.me() == {"account_id": account_id, "person": [district, "students", person.id], "pending": False}
    proof = town.query("SELECT proof FROM identities WHERE subject = %s", person.id)
    assert proof == [("sign-in",)]  # what an email agreed is known for certain from now on


@BOTH
def test_somebody_new_is_asked_and_gets_an_account_with_the_districts_email(
    town: Town, browser: Browser, district: str, lobby: Lobby
) -> None:
    person = student(district)
    town.roster(person)
    answer = browser.sign_in(PROVIDER[district], person.who)
    assert answer.headers["location"] == "/activate"
    assert browser.me()["pending"]
    assert town.activation(person) == ("required", None)
    pending = lobby.current(browser.http.cookies["rollcall_session"])
    assert pending is not None
    shown = lobby.pending_person(pending)
    assert (shown.email, shown.classes, shown.district_name) == (person.email, ("Math 5",), district.title())

    done = browser.post("/activate/create")
    assert (done.status_code, done.headers["location"]) == (303, "/")
    account_id = browser.me()["account_id"]
    assert town.activation(person) == ("activated", account_id)
    assert town.query("SELECT email FROM account_emails WHERE account_id = %s", account_id) == [(person.email,)]
    assert told(town, person) == ["required", "linked"]


@BOTH
def test_somebody_new_logs_in_to_the_account_they_have_by_password(town: Town, browser: Browser, district: str) -> None:
    person = teacher(district)
    own = f"home-{person.id}@mail.example"
    account_id = town.add_account(own)
    town.roster(person)
    browser.sign_in(PROVIDER[district], person.who)
    done = browser.post("/log-in", email=f" {own.upper()} ", password=PASSWORD)
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert browser.me()["account_id"] == account_id
    assert town.activation(person) == ("activated", account_id)
    assert mails_to(town, person) == [own]


@BOTH
def test_somebody_new_logs_in_to_the_account_they_have_by_an_identity_provider(
    town: Town, browser: Browser, district: str
) -> None:
    person = teacher(district)
    own = f"home-{person.id}@mail.example"
    account_id = town.add_account(own, password=None)
    town.roster(person)
    browser.sign_in(PROVIDER[district], person.who)
    done = browser.get(browser.way_back(f"/log-in/identity?form_token={browser.form_token}", own))
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert browser.me()["account_id"] == account_id
    assert town.activation(person) == ("activated", account_id)
    # From then on that login opens this account, whatever its email is by now.
    town.query("DELETE FROM account_emails WHERE account_id = %s RETURNING 1", account_id)
    again = Browser(browser.pages, browser.sandbox)
    again.get(again.way_back("/sign-in/identity", own))
    assert again.me()["account_id"] == account_id


def test_an_email_that_the_identity_provider_has_not_verified_opens_nothing(town: Town, browser: Browser) -> None:
    own = "unverified@mail.example"
    town.add_account(own)
    assert refusal(browser.get(browser.way_back("/sign-in/identity", own, verified="false"))) == "no-account"
    assert browser.me() == {}


def test_a_login_whose_email_several_accounts_have_opens_none_of_them(town: Town, browser: Browser) -> None:
    own = "twice@mail.example"
    town.add_account(own)
    town.add_account(own)
    assert refusal(browser.get(browser.way_back("/sign-in/identity", own))) == "no-account"
    assert refusal(login(browser, own)) == "wrong-password"


def login(browser: Browser, email: str, password: str = PASSWORD) -> httpx.Response:
    browser.get("/log-in/identity")  # any visit gives the browser its cookie
    return browser.post("/log-in", email=email, password=password)


def test_who_the_roster_does_not_let_in_is_told_so_and_nothing_is_stored(town: Town, browsers: Browsers) -> None:
    without_class = student(classes=())
    shared = [Person("springfield", "students", f"shared{n}", "family@mail.example", GROWN) for n in (1, 2)]
    gone, unmatched = student(), student()
    town.add_account("family@mail.example")
    town.roster(without_class, *shared, gone)
    town.roster(unmatched, matched=False)
    town.unroster(gone)
    before = town.everything()
    expected = {
        without_class.who: "no-class",
        shared[0].who: "office-told",
        gone.who: "left",
        unmatched.who: "not-yet",
        "springfield/students/nobody": "not-rostered",
        "capital-city/students/nobody": "district-unknown",
    }
    for who, code in expected.items():
        browser = browsers.new()
        assert refusal(browser.sign_in("clever", who)) == code, who
        assert browser.me() == {}
    assert refusal(browsers.new().sign_in("classlink", "riverside/students/")) == "no-roster-id"
    assert town.everything() == before


def test_who_is_back_on_the_roster_is_not_told_that_they_have_left(town: Town, browser: Browser) -> None:
    person = student()
    town.roster(person)
    town.unroster(person)
    town.roster(person, matched=False)
    assert refusal(browser.sign_in("clever", person.who)) == "not-yet"


def test_a_person_with_two_roles_has_one_account_in_both(town: Town, browser: Browser) -> None:
    learns = student()
    teaches = Person("springfield", "teachers", learns.id, learns.email, classes=("Art 7",))
    town.roster(learns, teaches)
    browser.sign_in("clever", learns.who)
    assert browser.me()["person"] == ["springfield", "students", learns.id]
    browser.post("/activate/create")
    account_id = browser.me()["account_id"]
    assert town.activation(learns) == town.activation(teaches) == ("activated", account_id)
    browser.sign_in("clever", teaches.who)
    assert browser.me() == {"account_id": account_id, "person": list(teaches.who.split("/")), "pending": False}


def test_ids_count_byte_for_byte(town: Town, browser: Browser) -> None:
    person = student("riverside")
    town.roster(person)
    assert refusal(browser.sign_in("classlink", f"riverside/students/{person.id.lower()}")) == "not-rostered"
    assert refusal(browser.sign_in("classlink", f"riverside/students/{person.id} ")) == "not-rostered"
    assert refusal(browser.sign_in("clever", f"riverside/students/{person.id}")) == "district-unknown"


def test_on_one_districts_page_nobody_of_another_gets_in(town: Town, browser: Browser) -> None:
    person = student("shelbyville")
    town.roster(person)
    assert refusal(browser.sign_in("clever", person.who, "?district=springfield")) == "other-district"
    assert browser.sign_in("clever", person.who, "?district=shelbyville").headers["location"] == "/activate"


def test_clevers_older_answer_with_a_legacy_id_is_never_matched_by_it(town: Town, browser: Browser) -> None:
    person = student()
    town.roster(person)
    old = '{"type": "user", "data": {"id": "%s", "district": "%s", "type": "student"}}'
    district = town.query("SELECT tenant_id FROM districts WHERE district = 'springfield'")[0][0]
    browser.command(add_faults=[{"server": "clever", "step": "me", "body": old % ("4e00000000000000", district)}])
    assert browser.sign_in("clever", person.who).headers["location"] == "/activate"
    assert browser.me()["person"] == ["springfield", "students", person.id]


def test_a_rekeyed_person_of_classlink_comes_back_to_the_same_account(town: Town, browsers: Browsers) -> None:
    before, after = student("riverside"), student("riverside")
    town.roster(before)
    first = browsers.new()
    first.sign_in("classlink", before.who, user="4711")
    first.post("/activate/create")
    account_id = first.me()["account_id"]
    town.unroster(before)
    town.roster(after)
    assert town.activation(after) == ("required", None)
    assert first.me() == {}  # who has left is no longer signed in through the district
    second = browsers.new()
    assert second.sign_in("classlink", after.who, user="4711").headers["location"] == "/"
    assert second.me()["account_id"] == account_id
    assert town.activation(after) == ("activated", account_id)
    assert (
        browsers.new().sign_in("classlink", student_of(town, "riverside").who, user="4711").headers["location"]
        == "/activate"
    )  # while the person that the login is known by is still rostered, nobody takes their account


def student_of(town: Town, district: str) -> Person:
    person = student(district)
    town.roster(person)
    return person


def test_an_email_that_several_rostered_people_share_goes_to_nobodys_new_account(
    town: Town, browsers: Browsers, lobby: Lobby
) -> None:
    first, second = (replace(student(), email="family-of-two@mail.example") for _ in range(2))
    town.roster(first, second)
    for person in (first, second):
        browser = browsers.new()
        browser.sign_in("clever", person.who)
        pending = lobby.current(browser.http.cookies["rollcall_session"])
        assert pending is not None
        assert lobby.pending_person(pending).email is None
        browser.post("/activate/create")
        assert town.activation(person) == ("activated", browser.me()["account_id"])
        assert mails_to(town, person) == []
    assert town.query("SELECT 1 FROM account_emails WHERE email = 'family-of-two@mail.example'") == []


# ---------------------------------------------------------------- children


def test_a_child_gets_a_limited_account_and_no_mail(town: Town, browser: Browser) -> None:
    child = student(born=CHILD)
    town.roster(child)
    browser.sign_in("clever", child.who)
    browser.post("/activate/create")
    account_id = browser.me()["account_id"]
    assert town.query("SELECT permissions FROM accounts WHERE account_id = %s", account_id) == [("limited",)]
    assert mails_to(town, child) == []


def test_a_childs_own_account_becomes_limited_and_no_mail_is_sent(town: Town, browser: Browser) -> None:
    child = student(born=CHILD)
    account_id = town.add_account(f"parents-{child.id}@mail.example")
    town.roster(child)
    browser.sign_in("clever", child.who)
    browser.post("/log-in", email=f"parents-{child.id}@mail.example", password=PASSWORD)
    assert town.query("SELECT permissions FROM accounts WHERE account_id = %s", account_id) == [("limited",)]
    assert mails_to(town, child) == []


def test_the_day_somebody_turns_13_lifts_the_limits_at_their_next_sign_in(town: Town, browser: Browser) -> None:
    child = student(born=CHILD)
    town.roster(child)
    browser.sign_in("clever", child.who)
    browser.post("/activate/create")
    town.correct_birth_date(child, GROWN)
    browser.sign_in("clever", child.who)
    account_id = browser.me()["account_id"]
    assert town.query("SELECT permissions FROM accounts WHERE account_id = %s", account_id) == [("full",)]


def test_a_childs_account_that_was_matched_by_itself_is_limited_when_they_log_in(town: Town, browser: Browser) -> None:
    child = student(born=CHILD)
    assert child.email is not None
    account_id = town.add_account(child.email)
    town.roster(child)
    login(browser, child.email)
    assert browser.me() == {"account_id": account_id, "person": None, "pending": False}
    assert town.query("SELECT permissions FROM accounts WHERE account_id = %s", account_id) == [("limited",)]


def test_a_student_without_a_date_of_birth_is_treated_as_a_child_might_be(town: Town, browser: Browser) -> None:
    unknown = student("riverside", born=None)
    town.roster(unknown)
    browser.sign_in("classlink", unknown.who)
    browser.post("/activate/create")
    account_id = browser.me()["account_id"]
    assert town.query("SELECT permissions FROM accounts WHERE account_id = %s", account_id) == [("limited",)]
    assert mails_to(town, unknown) == []


def test_somebody_of_13_is_sent_one_mail_however_often_they_come(town: Town, browser: Browser) -> None:
    person = student()
    town.roster(person)
    for _ in range(2):
        browser.sign_in("clever", person.who)
        browser.post("/activate/create")
    assert mails_to(town, person) == [person.email]


def test_the_database_itself_refuses_a_mail_to_a_child(town: Town) -> None:
    child, unknown = student(born=CHILD), student(born=None)
    town.roster(child, unknown)
    account_id = town.add_account(f"{child.id}@mail.example")
    with connect(town.dsn, "rollcall_sign_in") as connection:
        for person in (child, unknown):
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.execute(
                    "INSERT INTO sign_in.mails (code, district, kind, id, account_id, recipient)"
                    " VALUES ('welcome', %s, %s, %s, %s, 'x@mail.example')",
                    (person.district, person.kind, person.id, account_id),
                )


# ---------------------------------------------------------------- twice, in two windows, half way, by somebody else


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
    assert told(town, person) == ["required", "linked"]


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
    assert told(town, person) == ["required", "linked"]


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


# ---------------------------------------------------------------- attacks


def test_a_forged_state_gets_nobody_in(town: Town, browser: Browser) -> None:
    person = student_of(town, "springfield")
    code = query_of(browser.way_back("/sign-in/clever", person.who))["code"]
    for state in ("forged", "x" * 10_000, "\x00", "%27%3B--"):
        answer = browser.http.get(f"{browser.pages}/sign-in/clever/callback", params={"state": state, "code": code})
        assert refusal(answer) == "state-unknown"
    assert browser.me() == {}


def test_another_browser_cannot_bring_a_code_and_its_state_in(town: Town, browsers: Browsers) -> None:
    person = student_of(town, "springfield")
    attacker, victim = browsers.new(), browsers.new()
    back = attacker.way_back("/sign-in/clever", person.who)
    victim.get("/sign-in/clever")
    assert refusal(victim.get(back)) == "state-unknown"
    assert victim.me() == {}
    assert attacker.get(back).status_code == 303  # and it was not used up by that


def test_a_code_delivered_twice_by_the_same_browser_is_exchanged_once(town: Town, browser: Browser) -> None:
    person = student_of(town, "springfield")
    back = browser.way_back("/sign-in/clever", person.who)
    asked = browser.command(add_faults=[{"server": "clever", "step": "token", "seconds": 0.5}])
    exchanges = asked.get("clever token", 0)
    cookies = dict(browser.http.cookies)
    twins = [Browser(browser.pages, browser.sandbox) for _ in range(4)]
    for twin in twins:
        twin.http.cookies.update(cookies)
    answers = in_parallel([lambda twin=twin: twin.get(back) for twin in twins])
    assert [answer.headers["location"] for answer in answers] == ["/activate"] * 4
    assert all(twin.me()["person"] == ["springfield", "students", person.id] for twin in twins)
    assert browser.command()["clever token"] == exchanges + 1
    twins[0].post("/sign-out")
    assert all(twin.me() == {} for twin in twins)  # they are one sign-in, and end together


def test_the_round_to_an_identity_provider_carries_a_nonce_and_a_proof_key(browser: Browser) -> None:
    one, other = (query_of(browser.get("/sign-in/identity").headers["location"]) for _ in range(2))
    for asked in (one, other):
        assert asked["code_challenge_method"] == "S256"
        assert asked["scope"] == "openid email"
    assert not {one[name] for name in ("state", "nonce", "code_challenge")} & set(other.values())


def test_a_used_state_takes_no_other_code(town: Town, browser: Browser) -> None:
    person = student_of(town, "springfield")
    back = browser.way_back("/sign-in/clever", person.who)
    browser.get(back)
    assert refusal(browser.get(back.replace(query_of(back)["code"], "another"))) == "code-again"


def test_a_state_is_good_for_its_own_provider_alone(town: Town, browser: Browser) -> None:
    person = student_of(town, "springfield")
    back = browser.way_back("/sign-in/clever", person.who)
    assert refusal(browser.get(back.replace("/sign-in/clever/", "/sign-in/classlink/"))) == "state-unknown"


def test_a_sign_in_that_took_too_long_is_over(town: Town, browser: Browser) -> None:
    person = student_of(town, "springfield")
    back = browser.way_back("/sign-in/clever", person.who)
    town.query("UPDATE sign_in.visits SET expires_at = now() - interval '1 second' RETURNING 1")
    assert refusal(browser.get(back)) == "state-unknown"


def test_a_code_that_has_run_out_at_the_provider_is_refused(town: Town, browser: Browser) -> None:
    person = student_of(town, "springfield")
    back = browser.way_back("/sign-in/clever", person.who)
    browser.command(expire_codes=True)
    assert refusal(browser.get(back)) == "code-refused"
    assert refusal(browser.get(back)) == "code-refused"  # again, without asking again


@pytest.mark.parametrize(("provider", "start"), [("clever", "/clever/portal"), ("classlink", "/classlink/launch")])
def test_who_arrives_from_the_providers_own_page_goes_a_round_of_ours_and_the_code_is_dropped(
    town: Town, browser: Browser, provider: str, start: str
) -> None:
    person = student_of(town, "springfield" if provider == "clever" else "riverside")
    callback = f"{browser.pages}/sign-in/{provider}/callback"
    arriving = browser.http.get(f"{browser.sandbox}{start}", params={"as": person.who, "redirect_uri": callback})
    exchanges = browser.command().get(f"{provider} token", 0)
    away = browser.get(arriving.headers["location"])
    assert browser.command().get(f"{provider} token", 0) == exchanges
    back = browser.http.get(away.headers["location"])  # the provider knows who it is, and asks nothing
    assert browser.get(back.headers["location"]).headers["location"] == "/activate"
    assert browser.me()["person"][2] == person.id


def test_a_code_planted_by_somebody_else_signs_nobody_in_as_them(town: Town, browsers: Browsers) -> None:
    attacker = student_of(town, "springfield")
    victim = browsers.new()
    code = query_of(browsers.new().way_back("/sign-in/clever", attacker.who))["code"]
    planted = victim.get(f"/sign-in/clever/callback?code={code}")
    assert planted.status_code == 303
    assert planted.headers["location"].startswith(f"{victim.sandbox}/clever/oauth/authorize")
    assert victim.me() == {}


def test_a_browser_that_keeps_arriving_without_state_is_told_instead_of_sent_in_circles(browser: Browser) -> None:
    answers = [browser.get("/sign-in/clever/callback?code=x").status_code for _ in range(4)]
    assert answers == [303, 303, 303, 400]


def test_a_token_from_before_signing_in_opens_nothing_afterwards(town: Town, browser: Browser) -> None:
    person = teacher()
    own = f"home-{person.id}@mail.example"
    town.add_account(own)
    town.roster(person)
    browser.http.cookies.set("rollcall_session", "planted" * 7, domain="127.0.0.1", path="/")
    browser.sign_in("clever", person.who)
    pending = browser.http.cookies["rollcall_session"]
    browser.post("/log-in", email=own, password=PASSWORD)
    signed_in = browser.http.cookies["rollcall_session"]
    assert len({"planted" * 7, pending, signed_in}) == 3
    attacker = Browser(browser.pages, browser.sandbox)
    attacker.http.cookies.set("rollcall_session", "planted" * 7)
    assert attacker.me() == {}
    attacker.http.cookies.set("rollcall_session", pending)
    assert attacker.me().get("account_id") is None


def test_a_session_replayed_after_signing_out_is_nobodys(town: Town, browser: Browser) -> None:
    person = student()
    assert person.email is not None
    town.add_account(person.email)
    town.roster(person)
    browser.sign_in("clever", person.who)
    kept = dict(browser.http.cookies)
    browser.post("/sign-out")
    browser.http.cookies.update(kept)
    assert browser.me() == {}


def test_a_session_ends_when_it_is_idle_and_in_any_case_in_the_end(town: Town, browser: Browser) -> None:
    person = student()
    assert person.email is not None
    town.add_account(person.email)
    town.roster(person)
    for ageing in ("seen_at = now() - interval '3 hours'", "expires_at = now()"):
        browser.sign_in("clever", person.who)
        assert browser.me() != {}
        town.query(f"UPDATE sign_in.sessions SET {ageing} WHERE id = %s RETURNING 1", person.id)
        assert browser.me() == {}


def test_a_form_that_did_not_come_from_our_page_does_nothing(town: Town, browser: Browser) -> None:
    person = student_of(town, "springfield")
    browser.sign_in("clever", person.who)
    for path in ("/activate/create", "/log-in", "/sign-out", "/not-me"):
        for token in ("", "forged"):
            assert refusal(browser.http.post(f"{browser.pages}{path}", data={"form_token": token})) == "form-expired"
    assert refusal(browser.get("/log-in/identity")) == "form-expired"
    assert browser.me()["pending"]


def test_after_too_many_tries_even_the_right_password_waits(town: Town, browser: Browser) -> None:
    own = "guessed@mail.example"
    town.add_account(own)
    for _ in range(MOST_TRIES_OF_ONE):
        assert refusal(login(browser, own, "guess")) == "wrong-password"
    assert refusal(login(browser, own)) == "too-many-tries"
    town.query("DELETE FROM sign_in.tries RETURNING 1")


def test_the_database_keeps_no_token_that_anybody_could_use(town: Town, browser: Browser) -> None:
    person = student_of(town, "springfield")
    back = browser.way_back("/sign-in/clever", person.who)
    browser.get(back)
    secrets = [*query_of(back).values(), *browser.http.cookies.values()]
    kept = str(town.query("SELECT v::text FROM sign_in.visits v UNION ALL SELECT s::text FROM sign_in.sessions s"))
    assert len(secrets) >= 4
    assert not [secret for secret in secrets if secret in kept]
