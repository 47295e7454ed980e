"""What sign-in servers answer wrongly, by mistake or on purpose: refused in plain words, and nothing is stored."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from psycopg_pool import ConnectionPool

from deploy.sandbox.control import SandboxControl
from deploy.sandbox.running import running_sandbox
from deploy.sandbox.sign_in_faults import spoilt
from deploy.sandbox.sign_in_settings import sign_in_settings
from services.activation.sign_in.lobby import Lobby
from services.activation.sign_in.outcomes import RefusedError
from services.activation.sign_in.provider_settings import SignInSettings
from services.activation.sign_in.sessions import Session
from services.database.connect import with_role
from tests.signing_in import TENANTS, Browser, Person, Town, pages, query_of, refusal
from tests.stack import new_database

CLEVER = Person("springfield", "teachers", "T1", "t1@springfield.example")
CLASSLINK = Person("riverside", "teachers", "T1", "t1@riverside.example")
OWN = "home@mail.example"
MALFORMED = 1000
STEPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "/clever/oauth/tokens": ("clever", ("access_token",)),
    "/clever/sign-in/v3.0/me": ("clever", ("type", "data", "data.id", "data.district", "data.type")),
    "/classlink/oauth2/v2/token": ("classlink", ("access_token",)),
    "/classlink/v2/my/info": ("classlink", ("UserId", "TenantId", "SourcedId")),
    "/identity/.well-known/openid-configuration": ("identity", ("issuer", "authorization_endpoint", "jwks_uri")),
    "/identity/token": ("identity", ("id_token",)),
}
ANSWERS: dict[str, dict[str, Any]] = {
    "/clever/oauth/tokens": {"access_token": "il0", "token_type": "bearer"},
    "/clever/sign-in/v3.0/me": {
        "type": "user",
        "data": {"id": CLEVER.id, "district": TENANTS["springfield"], "type": "teacher"},
        "links": [{"rel": "canonical", "uri": f"/v3.0/users/{CLEVER.id}"}],
    },
    "/classlink/oauth2/v2/token": {"access_token": "c0"},
    "/classlink/v2/my/info": {"UserId": 1, "TenantId": int(TENANTS["riverside"]), "SourcedId": CLASSLINK.id},
    "/identity/.well-known/openid-configuration": {
        "issuer": "http://127.0.0.1/identity",
        "authorization_endpoint": "http://127.0.0.1/identity/authorize",
        "token_endpoint": "http://127.0.0.1/identity/token",
        "jwks_uri": "http://127.0.0.1/identity/jwks",
    },
    "/identity/token": {"id_token": "a.b.c"},
}


class Spoiler:
    """Sign-in servers of which one step answers wrongly, in another way each time."""

    def __init__(self) -> None:
        self.step = ""
        self.seed = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path != self.step:
            return httpx.Response(200, json=ANSWERS[path])
        self.seed += 1
        wrong = spoilt(self.seed, ANSWERS[path], STEPS[path][1])
        return httpx.Response(wrong.status_code, content=bytes(wrong.body))


@pytest.fixture(scope="module")
def town(postgres: str, migrated_template: str) -> Iterator[Town]:
    with new_database(postgres, migrated_template) as dsn:
        made = Town(dsn)
        made.add_districts()
        made.roster(CLEVER, CLASSLINK)
        made.add_account(OWN, password=None)
        yield made


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxControl]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as control:
        yield control


@pytest.fixture(scope="module")
def address(town: Town, sandbox: SandboxControl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pages(town, sandbox.base_url, tmp_path_factory.mktemp("pages")) as (url, _):
        yield url


@pytest.fixture
def browser(address: str, sandbox: SandboxControl) -> Iterator[Browser]:
    opened = Browser(address, sandbox.base_url)
    yield opened
    opened.http.close()


def go_round(lobby: Lobby, provider: str) -> Session:
    state = query_of(lobby.begin(provider, "browser"))["state"]
    return lobby.come_back(provider, "browser", state, "code", None)


def test_a_thousand_malformed_answers_are_a_thousand_plain_refusals_and_store_nothing(town: Town) -> None:
    spoiler, got = Spoiler(), Counter[str]()
    before = town.everything()
    settings = SignInSettings.model_validate(sign_in_settings("http://127.0.0.1"))
    dsn = with_role(town.dsn, "rollcall_sign_in")
    with ConnectionPool(dsn, kwargs={"autocommit": True}, min_size=1) as pool:
        lobby = Lobby(pool, "http://127.0.0.1", settings, httpx.MockTransport(spoiler.answer))
        for number in range(MALFORMED):
            spoiler.step = list(STEPS)[number * len(STEPS) // MALFORMED]
            provider, _ = STEPS[spoiler.step]
            with pytest.raises(RefusedError) as refused:
                go_round(lobby, provider)
            got[refused.value.refused.code] += 1
        spoiler.step = ""
        for provider, person in (("clever", CLEVER), ("classlink", CLASSLINK)):
            assert go_round(lobby, provider).person == tuple(person.who.split("/"))
        lobby.close()
    assert got.total() == spoiler.seed == MALFORMED
    assert set(got) == {"provider-answer", "provider-away", "code-refused", "no-roster-id"}
    town.query("DELETE FROM sign_in.sessions RETURNING 1")
    assert town.everything() == before


@pytest.mark.parametrize(
    "fault",
    [
        {"changes": {"aud": "somebody-else"}},
        {"changes": {"aud": ["somebody-else", "sandbox-identity-client"]}},
        {"changes": {"aud": None}},
        {"changes": {"azp": "somebody-else"}},
        {"changes": {"iss": "https://elsewhere.example"}},
        {"changes": {"nonce": "another round's"}},
        {"changes": {"nonce": None}},
        {"changes": {"exp": 1}},
        {"changes": {"exp": "never"}},
        {"changes": {"iat": 99_999_999_999}},
        {"changes": {"sub": ""}},
        {"changes": {"sub": 7}},
        {"changes": {"email": 7}},
        {"changes": {"email_verified": "true"}},
        pytest.param({"alg": "none"}, marks=pytest.mark.filterwarnings("ignore:JWS algorithm")),
        {"alg": "HS256"},
        {"alg": "stranger"},
    ],
    ids=str,
)
def test_an_id_token_that_is_not_of_this_round_for_us_by_its_issuer_opens_nothing(
    town: Town, browser: Browser, fault: dict[str, Any]
) -> None:
    browser.command(add_faults=[{"server": "identity", "step": "token", **fault}])
    assert refusal(browser.get(browser.way_back("/sign-in/identity", OWN))) == "provider-answer"
    assert browser.me() == {}


def test_a_provider_that_is_away_is_said_to_be(browser: Browser) -> None:
    for status in (500, 503, 429):
        browser.command(add_faults=[{"server": "classlink", "step": "info", "status": status}])
        assert refusal(browser.sign_in("classlink", CLASSLINK.who)) == "provider-away"


def test_an_answer_that_names_another_user_in_its_link_is_not_believed(browser: Browser) -> None:
    links = [{"rel": "canonical", "uri": "/v3.0/users/somebody-else"}]
    browser.command(add_faults=[{"server": "clever", "step": "me", "changes": {"links": links}}])
    assert refusal(browser.sign_in("clever", CLEVER.who)) == "provider-answer"
