"""What the desk's pages say, how their bars are drawn, and which sessions and addresses count."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import Request, Response
from pydantic import SecretStr

from schemas.records import Kind
from services.guard.desk.answers import ChangeShown, Counts, FieldChange, NightShown
from services.guard.desk.web.charts import HEIGHT, history_chart
from services.guard.desk.web.plain_words import ago, clock, consequence, exact, removes_much, same_name, what_differs
from services.guard.desk.web.session_cookie import COOKIE, Session, SessionCookies, session_secret
from services.guard.desk.web.sign_in_pages import own_address
from services.settings import Settings

NOON = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)


def counts(**kinds: Counts) -> dict[Kind, Counts]:
    return {kind: kinds[kind] for kind in ("schools", "teachers", "students", "classes", "places") if kind in kinds}


def test_the_consequence_of_a_set_is_who_and_what_leaves_and_only_then_what_changes() -> None:
    leaves = counts(students=Counts(500, 3, 90, 287), classes=Counts(4000, 0, 0, 2299), places=Counts(9, 0, 0, 9))
    assert consequence(leaves) == "287 students and 2,299 classes will leave."
    assert consequence(counts(teachers=Counts(9, 0, 0, 1))) == "1 teacher will leave."
    assert consequence(counts(places=Counts(9, 0, 0, 2))) == "2 places in classes will leave."
    assert consequence(counts(students=Counts(500, 3, 90, 0))) == "90 students will change."
    assert consequence(counts(students=Counts(0, 3, 0, 0))) == "3 students will come."


@pytest.mark.parametrize(("removed", "much"), [(0, False), (10, False), (11, True)])
def test_more_than_a_tenth_of_a_kind_and_not_exactly_a_tenth_is_much(removed: int, much: bool) -> None:
    assert removes_much(counts(students=Counts(100, 0, 0, removed))) is much


def test_a_districts_name_is_the_same_in_other_capitals_and_spaces_and_nothing_else() -> None:
    assert same_name("  springfield   UNIFIED ", "Springfield Unified")
    assert not same_name("Springfield", "Springfield Unified")
    assert not same_name("", "Springfield Unified")


def test_times_are_told_in_the_districts_zone_with_the_zone_named_over_a_change_of_the_clocks() -> None:
    assert clock(NOON, "America/Chicago", NOON) == "12:00 CST"
    in_summer_time = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert clock(in_summer_time, "America/Chicago", NOON) == "Sun 1 Nov, 00:30 CDT"
    assert clock(in_summer_time + timedelta(hours=2), "America/Chicago", NOON) == "Sun 1 Nov, 01:30 CST"
    assert exact(NOON, "America/Los_Angeles") == "Tue 24 Nov 2026, 10:00:00 PST"
    assert [ago(NOON - timedelta(seconds=s), NOON) for s in (5, 60, 7200, 3 * 86400)] == [
        "just now",
        "1 minute ago",
        "2 hours ago",
        "3 days ago",
    ]


def test_what_an_update_changes_is_told_without_the_names_that_are_hidden() -> None:
    fields = (
        FieldChange("given", "•••••", "•••••", changed=True),
        FieldChange("family", "•••••", "•••••", changed=False),
        FieldChange("grade", "5", "6", changed=True),
    )
    change = ChangeShown(1, "updated", "students", "s1", None, (), None, fields, (), ())
    assert what_differs(change) == "given name changes, grade 5 → 6"


def test_a_night_of_exactly_the_limit_reaches_the_line_and_one_change_more_passes_it() -> None:
    def night(changed: int) -> NightShown:
        by_kind: dict[Kind, Counts] = {"students": Counts(200, 0, changed, 0)}
        return NightShown(
            "d", "s", "applied", NOON, NOON, None, None, 1, by_kind, False, None, (), None, None, {}
        )  # fmt: skip

    chart = history_chart([night(100), night(104), night(9999)], 50)
    [at, over, cut] = [group.columns[0] for group in chart.groups]
    assert at.y == chart.limit_y == HEIGHT / 2
    assert over.y < chart.limit_y
    assert (cut.y, cut.height) == (0, HEIGHT)


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example/", "/\\evil.example", "https://evil.example", "javascript:x", ""]
)
def test_after_signing_in_nobody_is_led_off_the_desk(elsewhere: str) -> None:
    assert own_address(elsewhere) == "/"
    assert own_address("/sets/ab?page=2") == "/sets/ab?page=2"


def request_with(cookie: str) -> Request:
    return Request({"type": "http", "headers": [(b"cookie", f"{COOKIE}={cookie}".encode())]})


def cookie_of(cookies: SessionCookies, session: Session, *, secure: bool = False) -> str:
    response = Response()
    cookies.write(response, session, secure=secure)
    return response.headers["set-cookie"]


def test_a_session_comes_back_as_it_was_and_not_when_it_was_forged_or_has_run_out() -> None:
    cookies = SessionCookies("secret")
    session = cookies.begin("someone")
    kept = cookie_of(cookies, session)
    assert "HttpOnly" in kept
    assert "SameSite=lax" in kept
    assert "Secure" not in kept
    assert "Secure" in cookie_of(cookies, session, secure=True)
    value = kept.split("=", 1)[1].split(";")[0]
    assert cookies.read(request_with(value)) == session
    assert SessionCookies("another secret").read(request_with(value)) is None
    assert cookies.read(request_with("x" + value)) is None
    over = cookie_of(cookies, Session(until=datetime.now(UTC).timestamp() - 1, reviewer_id="someone"))
    assert cookies.read(request_with(over.split("=", 1)[1].split(";")[0])) is None


def test_names_are_shown_for_the_set_they_were_asked_for_and_for_a_while() -> None:
    session = SessionCookies.begin("someone").with_names("a", shown=True)
    assert session.shows_names("a")
    assert not session.shows_names("b")
    assert not session.with_names("a", shown=False).shows_names("a")
    assert not Session(until=session.until, names={"a": datetime.now(UTC).timestamp() - 1}).shows_names("a")


def test_the_secret_is_made_once_for_a_home_readable_by_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, desk_secret=None)
    made = session_secret(settings)
    assert len(made) >= 32
    assert session_secret(settings) == made
    assert (tmp_path / "desk" / "secret").stat().st_mode & 0o077 == 0
    assert session_secret(Settings(home=tmp_path, desk_secret=SecretStr("given"))) == "given"
