"""The mails to people who have just activated, with a real mail server: once each, and none to a child."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from starlette.applications import Starlette

from deploy.local import ports
from deploy.sandbox.mail_catcher import MailCatcher
from services.activation.matching import PersonKey
from services.activation.sign_in.activating import create_account, use_account
from services.activation.sign_in.mails import AccountMails
from services.activation.sign_in.outcomes import ActivationPending, SignedIn
from services.database.connect import connect
from services.guard.notices.smtp import SmtpServer
from services.sessions import keep_running
from tests.pipeline import until
from tests.signing_in import Person, Town

GROWN, CHILD = "2001-01-01", "2020-01-01"


@pytest.fixture
def town(database: str) -> Town:
    made = Town(database)
    made.add_districts()
    return made


@pytest.fixture
def caught() -> Iterator[tuple[int, MailCatcher]]:
    port, catcher = ports.any_free(), MailCatcher()
    with catcher.listening("127.0.0.1", port):
        yield port, catcher


@contextmanager
def sending(town: Town, port: int, senders: int = 1) -> Iterator[None]:
    stop = threading.Event()
    server = SmtpServer.at(f"smtp://127.0.0.1:{port}")
    lines = [AccountMails(town.dsn, server, "rollcall@example.org", stop) for _ in range(senders)]
    threads = [threading.Thread(target=keep_running, args=(line.session, stop)) for line in lines]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def activate(town: Town, person: Person, account_id: str | None = None) -> None:
    pending = ActivationPending(PersonKey(person.district, person.kind, person.id))
    with connect(town.dsn, "rollcall_sign_in") as connection:
        outcome = use_account(connection, pending, account_id) if account_id else create_account(connection, pending)
    assert isinstance(outcome, SignedIn)


def states(town: Town) -> list[str]:
    return [row[0] for row in town.query("SELECT state FROM sign_in.mails ORDER BY mail")]


def is_over(town: Town) -> bool | None:
    return True if "due" not in states(town) else None


def mails(catcher: MailCatcher) -> list[tuple[str, str]]:
    async def look() -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=catcher.routes()))
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
            return await client.get("/mail.json")

    return [(mail["recipients"][0], mail["subject"]) for mail in asyncio.run(look()).json()["mails"]]


def test_each_address_is_told_once_though_two_senders_work(town: Town, caught: tuple[int, MailCatcher]) -> None:
    port, catcher = caught
    new = Person("springfield", "students", "S1", "s1@springfield.example", GROWN)
    owner = Person("springfield", "teachers", "T1", "t1@springfield.example")
    account_id = town.add_account("home@mail.example", "other@mail.example", password=None)
    town.roster(new, owner)
    activate(town, new)
    activate(town, owner, account_id)
    with sending(town, port, senders=2):
        until("the mails are out", lambda: is_over(town))
    assert sorted(mails(catcher)) == [
        ("home@mail.example", "Your account now belongs to your school district"),
        ("other@mail.example", "Your account now belongs to your school district"),
        ("s1@springfield.example", "Your new account"),
    ]


def test_who_turns_out_to_be_a_child_before_the_mail_goes_out_is_sent_nothing(
    town: Town, caught: tuple[int, MailCatcher]
) -> None:
    port, catcher = caught
    child = Person("springfield", "students", "S1", "s1@springfield.example", GROWN)
    town.roster(child)
    activate(town, child)
    town.correct_birth_date(child, CHILD)
    with sending(town, port):
        until("the mail is given up", lambda: is_over(town))
    assert states(town) == ["given up"]
    assert mails(catcher) == []


def test_a_mail_server_that_is_away_gets_the_mail_later(town: Town) -> None:
    person = Person("springfield", "students", "S1", "s1@springfield.example", GROWN)
    town.roster(person)
    activate(town, person)
    port, catcher = ports.any_free(), MailCatcher()
    with sending(town, port):
        until("it was tried", lambda: town.query("SELECT 1 FROM sign_in.mails WHERE attempts > 0") or None)
        with catcher.listening("127.0.0.1", port):
            until("the mail is out", lambda: is_over(town))
    assert [recipient for recipient, _ in mails(catcher)] == ["s1@springfield.example"]
