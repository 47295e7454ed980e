"""A visit: one request with who makes it, what they may do, and how it is answered.

Rights are checked here, on the server, for every request anew: a reviewer who was removed or changed is so at once.
"""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import psycopg
from fastapi import Depends, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates
from psycopg_pool import ConnectionPool

from services.guard.desk.web.reviewers import Reviewer, reviewer
from services.guard.desk.web.session_cookie import Session, SessionCookies
from services.ingest.schedule import Window
from services.messages import Publisher

POOL_SECONDS = 5


class SignInNeededError(Exception):
    """Nobody is signed in, or not any more."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the pages work with. The connections may do what the role rollcall_desk may do."""

    pool: ConnectionPool[psycopg.Connection[Any]]
    publisher: Publisher
    cookies: SessionCookies
    templates: Jinja2Templates
    limit_percent: int
    window: Window

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """Lend a connection. Raises psycopg_pool.PoolTimeout or psycopg.OperationalError where none can be had."""
        with self.pool.connection(timeout=POOL_SECONDS) as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[psycopg.Connection[Any]]:
        """Lend a connection that sees one moment: what a page says of a set and of its decisions fits together.

        What is written is durable once the block has ended. Raises as `connection` does.
        """
        with self.connection() as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield connection


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of somebody who is signed in."""

    desk: Desk
    request: Request
    session: Session
    reviewer: Reviewer

    def page(self, template: str, *, status: int = 200, **context: Any) -> Response:
        """Answer with a page."""
        return page(self.desk, self.request, template, status, me=self.reviewer, csrf=self.session.csrf, **context)

    def go_to(self, address: str, session: Session | None = None) -> Response:
        """Answer a form: the browser goes to a page of the desk, with its session changed where one is given."""
        response = RedirectResponse(address, status_code=303)
        if session is not None:
            write_session(self.desk, self.request, response, session)
        return response

    @property
    def is_refresh(self) -> bool:
        """Tell whether a page that is open asks for a part of itself anew."""
        return self.request.headers.get("HX-Request") == "true"


def page(desk: Desk, request: Request, template: str, status: int = 200, **context: Any) -> Response:
    """Answer with a page, for whoever asks."""
    return desk.templates.TemplateResponse(request, template, context, status_code=status)


def write_session(desk: Desk, request: Request, response: Response, session: Session) -> None:
    """Have the browser keep the session; over https it is sent over https alone."""
    desk.cookies.write(response, session, secure=request.url.scheme == "https")


def desk_of(request: Request) -> Desk:
    """Give the desk that answers the request."""
    desk: Desk = request.app.state.desk
    return desk


def csrf_fits(session: Session | None, token: str) -> bool:
    """Tell whether a form came from a page that this very session was shown."""
    return session is not None and hmac.compare_digest(session.csrf.encode(), token.encode())


def signed_in(request: Request) -> Visit:
    """Let in who is signed in. Raises SignInNeededError."""
    desk = desk_of(request)
    session = desk.cookies.read(request)
    if session is None or session.reviewer_id is None:
        raise SignInNeededError
    with desk.connection() as connection:
        found = reviewer(connection, session.reviewer_id)
    if found is None:
        raise SignInNeededError
    return Visit(desk, request, session, found)


def sent_form(visit: Annotated[Visit, Depends(signed_in)], csrf: Annotated[str, Form()] = "") -> Visit:
    """Let in a form of one of the desk's own pages. Raises HTTPException 403 for any other."""
    if not csrf_fits(visit.session, csrf):
        raise HTTPException(403, "This form did not come from a page of your session. Open the page again and resend.")
    return visit


def deciding(visit: Annotated[Visit, Depends(signed_in)]) -> Visit:
    """Let in who may decide. Raises HTTPException 403."""
    if not visit.reviewer.may_decide:
        raise HTTPException(
            403, "You may look at everything here; approving and rejecting is for reviewers and operators."
        )
    return visit


def sent_decision(visit: Annotated[Visit, Depends(sent_form)]) -> Visit:
    """Let in a form of the desk's own from somebody who may decide. Raises HTTPException 403."""
    return deciding(visit)


def operating(visit: Annotated[Visit, Depends(signed_in)]) -> Visit:
    """Let in operators. Raises HTTPException 403."""
    if visit.reviewer.role != "operator":
        raise HTTPException(403, "You may look at the calendar; adding to it and removing from it is for operators.")
    return visit


def sent_entry(visit: Annotated[Visit, Depends(sent_form)]) -> Visit:
    """Let in a form of the desk's own from an operator. Raises HTTPException 403."""
    return operating(visit)


SignedIn = Annotated[Visit, Depends(signed_in)]
SentForm = Annotated[Visit, Depends(sent_form)]
Deciding = Annotated[Visit, Depends(deciding)]
SentDecision = Annotated[Visit, Depends(sent_decision)]
Operating = Annotated[Visit, Depends(operating)]
SentEntry = Annotated[Visit, Depends(sent_entry)]
