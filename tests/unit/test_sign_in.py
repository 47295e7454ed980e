"""What sign-in is made of, without a database: its file, its cookies, its words, its tokens."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import Response
from hypothesis import given
from hypothesis import strategies as st

from deploy.sandbox.sign_in_settings import sign_in_settings, write_sign_in_file
from services.activation.sign_in.cookies import Browser, Cookies
from services.activation.sign_in.outcomes import REFUSALS, Refused
from services.activation.sign_in.provider_settings import SignInFileError, load_sign_in_settings
from services.activation.sign_in.tokens import digest, form_token, new_token, same

SECRET = "a-secret-that-nobody-may-read"


def written(folder: Path, content: Any) -> Path:
    file = folder / "sign-in.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


def test_clever_and_classlink_need_only_our_client_at_them(tmp_path: Path) -> None:
    client = {"client_id": "ours", "client_secret": SECRET}
    settings = load_sign_in_settings(written(tmp_path, {"clever": client, "classlink": client}))
    assert settings.clever is not None
    assert settings.classlink is not None
    assert settings.clever.token_url == "https://clever.com/oauth/tokens"
    assert settings.classlink.info_url == "https://nodeapi.classlink.com/v2/my/info"
    assert SECRET not in repr(settings)


def test_the_sandboxs_file_is_read_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = write_sign_in_file("http://127.0.0.1:8600/", tmp_path / "new" / "sign-in.json")
    assert load_sign_in_settings(file).identity_providers["identity"].issuer == "http://127.0.0.1:8600/identity"
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("not json", "file"),
        ({"clever": {"client_id": "ours"}}, "clever.client_secret"),
        ({"clever": {"client_id": "", "client_secret": SECRET}}, "clever.client_id"),
        ({"clever": {"client_id": "a", "client_secret": SECRET, "token_url": "http://clever.com"}}, "clever.token_url"),
        ({"clever": {"client_id": "a", "client_secret": SECRET, "secret": SECRET}}, "clever.secret"),
        ({"identity_providers": {"clever": {"client_id": "a", "client_secret": SECRET}}}, "identity_providers.clever"),
        ({"google": {}}, "google"),
    ],
    ids=str,
)
def test_a_wrong_file_is_refused_by_the_name_of_the_place_and_without_the_secret(
    tmp_path: Path, content: Any, names: str
) -> None:
    with pytest.raises(SignInFileError) as refused:
        load_sign_in_settings(written(tmp_path, content))
    assert names in str(refused.value)
    assert SECRET not in str(refused.value)


def test_an_identity_provider_cannot_take_the_name_of_a_rostering_one(tmp_path: Path) -> None:
    provider = {**sign_in_settings("http://127.0.0.1")["identity_providers"]["identity"], "client_secret": SECRET}
    for name in ("clever", "classlink", "password", "Google", "a/b"):
        with pytest.raises(SignInFileError, match="use a short lower-case word of its own"):
            load_sign_in_settings(written(tmp_path, {"identity_providers": {name: provider}}))


def test_a_missing_file_is_named_with_the_setting_to_correct(tmp_path: Path) -> None:
    with pytest.raises(SignInFileError, match="ROLLCALL_SIGN_IN_FILE"):
        load_sign_in_settings(tmp_path / "nowhere.json")


def test_over_https_the_cookies_are_of_this_host_alone_and_no_script_reads_them() -> None:
    response = Response()
    cookies = Cookies(secure=True)
    cookies.keep_session(response, new_token())
    cookies.keep_browser(response, Browser(new_token(), is_new=True))
    kept = response.headers.getlist("set-cookie")
    assert len(kept) == 2
    for cookie in kept:
        assert cookie.startswith("__Host-rollcall_")
        assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= {part.strip() for part in cookie.split(";")}
        assert "domain" not in cookie.lower()


@pytest.mark.parametrize("refused", REFUSALS.values(), ids=lambda refused: refused.code)
def test_a_refusal_says_what_is_the_matter_and_what_helps_and_nothing_of_matching_or_others(refused: Refused) -> None:
    assert refused.text.endswith((".", "!"))
    assert refused.what_to_do.endswith(".")
    assert 400 <= refused.status < 600
    told = f"{refused.text} {refused.what_to_do}".lower()
    assert not re.search(r"\bmatch|conflict|somebody else|another person|someone else|oauth|token|state\b", told)


@given(st.text(), st.text())
def test_a_form_is_ours_only_with_the_token_of_this_very_browser(browser: str, other: str) -> None:
    here = Browser(browser, is_new=False)
    assert here.sent(form_token(browser))
    assert here.sent(form_token(other)) == (other == browser)
    assert not here.sent(browser) or form_token(browser) == browser
    assert not Browser(browser, is_new=True).sent(form_token(browser))


@given(st.text(alphabet=st.characters(), max_size=2000))
def test_whatever_a_browser_sends_as_a_token_has_a_digest(sent: str) -> None:
    assert len(digest(sent)) == 32
    assert same(sent, sent)


def test_tokens_do_not_repeat_and_cannot_be_guessed_by_length() -> None:
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert {len(token) for token in tokens} == {43}
