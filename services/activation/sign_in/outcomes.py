"""What can come of signing in or activating, in words for the person at the browser.

No text says a word about matching, or that somebody else has an account.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from services.activation.matching import PersonKey

RefusalCode: TypeAlias = Literal[
    "unknown-provider",
    "state-unknown",
    "code-again",
    "cancelled",
    "going-in-circles",
    "provider-answer",
    "provider-away",
    "code-refused",
    "district-unknown",
    "other-district",
    "no-roster-id",
    "not-rostered",
    "not-yet",
    "left",
    "no-class",
    "office-told",
    "done-elsewhere",
    "account-taken",
    "wrong-password",
    "too-many-tries",
    "no-account",
    "session-ended",
    "form-expired",
]

_START_AGAIN = "Go back to your school's start page and sign in once more."
_ASK_OFFICE = "Please ask your school office. They can put it right, and it works here after the next night."


@dataclass(frozen=True, slots=True)
class Refused:
    """It was not done. `code` is for programs and pages, `text` says what is the matter, `what_to_do` what helps."""

    code: RefusalCode
    text: str
    what_to_do: str
    status: int = 403


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody is signed in to their account; `person` is who they are in their district's roster, where we know."""

    account_id: str
    person: PersonKey | None = None
    provider_user: str | None = None


@dataclass(frozen=True, slots=True)
class ActivationPending:
    """The provider told us who it is, and they have no account yet: they say which one is theirs."""

    person: PersonKey
    provider_user: str | None = None


Outcome: TypeAlias = SignedIn | ActivationPending | Refused

REFUSALS: dict[RefusalCode, Refused] = {
    refused.code: refused
    for refused in (
        Refused("unknown-provider", "There is no such way to sign in here.", "Start again from our first page.", 404),
        Refused(
            "state-unknown",
            "This sign-in took too long, was used before, or was begun in another browser.",
            _START_AGAIN,
        ),
        Refused("code-again", "This sign-in has been used already.", _START_AGAIN),
        Refused("cancelled", "The sign-in was stopped before it was done.", _START_AGAIN),
        Refused(
            "going-in-circles",
            "Your browser keeps coming back without finishing the sign-in.",
            "Allow cookies for this site, then sign in once more.",
            400,
        ),
        Refused(
            "provider-answer",
            "Your school's sign-in service gave an answer that we cannot read, so nothing was done.",
            "Try again in a few minutes. If it goes on, tell your school office.",
            502,
        ),
        Refused(
            "provider-away",
            "Your school's sign-in service does not answer just now.",
            "Try again in a few minutes.",
            503,
        ),
        Refused("code-refused", "Your school's sign-in service did not accept this sign-in.", _START_AGAIN),
        Refused("district-unknown", "Your school district does not use this site yet.", _ASK_OFFICE),
        Refused(
            "other-district",
            "You are signed in for another school district than the one you chose here.",
            "Sign out of your school's start page, then sign in with the right one.",
        ),
        Refused(
            "no-roster-id",
            "Your school has not connected your sign-in with its list of students and teachers.",
            _ASK_OFFICE,
        ),
        Refused("not-rostered", "You are not on the list that your school sends us.", _ASK_OFFICE),
        Refused("not-yet", "Your school has just added you, and we are still getting ready.", "Try again in an hour."),
        Refused("left", "You are no longer on the list that your school sends us.", _ASK_OFFICE),
        Refused("no-class", "You are not in a class yet.", _ASK_OFFICE),
        Refused(
            "office-told",
            "We need your school's help to get you in. Your school office has been told.",
            "There is nothing you have to do. Ask your school office if it takes more than a few days.",
        ),
        Refused(
            "done-elsewhere",
            "You have finished this in another window.",
            "Close this one, or sign in again from your school's start page.",
            409,
        ),
        Refused(
            "account-taken",
            "That account is in use at your school already, so it cannot be used for you.",
            "Log in to another account, let us make a new one, or ask your school office.",
            409,
        ),
        Refused("wrong-password", "Email or password is not right.", "Check both and try once more.", 401),
        Refused("too-many-tries", "Too many tries.", "Wait 15 minutes, then try again.", 429),
        Refused(
            "no-account",
            "We cannot find one account that goes with that sign-in.",
            "Log in another way, or let us make a new account for you.",
        ),
        Refused("session-ended", "You were away for too long.", _START_AGAIN, 401),
        Refused("form-expired", "This page was open for too long.", "Open it again and try once more.", 403),
    )
}


class RefusedError(Exception):
    """A request that is refused; the application answers it with a page or a problem."""

    def __init__(self, code: RefusalCode) -> None:
        super().__init__(code)
        self.refused = REFUSALS[code]
