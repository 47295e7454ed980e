"""Activation: one question a page, what will be joined before it happens, and then "You're in"."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from services.activation.classes.reading import account_of, classes_of
from services.activation.sign_in.outcomes import Refused
from services.activation.sign_in.router import SIGNED_IN_PAGE, Whoever
from services.activation.sign_in.sessions import Session
from services.activation.web.visit import OfPeople, People, SignedIn, SignInNeededError, page

router = APIRouter()

DONE_PAGE = "/activate/done"
_WELCOME = "rollcall_welcome"
"""A cookie without a secret: whoever was asked a question here is told "You're in" when they are."""
_WELCOME_SECONDS = 20 * 60


class NothingToActivateError(Exception):
    """Who asks is signed in to their account already."""


def activating(session: Whoever) -> Session:
    """Let in whose activation is pending. Raises SignInNeededError, or NothingToActivateError."""
    if session is None:
        raise SignInNeededError
    if not session.is_pending:
        raise NothingToActivateError
    return session


Activating = Annotated[Session, Depends(activating)]


@router.get("/activate")
def question(request: Request, people: OfPeople, session: Activating) -> Response:
    """Ask whether they have been here before."""
    answer = page(people, request, "activate_question.html", person=people.lobby.pending_person(session))
    secure = people.address.startswith("https:")
    answer.set_cookie(_WELCOME, "yes", max_age=_WELCOME_SECONDS, httponly=True, samesite="lax", secure=secure)
    return answer


@router.get("/activate/new")
def new_account(request: Request, people: OfPeople, session: Activating) -> Response:
    """Show what a new account would be."""
    return page(people, request, "activate_new.html", person=people.lobby.pending_person(session))


@router.get("/activate/log-in")
def log_in(request: Request, people: OfPeople, session: Activating) -> Response:
    """Ask for the account that they have, and show what would be joined to it."""
    return log_in_page(request, people, session)


def log_in_page(request: Request, people: People, session: Session, refused: Refused | None = None) -> Response:
    """Answer with the form to log in by, and why it was not done where it was not."""
    return page(
        people,
        request,
        "activate_log_in.html",
        refused.status if refused else 200,
        person=people.lobby.pending_person(session),
        identity_providers=people.lobby.identity_providers,
        refused=refused,
    )


@router.get(DONE_PAGE)
def done(visit: SignedIn) -> Response:
    """Say that they are in, and where."""
    with visit.people.product.connection() as connection:
        me = account_of(connection, visit.account_id)
        classes = classes_of(connection, visit.account_id)
    answer = visit.page("activate_done.html", me=me, classes=classes)
    answer.delete_cookie(_WELCOME)
    return answer


def is_to_be_welcomed(request: Request) -> bool:
    """Tell whether who signs in now has just activated in this browser."""
    return _WELCOME in request.cookies


def nothing_to_activate(_request: Request, _error: Exception) -> Response:
    """Lead on who has an account."""
    return RedirectResponse(SIGNED_IN_PAGE, status_code=303)
