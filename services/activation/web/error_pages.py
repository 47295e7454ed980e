"""What goes wrong, as a page in plain words; never a traceback, never what the database said of its own accord."""

import uuid

import psycopg
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException

from services.activation.classes.acting import UnknownError
from services.activation.sign_in.outcomes import RefusedError
from services.activation.sign_in.router import ACTIVATION_PAGE, SIGN_IN_PAGE, current_session
from services.activation.web.activation_pages import NothingToActivateError, log_in_page, nothing_to_activate
from services.activation.web.sign_in_pages import sign_in_page
from services.activation.web.visit import ActivationNeededError, SignInNeededError, page, people_of

log = structlog.get_logger()

_WORDS = {
    400: ("We did not understand that.", "Go back and try again."),
    404: ("Nothing is here.", "This page has gone, or it was never yours. Your classes are on the first page."),
    405: ("Not this way.", "Start again from the first page."),
}


def add_error_pages(app: FastAPI) -> None:
    """Have the application answer every error with a page."""
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(SignInNeededError, _sign_in_needed)
    app.add_exception_handler(UnknownError, _sign_in_needed)
    app.add_exception_handler(ActivationNeededError, _activation_needed)
    app.add_exception_handler(NothingToActivateError, nothing_to_activate)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(psycopg.DataError, _unheard_of)
    for error in (psycopg.OperationalError, PoolTimeout):
        app.add_exception_handler(error, _database_away)
    app.add_exception_handler(Exception, _mistake_of_ours)


def _answer(
    request: Request,
    status: int,
    title: str,
    *text: str,
    to: str = "/",
    to_words: str = "To the first page",
    somebody: bool = False,
) -> Response:
    told = {"title": title, "text": text, "to": to, "to_words": to_words, "somebody": somebody}
    return page(people_of(request), request, "error.html", status, **told)


def _refused(request: Request, error: Exception) -> Response:
    """Say why it was not done: on the form itself where it was one to log in by, else on a page of its own."""
    assert isinstance(error, RefusedError)
    refused, people, session = error.refused, people_of(request), current_session(request)
    pending = session if session is not None and session.is_pending else None
    if request.url.path == "/log-in" and pending is None:
        return sign_in_page(request, people, refused=refused)
    if request.url.path == "/log-in" and pending is not None and refused.code != "done-elsewhere":
        try:
            return log_in_page(request, people, pending, refused)
        except RefusedError as worse:  # who was to log in has left the roster meanwhile, or the like
            refused = worse.refused
    to, words = (SIGN_IN_PAGE, "Sign in") if session is None else ("/", "Go back")
    somebody = session is not None
    return _answer(request, refused.status, refused.text, refused.what_to_do, to=to, to_words=words, somebody=somebody)


def _sign_in_needed(request: Request, _error: Exception) -> Response:
    if request.headers.get("HX-Request") == "true":
        return Response(status_code=401, headers={"HX-Refresh": "true"})
    if request.method != "GET":
        title, text = "You were away for too long.", "Nothing was done. Sign in again, then try once more."
        return _answer(request, 401, title, text, to=SIGN_IN_PAGE, to_words="Sign in")
    was_here = people_of(request).lobby.cookies.session(request) is not None
    return RedirectResponse(f"{SIGN_IN_PAGE}?ended=true" if was_here else SIGN_IN_PAGE, status_code=303)


def _activation_needed(request: Request, _error: Exception) -> Response:
    if request.headers.get("HX-Request") == "true":
        return Response(status_code=401, headers={"HX-Refresh": "true"})
    return RedirectResponse(ACTIVATION_PAGE, status_code=303)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _answer(request, error.status_code, *_WORDS.get(error.status_code, _WORDS[400]))


def _not_understood(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    status = 404 if any(problem["loc"][0] == "path" for problem in error.errors()) else 400
    return _answer(request, status, *_WORDS[status])


def _unheard_of(request: Request, _error: Exception) -> Response:
    """Answer what holds a character that no database knows."""
    return _answer(request, 400, *_WORDS[400])


def _database_away(request: Request, error: Exception) -> Response:
    log.warning("database-away", error=type(error).__name__)
    return _answer(request, 503, "We are not there just now.", "Nothing was done. Try again in a minute.")


def _mistake_of_ours(request: Request, error: Exception) -> Response:
    number = uuid.uuid4().hex[:8]
    log.error("page-failed", number=number, error=type(error).__name__)
    text = f"This is a mistake of ours, not yours. Tell somebody at your school the number {number}."
    return _answer(request, 500, "That went wrong.", text)
