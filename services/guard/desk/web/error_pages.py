"""What goes wrong, as a page in plain words; never a traceback, never what the database said."""

import uuid
from urllib.parse import quote

import psycopg
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException

from services.guard.desk.web.visit import SignInNeededError, desk_of, page
from services.messages import PublishError

log = structlog.get_logger()

_WORDS = {
    400: ("That cannot be read", "The desk did not understand what your browser sent. Go back and try again."),
    403: ("Not yours to do", "Your role does not allow this."),
    404: ("Nothing is here", "No page has this address. It may have been mistyped, or what it showed is gone."),
    405: ("Not this way", "This address takes no such request. Start again from the board."),
}


def add_error_pages(app: FastAPI) -> None:
    """Have the application answer every error with a page."""
    app.add_exception_handler(SignInNeededError, _sign_in_needed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(psycopg.DataError, _unheard_of)
    for error in (psycopg.OperationalError, PoolTimeout):
        app.add_exception_handler(error, _database_away)
    app.add_exception_handler(PublishError, _kafka_away)
    app.add_exception_handler(Exception, _mistake_of_ours)


def _answer(request: Request, status: int, title: str, text: str) -> Response:
    return page(desk_of(request), request, "error.html", status, title=title, text=text)


def _sign_in_needed(request: Request, _error: Exception) -> Response:
    if request.headers.get("HX-Request") == "true":
        return Response(status_code=401, headers={"HX-Refresh": "true"})
    if request.method != "GET":
        text = "Nothing was done. Sign in again, then open the page once more."
        return _answer(request, 401, "Your session has ended", text)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    ended = "&ended=true" if request.cookies else ""
    return RedirectResponse(f"/sign-in?then={quote(here, safe='')}{ended}", status_code=303)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    title, text = _WORDS.get(error.status_code, _WORDS[400])
    said = str(error.detail) if error.detail and error.detail.endswith(".") else text
    return _answer(request, error.status_code, title, said)


def _not_understood(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    status = 404 if any(problem["loc"][0] == "path" for problem in error.errors()) else 400
    return _answer(request, status, *_WORDS[status])


def _unheard_of(request: Request, _error: Exception) -> Response:
    """Answer an address with a number or a character that no database knows."""
    return _answer(request, 404, *_WORDS[404])


def _database_away(request: Request, error: Exception) -> Response:
    log.warning("database-away", error=type(error).__name__)
    text = "The desk cannot reach its database. Nothing was done. Try again in a minute; held nights stay held."
    return _answer(request, 503, "The desk is not there just now", text)


def _kafka_away(request: Request, error: Exception) -> Response:
    log.warning("kafka-away", error=type(error).__name__)
    text = "Your decision could not be sent, so nothing was decided. Try again in a minute."
    return _answer(request, 503, "Nothing was decided", text)


def _mistake_of_ours(request: Request, error: Exception) -> Response:
    number = uuid.uuid4().hex[:8]
    log.error("page-failed", number=number, path=request.url.path, error=type(error).__name__)
    text = f"This is a mistake of the desk, not yours. Nothing was decided. Tell an operator the number {number}."
    return _answer(request, 500, "That went wrong", text)
