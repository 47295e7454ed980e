"""What people and reviewers say about whose account it is: remembered, in effect at once, or refused."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from schemas.events import ConflictResolved
from services.activation.linking import (
    AccountTakenError,
    NotRosteredError,
    PersonKey,
    PersonLinkedError,
    UnknownAccountError,
    link_person,
)
from services.activation.resolving import resolve
from tests.matching import Matching

ANN = PersonKey("springfield", "students", "ann")
BOB = PersonKey("springfield", "students", "bob")


@pytest.fixture(scope="module")
def one_database(shared_database: str) -> Iterator[Matching]:
    with closing(Matching(shared_database)) as matching:
        yield matching


@pytest.fixture
def matching(one_database: Matching) -> Matching:
    one_database.forget_everything()
    one_database.add_district("springfield")
    return one_database


def _decided(matching: Matching, person: PersonKey, account_id: object, event_id: str | None = None) -> str | None:
    about: dict[str, Any] = {
        "district": person.district,
        "kind": person.kind,
        "id": person.id,
        "account_id": None if account_id is None else str(account_id),
        "reviewer": "dana",
        "reason": "the school has told us",
        "decided_at": datetime.now(UTC),
    }
    return resolve(matching.activation, event_id or uuid4().hex, ConflictResolved.model_validate(about))


def _twins(matching: Matching) -> UUID:
    account = matching.account("twins@school.example")
    matching.night(matching.rostered("ann", "twins@school.example"), matching.rostered("bob", "twins@school.example"))
    matching.told()
    return account


# ---------------------------------------------------------------- at sign-in


def test_the_account_that_a_person_names_at_sign_in_becomes_theirs_and_is_told_as_linked(matching: Matching) -> None:
    matching.night(matching.rostered("ann", "ann@school.example"))
    matching.told()
    account = matching.account("ann@home.example")
    link_person(matching.sign_in, ANN, account, "sign-in")
    assert matching.state("ann") == ("activated", account)
    assert [(told.person, told.state, told.account_id) for told in matching.told()] == [("ann", "linked", account)]


def test_said_twice_it_is_in_effect_once(matching: Matching) -> None:
    matching.night(matching.rostered("ann", None))
    account = matching.account()
    for _ in range(2):
        link_person(matching.sign_in, ANN, account, "sign-in")
    assert [told.state for told in matching.told()] == ["required", "linked"]


def test_who_signs_in_before_the_update_has_reached_activation_is_linked_all_the_same(matching: Matching) -> None:
    with matching.everything.transaction():
        matching.query("SET LOCAL ROLE rollcall_apply")
        matching.query(
            "INSERT INTO students (district, id, given, family, display_name, schools, digest, roster_version)"
            " VALUES ('springfield', 'ann', 'Ann', 'Lee', 'Ann Lee', '{}', decode(repeat('00', 16), 'hex'), 1)"
        )
        matching.query("UPDATE rosters SET roster_version = 1")
    account = matching.account()
    link_person(matching.sign_in, ANN, account, "sign-in")
    matching.night(matching.rostered("ann", None, name="Ann Lee"))
    assert matching.state("ann") == ("activated", account)
    assert [told.state for told in matching.told()] == ["required", "linked"]


def test_what_a_person_said_is_found_again_after_they_left_and_came_back(matching: Matching) -> None:
    matching.night(matching.rostered("ann", None))
    account = matching.account()
    link_person(matching.sign_in, ANN, account, "sign-in")
    matching.night(matching.gone("ann"))
    matching.night(matching.rostered("ann", None))
    assert matching.state("ann") == ("activated", account)


@pytest.mark.parametrize("email", [None, "ann@school.example"])
def test_an_account_of_another_person_of_the_district_is_refused_and_nothing_changes(
    matching: Matching, email: str | None
) -> None:
    account = matching.account("ann@school.example")
    matching.night(matching.rostered("ann", email), matching.rostered("bob", None))
    if email is None:
        link_person(matching.sign_in, ANN, account, "sign-in")
    with pytest.raises(AccountTakenError):
        link_person(matching.sign_in, BOB, account, "sign-in")
    assert matching.state("ann") == ("activated", account)
    assert matching.state("bob") == ("required", None)


def test_a_second_account_at_a_second_sign_in_is_refused(matching: Matching) -> None:
    first, second = matching.account(), matching.account()
    matching.night(matching.rostered("ann", None))
    link_person(matching.sign_in, ANN, first, "sign-in")
    with pytest.raises(PersonLinkedError):
        link_person(matching.sign_in, ANN, second, "sign-in")
    assert matching.state("ann") == ("activated", first)


def test_nobody_is_linked_who_is_not_rostered_and_to_no_account_that_is_not_there(matching: Matching) -> None:
    with pytest.raises(NotRosteredError):
        link_person(matching.sign_in, ANN, matching.account(), "sign-in")
    matching.night(matching.rostered("ann", None))
    with pytest.raises(UnknownAccountError):
        link_person(matching.sign_in, ANN, uuid4(), "sign-in")


def test_the_account_of_somebody_who_has_left_can_be_anothers_who_logs_in_to_it(matching: Matching) -> None:
    account = matching.account("ann@school.example")
    matching.night(matching.rostered("ann", "ann@school.example"), matching.rostered("bob", None))
    matching.night(matching.gone("ann"))
    link_person(matching.sign_in, BOB, account, "sign-in")
    assert matching.state("bob") == ("activated", account)


def test_one_of_two_who_share_an_email_logs_in_to_the_account_and_the_other_is_in_conflict(matching: Matching) -> None:
    account = _twins(matching)
    link_person(matching.sign_in, ANN, account, "sign-in")
    assert matching.state("ann") == ("activated", account)
    assert matching.state("bob") == ("conflict", None)


def test_an_account_named_at_sign_in_stays_when_another_account_gets_the_email(matching: Matching) -> None:
    account = matching.account("ann@school.example")
    matching.night(matching.rostered("ann", "ann@school.example"))
    link_person(matching.sign_in, ANN, account, "sign-in")
    matching.account("ann@school.example")
    matching.accounts_changed()
    assert matching.state("ann") == ("activated", account)


def test_linking_is_part_of_the_transaction_that_it_is_called_in(matching: Matching) -> None:
    matching.night(matching.rostered("ann", None))
    account = matching.account()
    with matching.sign_in.transaction(force_rollback=True):
        link_person(matching.sign_in, ANN, account, "sign-in")
    assert matching.state("ann") == ("required", None)
    assert matching.query("SELECT count(*) FROM identities") == [(0,)]


# ---------------------------------------------------------------- by a reviewer


def test_a_reviewers_decision_ends_a_conflict_and_stands_above_emails(matching: Matching) -> None:
    account = _twins(matching)
    assert _decided(matching, ANN, account) is None
    assert matching.state("ann") == ("activated", account)
    assert [(told.person, told.state) for told in matching.told() if told.person == "ann"] == [("ann", "linked")]
    other = matching.account("ann@school.example")
    matching.night(matching.rostered("ann", "ann@school.example"))
    assert matching.state("ann") == ("activated", account) != ("activated", other)


def test_a_decision_delivered_twice_is_in_effect_once(matching: Matching) -> None:
    account = _twins(matching)
    for _ in range(2):
        assert _decided(matching, ANN, account, "decision-1") is None
    assert [told.state for told in matching.told() if told.person == "ann"] == ["linked"]
    assert matching.query("SELECT reviewer, refusal FROM resolutions") == [("dana", None)]


def test_a_reviewers_decision_takes_an_account_from_whom_only_an_email_gave_it(matching: Matching) -> None:
    account = matching.account("ann@school.example")
    matching.night(matching.rostered("ann", "ann@school.example"))
    matching.night(matching.rostered("ann", "new@school.example"))
    matching.night(matching.rostered("bob", "ann@school.example"))
    assert _decided(matching, BOB, account) is None
    assert matching.state("bob") == ("activated", account)
    assert matching.state("ann") == ("required", None)


def test_an_account_that_another_person_has_said_is_theirs_is_refused_and_the_reason_told(matching: Matching) -> None:
    account = _twins(matching)
    link_person(matching.sign_in, BOB, account, "sign-in")
    matching.told()
    refusal = _decided(matching, ANN, account)
    assert refusal is not None
    assert "belongs to another person" in refusal
    assert matching.state("bob") == ("activated", account)
    [told] = matching.told()
    assert (told.person, told.state, told.reason) == ("ann", "conflict", "resolution-refused")
    assert matching.query("SELECT refusal FROM resolutions") == [(refusal,)]


@pytest.mark.parametrize("account", [uuid4(), "no account at all"])
def test_an_account_that_is_not_there_is_refused(matching: Matching, account: object) -> None:
    _twins(matching)
    assert _decided(matching, ANN, account) is not None
    assert matching.state("ann") == ("conflict", None)


def test_a_decision_about_somebody_who_has_left_is_refused(matching: Matching) -> None:
    account = _twins(matching)
    matching.night(matching.gone("ann"))
    assert _decided(matching, ANN, account) is not None
    assert matching.state("ann") == ("deactivated", None)


def test_a_person_whom_a_reviewer_wants_asked_is_asked_until_the_conflict_is_another_one(matching: Matching) -> None:
    _twins(matching)
    assert _decided(matching, ANN, None) is None
    assert matching.why("ann") == ("required", "asked-by-reviewer")
    assert [(told.person, told.state) for told in matching.told()] == [("ann", "required")]
    matching.night(matching.rostered("bob", "twins@school.example"))
    assert matching.why("ann") == ("required", "asked-by-reviewer")
    matching.account("twins@school.example")
    matching.accounts_changed()
    assert matching.why("ann") == ("conflict", "several-accounts")


@pytest.mark.parametrize("own", [True, False])
def test_what_such_a_person_says_at_sign_in_counts_be_it_the_emails_account_or_another(
    matching: Matching, own: bool
) -> None:
    shared = _twins(matching)
    _decided(matching, ANN, None)
    account = matching.account() if own else shared
    link_person(matching.sign_in, ANN, account, "sign-in")
    assert matching.state("ann") == ("activated", account)


def test_who_named_an_account_that_their_email_contradicts_can_be_asked_again(matching: Matching) -> None:
    first = matching.account("old@school.example")
    matching.night(matching.rostered("ann", None))
    link_person(matching.sign_in, ANN, first, "sign-in")
    second = matching.account("ann@school.example")
    matching.night(matching.rostered("ann", "ann@school.example"))
    assert matching.why("ann") == ("conflict", "email-and-id-differ")
    _decided(matching, ANN, None)
    assert matching.why("ann") == ("required", "asked-by-reviewer")
    link_person(matching.sign_in, ANN, second, "sign-in")
    assert matching.state("ann") == ("activated", second)


def test_nobody_can_be_asked_who_is_not_in_conflict(matching: Matching) -> None:
    matching.night(matching.rostered("ann", None))
    assert _decided(matching, ANN, None) is not None


@pytest.mark.parametrize("role", ["sign_in", "activation"])
def test_no_role_that_matches_can_forge_or_erase_what_reviewers_said(matching: Matching, role: str) -> None:
    connection: psycopg.Connection[Any] = getattr(matching, role)
    for statement in ("DELETE FROM resolutions", "UPDATE resolutions SET refusal = 'x'"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())
