"""Every answer that is not what was asked for, as problem details (RFC 9457). A refusal's words are the database's."""

import uuid
from typing import Any

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from services.activation.classes.acting import RefusedError, UnknownError

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"

UNFIT = ("name-length", "course-id-length")
"""Rules that what was sent breaks whoever sends it."""

TITLES = {
    401: "No valid token",
    403: "A rule does not allow it",
    404: "Not found",
    405: "Not this way",
    422: "Not understood",
    500: "A mistake of ours",
    503: "Not available now",
}


class Misfit(BaseModel):
    """A part of a request that does not fit; what was in it is not repeated."""

    location: str = Field(description="where: path, query or body, and the field", examples=["body/name"])
    detail: str


class Problem(BaseModel):
    """Problem details, RFC 9457."""

    type: str = Field(examples=["urn:rollcall:problem:students-come-from-the-district"])
    title: str = Field(examples=[TITLES[403]])
    status: int = Field(examples=[403])
    detail: str = Field(description="why, for the person", examples=["Students come from your district."])
    rule: str | None = Field(
        default=None,
        description="the rule that refuses, of those of `may`",
        examples=["students-come-from-the-district"],
    )
    instead: str | None = Field(
        default=None,
        description="what to do instead, for the person",
        examples=["Ask your school office to change the roster; it shows up after the next night."],
    )
    errors: list[Misfit] | None = None


def problem(status: int, code: str, detail: str, **members: Any) -> JSONResponse:
    """Give the answer."""
    body = Problem(
        type=f"urn:rollcall:problem:{code}",
        title=TITLES.get(status, TITLES[422]),
        status=status,
        detail=detail,
        **members,
    )
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse(body.model_dump(exclude_none=True), status, headers, MEDIA_TYPE)


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Give what OpenAPI tells of these answers."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": TITLES[status], "content": content} for status in statuses}


def add_problems(app: FastAPI) -> None:
    """Have the application answer every error with a problem."""
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(HTTPException, _http)
    for error in (psycopg.OperationalError, PoolTimeout):
        app.add_exception_handler(error, _database_away)
    for mistake in (psycopg.Error, Exception):  # the first so that no server logs its text, which may quote a row
        app.add_exception_handler(mistake, _mistake_of_ours)


def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RefusedError)
    status = 404 if isinstance(error, UnknownError) else 422 if error.rule in UNFIT else 403
    return problem(status, error.rule, error.text, rule=error.rule, instead=error.instead)


def _not_understood(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [Misfit(location="/".join(map(str, one["loc"])), detail=str(one["msg"])) for one in error.errors()]
    return problem(422, "not-understood", "The request is not as the interface describes it.", errors=errors)


def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = {401: "token", 404: "no-such-address", 405: "method", 503: "not-set-up"}.get(error.status_code, "request")
    return problem(error.status_code, code, str(error.detail))


def _database_away(_request: Request, error: Exception) -> JSONResponse:
    log.warning("database-away", error=type(error).__name__)
    return problem(503, "database", "The accounts database does not answer. Nothing was done; try again in a minute.")


def _mistake_of_ours(request: Request, error: Exception) -> JSONResponse:
    number = uuid.uuid4().hex[:8]
    log.error("product-api-failed", number=number, path=request.url.path, error=type(error).__name__)
    return problem(500, "mistake", f"Something is wrong with this service. Tell an operator the number {number}.")
