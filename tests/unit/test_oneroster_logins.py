"""How OneRoster servers are logged in to: OAuth 1.0a, OAuth 2 client credentials."""

import base64
import hmac
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import httpx
import pytest
from pydantic import SecretStr

from services.districts import OAuth1Credentials
from services.ingest.providers.oneroster.oauth1 import OAuth1Auth
from services.ingest.source import PullFailedError
from tests.unit.oneroster_server import HOST, OneRosterServer, collection_of, district, pull

KEY, SECRET = "district key", "s/e+c=r&e t"
OAUTH1 = {"oauth1_key": KEY, "oauth1_secret": SECRET}
TOKEN_URL = "https://login.example.org/oauth/token"
OAUTH2 = {"client_id": "rollcall", "client_secret": "secret-of-ours", "token_url": TOKEN_URL}


def oauth1_parameters(request: httpx.Request) -> dict[str, str]:
    header = request.headers["authorization"]
    assert header.startswith("OAuth ")
    return {name: unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', header)}


def expected_signature(request: httpx.Request, digest: str) -> str:
    """Sign what arrived, after RFC 5849 section 3.4 and ClassLink's description, by hand."""
    given = oauth1_parameters(request)
    given.pop("oauth_signature")
    query = parse_qsl(request.url.query.decode(), keep_blank_values=True)

    def enc(text: str) -> str:
        return quote(text, safe="~")

    pairs = sorted((enc(name), enc(value)) for name, value in [*query, *given.items()])
    address = f"{request.url.scheme}://{request.url.netloc.decode()}{request.url.raw_path.decode().partition('?')[0]}"
    text = "&".join(("GET", enc(address), enc("&".join(f"{name}={value}" for name, value in pairs))))
    return base64.b64encode(hmac.new(f"{enc(SECRET)}&".encode(), text.encode(), digest).digest()).decode()


@pytest.mark.parametrize(("method", "digest"), [("HMAC-SHA256", "sha256"), ("HMAC-SHA1", "sha1")])
def test_oauth_1_signs_the_exact_query_that_is_sent(tmp_path: Path, method: str, digest: str) -> None:
    server = OneRosterServer()
    pull(district(tmp_path, OAUTH1 | {"signature_method": method}, page_size=3), server)
    assert len(server.requests) > 6
    for request in server.requests:
        given = oauth1_parameters(request)
        assert given["oauth_consumer_key"] == KEY
        assert given["oauth_signature_method"] == method
        assert given["oauth_signature"] == expected_signature(request, digest)
        assert "oauth_token" not in given


@pytest.mark.parametrize("query", ["filter=status%3D%27active%27%20AND%20role%3D%27a%2Fb%27", "a=1&a=%C3%A9&b=x/y"])
def test_oauth_1_signs_blanks_slashes_and_letters_beyond_ascii_as_they_are_sent(query: str) -> None:
    auth = OAuth1Auth(OAuth1Credentials(oauth1_key=KEY, oauth1_secret=SecretStr(SECRET)))
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200)

    with httpx.Client(transport=httpx.MockTransport(answer), auth=auth) as client:
        client.get(f"{HOST}/MoYPlyQWmG0%3D/ims/oneroster/v1p1/users?{query}")
    assert sent[0].url.query.decode() == query
    assert oauth1_parameters(sent[0])["oauth_signature"] == expected_signature(sent[0], "sha256")


def test_oauth_1_has_a_new_nonce_on_each_try_retries_included(tmp_path: Path) -> None:
    failures = [503, 429]

    def twist(request: httpx.Request, ordinary: httpx.Response) -> httpx.Response:
        return httpx.Response(failures.pop()) if failures else ordinary

    server = OneRosterServer(twist=twist)
    pull(district(tmp_path, OAUTH1), server, retry_seconds=60)
    first_three = server.requests[:3]
    assert len({str(request.url) for request in first_three}) == 1
    assert len({oauth1_parameters(request)["oauth_nonce"] for request in server.requests}) == len(server.requests)


class TokenServer:
    """A OneRoster server that wants a token, and the token endpoint that gives it, on another host."""

    def __init__(self, expires_in: Any = 3600, refuse: int = 0, give: int | None = None) -> None:
        self.roster = OneRosterServer()
        self.expires_in = expires_in
        self.refuse = refuse
        self.give = give
        self.asked_for_tokens: list[httpx.Request] = []
        self.good: set[str] = set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if str(request.url) == TOKEN_URL:
            self.asked_for_tokens.append(request)
            if self.give is not None:
                return httpx.Response(self.give, json={"error": "invalid_client"})
            token = f"token-{len(self.asked_for_tokens)}"
            self.good = {token}
            return httpx.Response(
                200, json={"access_token": token, "token_type": "bearer", "expires_in": self.expires_in}
            )
        if collection_of(request) == "classes" and self.refuse:
            self.refuse -= 1
            return httpx.Response(401)
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.good:
            return httpx.Response(401)
        return self.roster(request)


def test_oauth_2_fetches_one_token_with_basic_authentication_and_uses_it_for_the_whole_pull(tmp_path: Path) -> None:
    server = TokenServer()
    scope = "https://purl.imsglobal.org/spec/or/v1p2/scope/roster-core.readonly"
    assert "c1" in pull(district(tmp_path, OAUTH2 | {"scope": scope}), server).records
    (asked,) = server.asked_for_tokens
    assert asked.method == "POST"
    assert base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")) == b"rollcall:secret-of-ours"
    assert dict(parse_qsl(asked.content.decode())) == {"grant_type": "client_credentials", "scope": scope}


def test_oauth_2_puts_its_credentials_into_the_form_where_the_district_says_so(tmp_path: Path) -> None:
    server = TokenServer(expires_in="3600")
    assert "c1" in pull(district(tmp_path, OAUTH2 | {"style": "form"}), server).records
    (asked,) = server.asked_for_tokens
    assert "authorization" not in asked.headers
    assert dict(parse_qsl(asked.content.decode())) == {
        "grant_type": "client_credentials",
        "client_id": "rollcall",
        "client_secret": "secret-of-ours",
    }


def test_oauth_2_fetches_another_token_when_the_first_expires(tmp_path: Path) -> None:
    server = TokenServer(expires_in=0)
    assert "c1" in pull(district(tmp_path, OAUTH2), server).records
    assert len(server.asked_for_tokens) == len(server.roster.requests)


def test_oauth_2_fetches_a_new_token_once_after_a_401(tmp_path: Path) -> None:
    server = TokenServer(refuse=1)
    assert "c1" in pull(district(tmp_path, OAUTH2), server).records
    assert len(server.asked_for_tokens) == 2


def test_oauth_2_gives_up_when_the_new_token_is_refused_too(tmp_path: Path) -> None:
    server = TokenServer(refuse=2)
    with pytest.raises(PullFailedError) as failed:
        pull(district(tmp_path, OAUTH2), server)
    assert failed.value.code == "wrong-credentials"
    assert len(server.asked_for_tokens) == 2


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_token_that_is_refused_says_where_and_what_to_check_without_the_secret(tmp_path: Path, status: int) -> None:
    with pytest.raises(PullFailedError, match="check the client id, secret, token URL, scope and style") as failed:
        pull(district(tmp_path, OAUTH2), TokenServer(give=status))
    assert TOKEN_URL in failed.value.text
    assert "secret-of-ours" not in failed.value.text
