"""Who is under 13, or may be: limited, and never written to."""

import psycopg
import pytest

from services.database.connect import connect
from tests.signing_in import CHILD, GROWN, PASSWORD, Browser, Town, student


def test_a_child_gets_a_limited_account_and_no_mail(town: Town, browser: Browser) -> None:
    child = student(born=CHILD)
    town.roster(child)
    browser.sign_in("clever", child.who)
    browser.post("/activate/create")
    account_id = browser.me()["account_id"]
    assert town.query("SELECT permissions FROM accounts WHERE account_id = %s", account_id) == [("limited",)]
    assert town.mails_to(child) == []


def test_a_childs_own_account_becomes_limited_and_no_mail_is_sent(town: Town, browser: Browser) -> None:
    child = student(born=CHILD)
    account_id = town.add_account(f"parents-{child.id}@mail.example")
    town.roster(child)
    browser.sign_in("clever", child.who)
    browser.post("/log-in", email=f"parents-{child.id}@mail.example", password=PASSWORD)
    assert town.query("SELECT permissions FROM accounts WHERE account_id = %s", account_id) == [("limited",)]
    assert town.mails_to(child) == []


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
    browser.log_in(child.email)
    assert browser.me() == {"account_id": account_id, "person": None, "pending": False}
    assert town.query("SELECT permissions FROM accounts WHERE account_id = %s", account_id) == [("limited",)]


def test_a_student_without_a_date_of_birth_is_treated_as_a_child_might_be(town: Town, browser: Browser) -> None:
    unknown = student("riverside", born=None)
    town.roster(unknown)
    browser.sign_in("classlink", unknown.who)
    browser.post("/activate/create")
    account_id = browser.me()["account_id"]
    assert town.query("SELECT permissions FROM accounts WHERE account_id = %s", account_id) == [("limited",)]
    assert town.mails_to(unknown) == []


def test_somebody_of_13_is_sent_one_mail_however_often_they_come(town: Town, browser: Browser) -> None:
    person = student()
    town.roster(person)
    for _ in range(2):
        browser.sign_in("clever", person.who)
        browser.post("/activate/create")
    assert town.mails_to(person) == [person.email]


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
