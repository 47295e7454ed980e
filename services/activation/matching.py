"""Whose account is it: one rostered person against the accounts that could be theirs (pure).

DESIGN, "Whose account": the email decides where it points at one account and one person only; nobody is guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

MatchState: TypeAlias = Literal["activated", "required", "conflict"]


@dataclass(frozen=True, slots=True)
class Match:
    """What comes of matching a person: the state, the account where there is one, and why, in words."""

    state: MatchState
    account_id: str | None
    text: str


def match(linked: str | None, by_email: Sequence[str], people_with_email: int, account_taken: bool) -> Match:
    """Match one person.

    `linked` is the account the person has already; `by_email` are the accounts with the person's email;
    `people_with_email` is how many rostered people of the district have that email; `account_taken` says whether the
    one account found belongs to another person of the district already.
    """
    if linked is not None:
        return Match("activated", linked, "the account was matched before")
    if not by_email:
        return Match("required", None, "no account has this person's email; the person is asked at first sign-in")
    if people_with_email > 1:
        return Match("conflict", None, "several rostered people share this email; somebody must say whose it is")
    if len(by_email) > 1:
        return Match("conflict", None, "several accounts have this email; somebody must say which one it is")
    if account_taken:
        return Match("conflict", None, "the account with this email belongs to another person of the district")
    return Match("activated", by_email[0], "the account has the rostered email")
