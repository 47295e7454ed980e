"""Signing in and out."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from services.guard.desk.web.reviewers import sign_in
from services.guard.desk.web.visit import Desk, SentForm, csrf_fits, desk_of, page, write_session
from services.passwords import TRY_MINUTES, TooManyTriesError

router = APIRouter()
_OWN_ADDRESS = re.compile(r"/(?![/\\])[\x21-\x7e]*")
"""An address of the desk itself: '//host' and '/\\host' would lead elsewhere."""

OfDesk = Annotated[Desk, Depends(desk_of)]


def own_address(address: str) -> str:
    """Give the address where it is one of the desk's own, else the board's."""
    return address if _OWN_ADDRESS.fullmatch(address) else "/"


@router.get("/sign-in")
def sign_in_page(request: Request, desk: OfDesk, then: str = "/", ended: bool = False, out: bool = False) -> Response:
    """Show the form; a visitor's session holds its token."""
    said = "Your session has ended. Sign in again to go on where you were." if ended else ""
    return _form(desk, request, then, said="You are signed out." if out else said)


@router.post("/sign-in")
def sign_in_sent(  # noqa: PLR0917 - each is a field of the form
    request: Request,
    desk: OfDesk,
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    then: Annotated[str, Form()] = "/",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Sign in. What is wrong is never told apart: email or password."""
    if not csrf_fits(desk.cookies.read(request), csrf):
        return _form(desk, request, then, email, wrong="This form was open for too long. Try once more.", status=403)
    try:
        with desk.connection() as connection:
            found = sign_in(connection, email, password, request.client.host if request.client else "")
    except TooManyTriesError:
        wrong = f"Too many tries. Wait {TRY_MINUTES} minutes, then try again."
        answer = _form(desk, request, then, email, wrong=wrong, status=429)
        answer.headers["Retry-After"] = str(TRY_MINUTES * 60)
        return answer
    if found is None:
        return _form(desk, request, then, email, wrong="Email or password is not right.", status=401)
    response = RedirectResponse(own_address(then), status_code=303)
    write_session(desk, request, response, desk.cookies.begin(found.id))
    return response


@router.post("/sign-out")
def sign_out(visit: SentForm) -> Response:
    """End the session in this browser."""
    return visit.go_to("/sign-in?out=true", visit.desk.cookies.begin())


def _form(
    desk: Desk, request: Request, then: str, email: str = "", *, said: str = "", wrong: str = "", status: int = 200
) -> Response:
    session = desk.cookies.read(request) or desk.cookies.begin()
    answer = page(
        desk,
        request,
        "sign_in.html",
        status,
        csrf=session.csrf,
        then=own_address(then),
        email=email,
        said=said,
        wrong=wrong,
    )
    write_session(desk, request, answer, session)
    return answer
