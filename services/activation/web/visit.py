"""A visit: one request of somebody who is signed in, and how it is answered."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import psycopg
from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates
from psycopg_pool import ConnectionPool

from services.activation.sign_in.lobby import Lobby
from services.activation.sign_in.router import OurForm, Whoever
from services.activation.web.districts import DistrictDirectory

Pool = ConnectionPool[psycopg.Connection[Any]]


@dataclass(frozen=True, slots=True)
class People:
    """What the pages work with. The pool's connections may do what the role rollcall_product may do."""

    lobby: Lobby
    product: Pool
    districts: DistrictDirectory
    templates: Jinja2Templates
    address: str


class SignInNeededError(Exception):
    """Nobody is signed in, or not any more."""


class ActivationNeededError(Exception):
    """Who is signed in has yet to say which account is theirs."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of somebody who is signed in to their account."""

    people: People
    request: Request
    account_id: UUID

    def page(self, template: str, *, status: int = 200, **context: Any) -> Response:
        """Answer with a page."""
        return page(self.people, self.request, template, status, **context)

    def go_to(self, address: str) -> Response:
        """Answer a form: the browser goes to another of our pages."""
        return RedirectResponse(address, status_code=303)

    @property
    def is_refresh(self) -> bool:
        """Tell whether a page that is open asks for a part of itself anew."""
        return self.request.headers.get("HX-Request") == "true"


def page(people: People, request: Request, template: str, status: int = 200, **context: Any) -> Response:
    """Answer with a page, for whoever asks; a browser that has no token for its forms yet keeps one."""
    browser = people.lobby.cookies.browser(request)
    given = {"form_token": browser.form_token, **context}
    response = people.templates.TemplateResponse(request, template, given, status_code=status)
    people.lobby.cookies.keep_browser(response, browser)
    return response


def people_of(request: Request) -> People:
    """Give what the request's application works with."""
    people: People = request.app.state.people
    return people


OfPeople = Annotated[People, Depends(people_of)]


def signed_in(request: Request, people: OfPeople, session: Whoever) -> Visit:
    """Let in who is signed in to an account. Raises SignInNeededError, ActivationNeededError."""
    if session is None:
        raise SignInNeededError
    if session.account_id is None:
        raise ActivationNeededError
    return Visit(people, request, UUID(session.account_id))


SignedIn = Annotated[Visit, Depends(signed_in)]


def sent_form(visit: SignedIn, _ours: Annotated[None, OurForm]) -> Visit:
    """Let in a form of one of our own pages. Raises RefusedError 'form-expired' for any other."""
    return visit


SentForm = Annotated[Visit, Depends(sent_form)]
