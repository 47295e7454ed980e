"""From a provider's word to an account: whose it is already, a new one, or one that the person has.

A person's sign-ins are taken one after the other, so that what is done twice or in two windows has one outcome. Whose
account it is says `services.activation.linking`, here as everywhere.
"""

from typing import Any
from uuid import UUID

import psycopg

from services.activation.linking import AccountTakenError, LinkError, link_person
from services.activation.matching import PersonKey
from services.activation.sign_in.outcomes import (
    REFUSALS,
    ActivationPending,
    Outcome,
    Refused,
    RefusedError,
    SignedIn,
)
from services.activation.sign_in.providers import RosteredClaim
from services.activation.sign_in.rostered import (
    QUERIES,
    RosteredPerson,
    find_person,
    follow_age,
    has_left,
    lock_person,
    usable_email,
)


def arrive(
    connection: psycopg.Connection[Any], provider: str, claim: RosteredClaim, only_district: str | None
) -> Outcome:
    """Give what comes of a sign-in through the district.

    `only_district` is the one whose page the person began on: somebody of another district is refused there.
    """
    district = _district_of(connection, provider, claim, only_district)
    if isinstance(district, Refused):
        return district
    try:
        with connection.transaction():
            lock_person(connection, district, claim.subject)
            person = find_person(connection, district, claim.subject, claim.kind)
            if person is None:
                return REFUSALS["left" if has_left(connection, district, claim.subject) else "not-rostered"]
            if refusal := person.refusal():
                return REFUSALS[refusal]
            account_id = person.account_id or _account_before_a_new_id(connection, person, claim)
            if account_id is None:
                return ActivationPending(person.key, claim.user_id)
            return _made_sure(connection, person, account_id, claim.user_id)
    except RefusedError as error:
        return error.refused


def create_account(connection: psycopg.Connection[Any], pending: ActivationPending) -> Outcome:
    """Make the person's account, with the district's email where nobody else has it, and make it the district's.

    An account that has come about meanwhile, in another window or by a click before, is the outcome as well.
    """
    try:
        with connection.transaction():
            person = _person_of(connection, pending.person)
            if person.account_id is not None:
                return _made_sure(connection, person, person.account_id, pending.provider_user)
            account_id = _new_account(connection, person)
            signed_in = _made_sure(connection, person, account_id, pending.provider_user)
            _write_mail(connection, "welcome", person, account_id)
            return signed_in
    except RefusedError as error:
        return error.refused


def use_account(connection: psycopg.Connection[Any], pending: ActivationPending, account_id: str) -> Outcome:
    """Make the account, whose owner has just proven that it is theirs, the district's one of this person."""
    try:
        with connection.transaction():
            person = _person_of(connection, pending.person)
            if person.account_id not in {None, account_id}:
                return REFUSALS["done-elsewhere"]
            signed_in = _made_sure(connection, person, account_id, pending.provider_user)
            if person.account_id is None:
                _write_mail(connection, "linked", person, account_id)
            return signed_in
    except RefusedError as error:
        return error.refused


def _district_of(
    connection: psycopg.Connection[Any], provider: str, claim: RosteredClaim, only_district: str | None
) -> str | Refused:
    about = {"provider": provider, "tenant": claim.tenant}
    known = [district for (district,) in connection.execute(QUERIES["districts_of_tenant"], about)]
    if only_district is not None and known and only_district not in known:
        return REFUSALS["other-district"]
    named = [district for district in known if only_district in {None, district}]
    return named[0] if len(named) == 1 else REFUSALS["district-unknown"]


def _person_of(connection: psycopg.Connection[Any], key: PersonKey) -> RosteredPerson:
    """Give the person of a pending session as they are now. Raises RefusedError where they can no longer activate."""
    lock_person(connection, key.district, key.id)
    person = find_person(connection, key.district, key.id, key.kind)
    if person is None:
        raise RefusedError("left")
    if refusal := person.refusal():
        raise RefusedError(refusal)
    return person


def _new_account(connection: psycopg.Connection[Any], person: RosteredPerson) -> str:
    if person.email is not None:
        connection.execute(QUERIES["lock_email"], {"email": person.email.strip().lower()})
    email = usable_email(connection, person)
    permissions = "full" if person.age == "13 or older" else "limited"
    about = {"display_name": person.display_name, "permissions": permissions}
    row = connection.execute(QUERIES["make_account"], about).fetchone()
    assert row is not None, "an insert that returns its row gives one"
    if email is not None:
        connection.execute(QUERIES["add_email"], {"account_id": row[0], "email": email})
    return str(row[0])


def _made_sure(
    connection: psycopg.Connection[Any], person: RosteredPerson, account_id: str, provider_user: str | None
) -> SignedIn:
    """Link the person and the account, unless that is known for certain, and sign in to it.

    The account's permissions follow the date of birth, where there is one. Raises RefusedError where they cannot be
    linked; then nothing is changed once the caller's transaction has ended.
    """
    if person.account_id != account_id or person.proof not in {"sign-in", "reviewer"}:
        try:
            link_person(connection, person.key, UUID(account_id), "sign-in")
        except AccountTakenError:
            raise RefusedError("account-taken") from None
        except LinkError:
            raise RefusedError("done-elsewhere") from None
        now = find_person(connection, person.key.district, person.key.id, person.key.kind)
        if now is None or now.account_id != account_id:  # the district's email is another account's by now
            raise RefusedError("office-told" if now is not None and now.state == "conflict" else "not-yet")
    follow_age(connection, account_id)
    if provider_user is not None:
        about = {"district": person.key.district, "id": person.key.id, "user_id": provider_user}
        connection.execute(QUERIES["remember_user"], about)
    return SignedIn(account_id, person.key, provider_user)


def _write_mail(connection: psycopg.Connection[Any], code: str, person: RosteredPerson, account_id: str) -> None:
    """Have the account's addresses told, once; never those of somebody who is not known to be 13."""
    if person.age == "13 or older":
        about = {**person.key._asdict(), "account_id": account_id, "today": person.today}
        connection.execute(QUERIES["write_mail"], {"code": code, **about})


def _account_before_a_new_id(
    connection: psycopg.Connection[Any], person: RosteredPerson, claim: RosteredClaim
) -> str | None:
    """Give the account that the same ClassLink login opened before its district gave the person a new sourcedId.

    Only where the earlier id is no longer rostered and no date of birth speaks against it. The login is as good a
    proof now as it was then, so that nobody is guessed.
    """
    if claim.user_id is None:
        return None
    about = {**person.key._asdict(), "tenant": claim.tenant, "user_id": claim.user_id}
    row = connection.execute(QUERIES["account_before"], about).fetchone()
    if row is None:
        return None
    account_id, born_before, born_now = row
    return None if None not in {born_before, born_now} and born_before != born_now else str(account_id)
