"""Telling people: what a notice says, what goes out together, and how a post is signed."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args, get_type_hints

import pytest
from jinja2 import Environment, PackageLoader, meta
from pydantic import SecretStr

from schemas.events import Notice
from schemas.records import Class, School, Student, Teacher
from services.guard.notices.carriers import MisconfiguredError
from services.guard.notices.parcels import MANY, WEBHOOK, Due, Parcel, parcels
from services.guard.notices.rendering import render
from services.guard.notices.smtp import SmtpServer, is_address
from services.guard.notices.webhook import WebhookCarrier, signature, signing_key
from services.guard.notices.worker import carriers_of, operators_of
from services.settings import Settings

NOW = datetime(2026, 11, 24, 8, 14, tzinfo=UTC)
CODES: Sequence[str] = get_args(Notice.model_fields["code"].annotation)
TEMPLATES = ("notice.txt", "notice.html", "digest.txt", "digest.html", "page.html")
Code = Literal["held", "pause-ahead", "pause-begun", "pause-over", "disconnected", "conflicts"]

PAGES: dict[Code, str] = {
    "held": "sets/subject-1",
    "pause-ahead": "calendar",
    "pause-begun": "calendar",
    "pause-over": "calendar",
    "disconnected": "districts/district-1",
    "conflicts": "districts/district-1",
}


def due(
    number: int = 1, *, code: Code = "held", recipient: str = "ops@rollcall.example", age: float = 120, name: str = ""
) -> Due:
    district = f"district-{number}"
    notice = Notice(
        district=district,
        code=code,
        subject_id=f"subject-{number}",
        text="63% of classes would change: 2,310 of 3,667 (limit 50%).",
        noticed_at=NOW - timedelta(seconds=age),
    )
    name = name or f"District {number}"
    return Due(f"notice-{number}", recipient, notice, name, "America/Chicago", NOW - timedelta(seconds=age))


def parcel(*contents: Due) -> Parcel:
    return Parcel("p1", contents[0].recipient, contents)


@pytest.mark.parametrize("code", CODES)
def test_each_notice_says_which_district_what_is_so_and_what_to_do_in_text_and_in_html(code: Code) -> None:
    mail = render(parcel(due(code=code)), "https://desk.example")
    others = [render(parcel(due(code=other)), None).subject for other in get_args(Code) if other != code]
    assert mail.subject.startswith("District 1: ")
    assert mail.subject not in others
    for body in (mail.text, mail.html):
        assert "District 1: " in body
        assert "63% of classes would change: 2,310 of 3,667 (limit 50%)." in body
        assert f"https://desk.example/{PAGES[code]}" in body
        assert "2026-11-24 02:12 CST" in body
    assert len(mail.text.split("\n\n")) >= 4


def test_without_a_desk_no_mail_has_a_link() -> None:
    mail = render(parcel(due()), None)
    assert "href" not in mail.html
    assert "desk" not in mail.text


def test_the_templates_use_the_notice_the_district_and_the_desk_and_no_field_of_a_record() -> None:
    environment = Environment(loader=PackageLoader("services.guard.notices"), autoescape=True)
    loader = environment.loader
    assert loader is not None
    sources = {name: loader.get_source(environment, name)[0] for name in TEMPLATES}
    assert sorted(environment.list_templates()) == sorted(TEMPLATES)
    used = {name for source in sources.values() for name in meta.find_undeclared_variables(environment.parse(source))}
    assert used == {"subject", "told"}
    fields = {field for record in (School, Teacher, Student, Class) for field in get_type_hints(record)}
    personal = fields - {"name"}  # the district's
    assert {"given", "family", "display_name", "email", "birth_date"} <= personal
    for source in sources.values():
        assert not [field for field in personal if f".{field}" in source]


def test_what_stands_in_a_districts_name_is_text_in_html_and_one_line_in_a_subject() -> None:
    mail = render(parcel(due(name="<script>\r\nBcc: x@y.example")), None)
    assert "<script>" not in mail.html
    assert "&lt;script&gt;" in mail.html
    assert "\n" not in mail.subject
    assert "\r" not in mail.subject


def test_up_to_five_notices_go_out_one_by_one_and_more_in_one_digest_that_lists_them_all() -> None:
    few = list(parcels([due(number) for number in range(MANY)], NOW))
    assert [len(one.contents) for one in few] == [1] * MANY
    (digest,) = parcels([due(number) for number in range(MANY + 1)], NOW)
    mail = render(digest, "https://desk.example")
    assert mail.subject == "6 notices about 6 districts"
    for number in range(MANY + 1):
        assert f"District {number} (district-{number}): roster change held for review" in mail.text
        assert f"District {number} (district-{number})" in mail.html
        assert f"https://desk.example/sets/subject-{number}" in mail.text
        assert f'href="https://desk.example/sets/subject-{number}"' in mail.html


def test_notices_wait_for_each_other_and_a_recipient_waits_for_nobody_else() -> None:
    gathered = NOW - timedelta(seconds=60)
    young = [due(number, age=10) for number in range(3)]
    assert list(parcels(young, gathered)) == []
    late = [due(7, recipient="data@springfield.example", age=90), *young]
    assert [one.recipient for one in parcels(late, gathered)] == ["data@springfield.example"]
    assert len(list(parcels([*young, due(9, age=61)], gathered))) == 4


def test_a_webhook_gets_every_notice_by_itself_and_at_once() -> None:
    packed = list(parcels([due(number, recipient=WEBHOOK, age=0) for number in range(20)], NOW - timedelta(seconds=60)))
    assert [len(one.contents) for one in packed] == [1] * 20


def test_the_same_notices_for_the_same_recipient_make_a_parcel_of_the_same_name_and_no_others_do() -> None:
    first, again = (next(parcels([due(1)], NOW)) for _ in range(2))
    assert first.name == again.name
    assert len({first.name, next(parcels([due(2)], NOW)).name, next(parcels([due(recipient="b@c.d")], NOW)).name}) == 3


def test_a_post_is_signed_over_its_id_its_time_and_its_body() -> None:
    key = signing_key("whsec_" + base64.b64encode(b"k" * 24).decode())
    expected = hmac.new(b"k" * 24, b'id.1700000000.{"a":1}', hashlib.sha256).digest()
    assert signature(key, "id", 1700000000, b'{"a":1}') == "v1," + base64.b64encode(expected).decode()


@pytest.mark.parametrize(
    "secret", [None, "", "whsec_", "whsec_c2hvcnQ=", "not base64 at all, though it is long enough"]
)
def test_a_secret_that_is_missing_short_or_not_base64_is_refused_and_not_shown(secret: str | None) -> None:
    with pytest.raises(MisconfiguredError, match="ROLLCALL_WEBHOOK_SECRET") as refused:
        signing_key(secret)
    assert not secret or secret == "whsec_" or secret not in str(refused.value)


def test_a_mail_server_is_read_from_its_address_with_its_password_decoded_and_never_shown() -> None:
    server = SmtpServer.at("smtp://rollcall:p%40ss%2Fword@mail.example.org:2525")
    assert (server.host, server.port, server.user, server.password, server.tls) == (
        "mail.example.org",
        2525,
        "rollcall",
        "p@ss/word",
        False,
    )
    assert "p@ss" not in repr(server)
    assert (SmtpServer.at("smtps://mail.example.org").port, SmtpServer.at("smtp://mail.example.org").port) == (465, 587)


@pytest.mark.parametrize("url", ["", "mail.example.org:25", "http://mail.example.org", "smtp://h:secret@x:port"])
def test_an_address_that_is_no_mail_servers_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(MisconfiguredError, match="ROLLCALL_SMTP") as refused:
        SmtpServer.at(url)
    assert not url or url not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_operators_are_read_from_a_comma_separated_list_and_a_wrong_one_is_named_by_its_place() -> None:
    assert operators_of(Settings(operators=" a@b.example, ,c@d.example ")) == ("a@b.example", "c@d.example")
    with pytest.raises(MisconfiguredError, match="address 2 in ROLLCALL_OPERATORS"):
        operators_of(Settings(operators="a@b.example,nobody"))


def test_without_a_mail_server_and_a_webhook_there_is_no_way_to_people_and_a_bad_sender_is_refused() -> None:
    assert carriers_of(Settings(smtp=None, webhook_url=None)) == []
    with pytest.raises(MisconfiguredError, match="ROLLCALL_MAIL_FROM"):
        carriers_of(Settings(smtp=SecretStr("smtp://h:25"), mail_from="nobody"))


@pytest.mark.parametrize("url", ["", "chat.example", "ftp://chat.example", "http://", "http://chat.example:port/hook"])
def test_an_address_that_is_no_web_address_is_refused_as_a_webhook(url: str) -> None:
    with pytest.raises(MisconfiguredError, match="ROLLCALL_WEBHOOK_URL"):
        WebhookCarrier(url, base64.b64encode(b"k" * 24).decode(), None)


@pytest.mark.parametrize("text", ["", "a", "a@", "a@b\nBcc: x@y", "a@b, c@d", "Name <a@b>", "a b@c"])
def test_only_one_bare_address_is_mailed_to(text: str) -> None:
    assert not is_address(text)
    assert is_address("data@springfield.example")
