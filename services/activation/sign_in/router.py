"""The addresses of sign-in: out to a provider, back from it, in by password, out again.

What is refused raises RefusedError, which the application that includes the router answers with a page or a problem.
"""

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from services.activation.sign_in.cookies import Browser
from services.activation.sign_in.lobby import ROSTERING, Lobby
from services.activation.sign_in.outcomes import RefusedError
from services.activation.sign_in.sessions import Session

SIGNED_IN_PAGE = "/"
ACTIVATION_PAGE = "/activate"
SIGN_IN_PAGE = "/sign-in"
"""The pages to which the addresses here lead on: after signing in, while an activation is pending, when signed out."""

_DISTRICT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

router = APIRouter()


def lobby_of(request: Request) -> Lobby:
    """Give the application's lobby."""
    lobby: Lobby = request.app.state.lobby
    return lobby


def current_session(request: Request) -> Session | None:
    """Give who makes the request, signed in or with an activation pending; None for anybody else."""
    lobby = lobby_of(request)
    by_person = request.headers.get("HX-Request") != "true"
    return lobby.current(lobby.cookies.session(request), by_person=by_person)


def browser_of(request: Request) -> Browser:
    """Give the request's browser."""
    return lobby_of(request).cookies.browser(request)


OfLobby = Annotated[Lobby, Depends(lobby_of)]
Here = Annotated[Browser, Depends(browser_of)]
Whoever = Annotated[Session | None, Depends(current_session)]
FormToken = Annotated[str, Form()]


def pending_session(session: Whoever) -> Session:
    """Let in whose activation is pending. Raises RefusedError 'session-ended' for anybody else."""
    if session is None or not session.is_pending:
        raise RefusedError("session-ended")
    return session


Pending = Annotated[Session, Depends(pending_session)]


def from_our_page(browser: Here, form_token: FormToken = "") -> None:
    """Let in a form of one of our own pages. Raises RefusedError 'form-expired' for any other."""
    if not browser.sent(form_token):
        raise RefusedError("form-expired")


OurForm = Depends(from_our_page)


@router.get("/sign-in/{provider}", include_in_schema=False)
def begin(provider: str, lobby: OfLobby, browser: Here, district: str | None = None) -> Response:
    """Send the browser to the provider."""
    if district is not None and not _DISTRICT.fullmatch(district):
        raise RefusedError("district-unknown")
    return _away(lobby, browser, lobby.begin(provider, browser.token, district=district))


@router.get("/sign-in/{provider}/callback", include_in_schema=False)
def come_back(  # noqa: PLR0917 - each is a part of the request
    request: Request, provider: str, lobby: OfLobby, browser: Here, state: str = "", code: str = "", error: str = ""
) -> Response:
    """Take in who comes back from a provider.

    Who arrives without our state (Clever's portal and Instant Login, ClassLink's tile) might have been sent by
    somebody else with that person's code: the code is dropped, and a round of our own begun, which the provider
    answers by itself where the person really is signed in there.
    """
    if error:
        raise RefusedError("cancelled")
    if not state and provider in ROSTERING:
        return _away(lobby, browser, lobby.begin(provider, browser.token, restarted=True))
    if not state or not code or browser.is_new:
        raise RefusedError("state-unknown")
    return _in(lobby, lobby.come_back(provider, browser.token, state, code, lobby.cookies.session(request)))


@router.get("/log-in/{provider}", include_in_schema=False)
def log_in_elsewhere(provider: str, lobby: OfLobby, browser: Here, session: Whoever, form_token: str = "") -> Response:
    """Send the browser to an identity provider, by which its person logs in to the account they have.

    It is a link rather than a form, as our pages' forms may lead nowhere else; it carries the form's token all the
    same, so that no other site can make somebody go on with their activation.
    """
    if provider in ROSTERING:
        raise RefusedError("unknown-provider")
    pending = session if session is not None and session.is_pending else None
    if pending is not None and not browser.sent(form_token):
        raise RefusedError("form-expired")
    return _away(lobby, browser, lobby.begin(provider, browser.token, pending=pending))


@router.post("/log-in", include_in_schema=False, dependencies=[OurForm])
def log_in(
    request: Request,
    lobby: OfLobby,
    session: Whoever,
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
) -> Response:
    """Log in by email and password."""
    return _in(lobby, lobby.log_in(session, email, password, request.client.host if request.client else ""))


@router.post("/activate/create", include_in_schema=False, dependencies=[OurForm])
def create_account(lobby: OfLobby, session: Pending) -> Response:
    """Make an account for whose activation is pending."""
    return _in(lobby, lobby.create_account(session))


@router.post("/sign-out", include_in_schema=False, dependencies=[OurForm])
def sign_out(request: Request, lobby: OfLobby) -> Response:
    """End the session."""
    lobby.sign_out(lobby.cookies.session(request))
    return _out(lobby, f"{SIGN_IN_PAGE}?out=true")


@router.post("/not-me", include_in_schema=False, dependencies=[OurForm])
def not_me(request: Request, lobby: OfLobby, browser: Here, session: Whoever) -> Response:
    """End the session of somebody else at this computer, and all that was under way here.

    The page it leads to shows where to sign out of the provider, who would say the same person again.
    """
    lobby.not_me(lobby.cookies.session(request), browser.token)
    return _out(lobby, f"{SIGN_IN_PAGE}?not_me={session.provider if session else ''}")


def _away(lobby: Lobby, browser: Browser, address: str) -> Response:
    response = RedirectResponse(address, status_code=303)
    lobby.cookies.keep_browser(response, browser)
    return response


def _in(lobby: Lobby, session: Session) -> Response:
    response = RedirectResponse(ACTIVATION_PAGE if session.is_pending else SIGNED_IN_PAGE, status_code=303)
    lobby.cookies.keep_session(response, session.token)
    return response


def _out(lobby: Lobby, address: str) -> Response:
    response = RedirectResponse(address, status_code=303)
    lobby.cookies.forget(response)
    return response
