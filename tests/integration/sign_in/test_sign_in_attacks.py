"""Ways to get in as somebody else, tried over HTTP."""

import pytest

from services.passwords import MOST_TRIES_OF_ONE
from tests.signing_in import PASSWORD, Browser, Browsers, Town, in_parallel, query_of, refusal, student, teacher


def test_a_forged_state_gets_nobody_in(town: Town, browser: Browser) -> None:
    person = town.rostered_student("springfield")
    code = query_of(browser.way_back("/sign-in/clever", person.who))["code"]
    for state in ("forged", "x" * 10_000, "\x00", "%27%3B--"):
        answer = browser.http.get(f"{browser.pages}/sign-in/clever/callback", params={"state": state, "code": code})
        assert refusal(answer) == "state-unknown"
    assert browser.me() == {}


def test_another_browser_cannot_bring_a_code_and_its_state_in(town: Town, browsers: Browsers) -> None:
    person = town.rostered_student("springfield")
    attacker, victim = browsers.new(), browsers.new()
    back = attacker.way_back("/sign-in/clever", person.who)
    victim.get("/sign-in/clever")
    assert refusal(victim.get(back)) == "state-unknown"
    assert victim.me() == {}
    assert attacker.get(back).status_code == 303  # and it was not used up by that


def test_a_code_delivered_twice_by_the_same_browser_is_exchanged_once(town: Town, browser: Browser) -> None:
    person = town.rostered_student("springfield")
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
    person = town.rostered_student("springfield")
    back = browser.way_back("/sign-in/clever", person.who)
    browser.get(back)
    assert refusal(browser.get(back.replace(query_of(back)["code"], "another"))) == "code-again"


def test_a_state_is_good_for_its_own_provider_alone(town: Town, browser: Browser) -> None:
    person = town.rostered_student("springfield")
    back = browser.way_back("/sign-in/clever", person.who)
    assert refusal(browser.get(back.replace("/sign-in/clever/", "/sign-in/classlink/"))) == "state-unknown"


def test_a_sign_in_that_took_too_long_is_over(town: Town, browser: Browser) -> None:
    person = town.rostered_student("springfield")
    back = browser.way_back("/sign-in/clever", person.who)
    town.query("UPDATE sign_in.visits SET expires_at = now() - interval '1 second' RETURNING 1")
    assert refusal(browser.get(back)) == "state-unknown"


def test_a_code_that_has_run_out_at_the_provider_is_refused(town: Town, browser: Browser) -> None:
    person = town.rostered_student("springfield")
    back = browser.way_back("/sign-in/clever", person.who)
    browser.command(expire_codes=True)
    assert refusal(browser.get(back)) == "code-refused"
    assert refusal(browser.get(back)) == "code-refused"  # again, without asking again


@pytest.mark.parametrize(("provider", "start"), [("clever", "/clever/portal"), ("classlink", "/classlink/launch")])
def test_who_arrives_from_the_providers_own_page_goes_a_round_of_ours_and_the_code_is_dropped(
    town: Town, browser: Browser, provider: str, start: str
) -> None:
    person = town.rostered_student("springfield" if provider == "clever" else "riverside")
    callback = f"{browser.pages}/sign-in/{provider}/callback"
    arriving = browser.http.get(f"{browser.sandbox}{start}", params={"as": person.who, "redirect_uri": callback})
    exchanges = browser.command().get(f"{provider} token", 0)
    away = browser.get(arriving.headers["location"])
    assert browser.command().get(f"{provider} token", 0) == exchanges
    back = browser.http.get(away.headers["location"])  # the provider knows who it is, and asks nothing
    assert browser.get(back.headers["location"]).headers["location"] == "/activate"
    assert browser.me()["person"][2] == person.id


def test_a_code_planted_by_somebody_else_signs_nobody_in_as_them(town: Town, browsers: Browsers) -> None:
    attacker = town.rostered_student("springfield")
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
    person = town.rostered_student("springfield")
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
        assert refusal(browser.log_in(own, "guess")) == "wrong-password"
    assert refusal(browser.log_in(own)) == "too-many-tries"
    town.query("DELETE FROM sign_in.tries RETURNING 1")


def test_the_database_keeps_no_token_that_anybody_could_use(town: Town, browser: Browser) -> None:
    person = town.rostered_student("springfield")
    back = browser.way_back("/sign-in/clever", person.who)
    browser.get(back)
    secrets = [*query_of(back).values(), *browser.http.cookies.values()]
    kept = str(town.query("SELECT v::text FROM sign_in.visits v UNION ALL SELECT s::text FROM sign_in.sessions s"))
    assert len(secrets) >= 4
    assert not [secret for secret in secrets if secret in kept]
