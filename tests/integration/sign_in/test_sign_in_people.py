"""Who comes through the district, with the sandbox's sign-in servers and the real database."""

from dataclasses import replace

import pytest

from services.activation.sign_in.lobby import Lobby
from tests.signing_in import (
    GROWN,
    PASSWORD,
    PROVIDER,
    Browser,
    Browsers,
    Person,
    Town,
    refusal,
    student,
    teacher,
)

BOTH = pytest.mark.parametrize("district", ["springfield", "riverside"])


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
    assert town.told(person) == ["required", "linked"]


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
    assert town.mails_to(person) == [own]


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
    assert refusal(browser.log_in(own)) == "wrong-password"


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
        browsers.new().sign_in("classlink", town.rostered_student("riverside").who, user="4711").headers["location"]
        == "/activate"
    )  # while the person that the login is known by is still rostered, nobody takes their account


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
        assert town.mails_to(person) == []
    assert town.query("SELECT 1 FROM account_emails WHERE email = 'family-of-two@mail.example'") == []
