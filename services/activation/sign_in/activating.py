"""From a provider's word to an account: whose it is already, a new one, or one that the person has.

All of it happens under the lock of the district's matching, so that what is done twice, or in two windows, or while
the night's roster comes in, has one outcome.
"""

from typing import Any

import psycopg

from services.activation.linking import AccountTakenError, link_person
from services.activation.sign_in.outcomes import REFUSALS, ActivationPending, Outcome, SignedIn
from services.activation.sign_in.providers import RosteredClaim
from services.activation.sign_in.rostered import (
    QUERIES,
    RosteredPerson,
    find_person,
    has_left,
    lock_district,
    usable_email,
)
from services.activation.worker import PersonKey


def arrive(
    connection: psycopg.Connection[Any], provider: str, claim: RosteredClaim, only_district: str | None
) -> Outcome:
    """Give what comes of a sign-in through the district.

    `only_district` is the one whose page the person began on: somebody of another district is refused there.
    """
    known = connection.execute(
        QUERIES["districts_of_tenant"], {"provider": provider, "tenant": claim.tenant}
    ).fetchall()
    named = [district for district, _ in known if only_district in {None, district}]
    if len(named) != 1:
        return REFUSALS["other-district" if known and only_district is not None else "district-unknown"]
    district = named[0]
    with connection.transaction():
        lock_district(connection, district)
        person = find_person(connection, district, claim.subject, claim.kind)
        if person is None:
            return REFUSALS["left" if has_left(connection, district, claim.subject) else "not-rostered"]
        if refusal := person.refusal():
            return REFUSALS[refusal]
        if person.account_id is not None:
            return _confirmed(connection, person, person.account_id, claim.user_id)
        before = _account_before_a_new_id(connection, person, claim)
        if before is not None:
            return _linked(connection, person, before, claim.user_id)
        return ActivationPending(person.key, claim.user_id)


def create_account(connection: psycopg.Connection[Any], pending: ActivationPending) -> Outcome:
    """Make the person's account, with the district's email where nobody else has it, and make it the district's.

    An account that has come about meanwhile, in another window or by a click before, is the outcome as well.
    """
    with connection.transaction():
        person = _person_of(connection, pending.person)
        if person is None:
            return REFUSALS["left"]
        if refusal := person.refusal():
            return REFUSALS[refusal]
        if person.account_id is not None:
            return _confirmed(connection, person, person.account_id, pending.provider_user)
        if person.email is not None:
            connection.execute(QUERIES["lock_email"], {"email": person.email.strip().lower()})
        email = usable_email(connection, person)
        permissions = "full" if person.age == "13 or older" else "limited"
        row = connection.execute(
            QUERIES["make_account"], {"display_name": person.display_name, "permissions": permissions}
        ).fetchone()
        assert row is not None, "an insert that returns its row gives one"
        account_id: str = row[0]
        if email is not None:
            connection.execute(QUERIES["add_email"], {"account_id": account_id, "email": email})
        return _linked(connection, person, account_id, pending.provider_user, mail="welcome")


def use_account(connection: psycopg.Connection[Any], pending: ActivationPending, account_id: str) -> Outcome:
    """Make the account, whose owner has just proven that it is theirs, the district's one of this person."""
    try:
        with connection.transaction():
            person = _person_of(connection, pending.person)
            if person is None:
                return REFUSALS["left"]
            if refusal := person.refusal():
                return REFUSALS[refusal]
            if person.account_id is not None and person.account_id != account_id:
                return REFUSALS["done-elsewhere"]
            if person.account_id == account_id:
                return _confirmed(connection, person, account_id, pending.provider_user)
            return _linked(connection, person, account_id, pending.provider_user, mail="linked")
    except AccountTakenError:
        return REFUSALS["account-taken"]


def _person_of(connection: psycopg.Connection[Any], key: PersonKey) -> RosteredPerson | None:
    district, kind, id_ = key
    lock_district(connection, district)
    person = find_person(connection, district, id_, "students" if kind == "students" else "teachers")
    return person if person is not None and person.key == key else None


def _confirmed(
    connection: psycopg.Connection[Any], person: RosteredPerson, account_id: str, provider_user: str | None
) -> SignedIn:
    """Sign in to the account that the person has; that an email agreed is now known for certain."""
    if person.proof not in {"sign-in", "reviewer"}:
        link_person(connection, person.key, account_id, "sign-in")
    return _signed_in(connection, person, account_id, provider_user)


def _linked(
    connection: psycopg.Connection[Any],
    person: RosteredPerson,
    account_id: str,
    provider_user: str | None,
    mail: str | None = None,
) -> SignedIn:
    link_person(connection, person.key, account_id, "sign-in")
    signed_in = _signed_in(connection, person, account_id, provider_user)
    if mail is not None and person.age == "13 or older":
        district, kind, id_ = person.key
        about = {"district": district, "kind": kind, "id": id_, "account_id": account_id, "today": person.today}
        connection.execute(QUERIES["write_mail"], {"code": mail, **about})
    return signed_in


def _signed_in(
    connection: psycopg.Connection[Any], person: RosteredPerson, account_id: str, provider_user: str | None
) -> SignedIn:
    """Have the account's permissions follow the date of birth, and remember how ClassLink calls the person."""
    if person.key[1] == "students" and person.age != "unknown":
        permissions = "limited" if person.age == "under 13" else "full"
        connection.execute(QUERIES["set_permissions"], {"account_id": account_id, "permissions": permissions})
    if provider_user is not None:
        district, _, id_ = person.key
        connection.execute(QUERIES["remember_user"], {"district": district, "id": id_, "user_id": provider_user})
    return SignedIn(account_id, person.key, provider_user)


def _account_before_a_new_id(
    connection: psycopg.Connection[Any], person: RosteredPerson, claim: RosteredClaim
) -> str | None:
    """Give the account that the same ClassLink login opened before its district gave the person a new sourcedId.

    Only where the earlier id is no longer rostered and no date of birth speaks against it. The login is as good a
    proof now as it was then, so that nobody is guessed.
    """
    if claim.user_id is None:
        return None
    district, kind, id_ = person.key
    about = {"district": district, "kind": kind, "id": id_, "tenant": claim.tenant, "user_id": claim.user_id}
    row = connection.execute(QUERIES["sourced_id_before"], about).fetchone()
    if row is None:
        return None
    before, account_id, born_before, born_now = row
    if born_before is not None and born_now is not None and born_before != born_now:
        return None
    connection.execute(QUERIES["forget_identity"], {"tenant": claim.tenant, "subject": before})
    return str(account_id)
