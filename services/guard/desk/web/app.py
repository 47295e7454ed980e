"""The desk as an application: its pages, its templates, and what every answer has in common."""

from datetime import datetime
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.templating import Jinja2Templates

from schemas.records import KINDS, RECORD_KINDS
from services.clock import now
from services.guard.desk.web import (
    activation_charts,
    activation_conflict_pages,
    activation_pages,
    board_pages,
    calendar_entry_pages,
    calendar_pages,
    change_pages,
    charts,
    decision_pages,
    looks_pages,
    plain_words,
    set_pages,
    sign_in_pages,
)
from services.guard.desk.web.error_pages import add_error_pages
from services.guard.desk.web.visit import Desk
from services.pages.skeleton import dress, environment

HERE = Path(__file__).parent
PAGES = (
    sign_in_pages,
    board_pages,
    set_pages,
    change_pages,
    decision_pages,
    calendar_entry_pages,
    calendar_pages,
    looks_pages,
    activation_pages,
    activation_conflict_pages,
)


def desk_app(desk: Desk) -> FastAPI:
    """Give the application that serves this desk."""
    app = FastAPI(title="Rollcall review desk", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.desk = desk
    dress(app, HERE)
    add_error_pages(app)
    app.add_api_route("/healthz", _health, include_in_schema=False)
    for module in PAGES:
        app.include_router(module.router)
    return app


def page_templates() -> Jinja2Templates:
    """Give the desk's templates."""
    templates = environment(HERE)
    templates.filters.update(
        number=plain_words.number,
        clock=lambda moment, zone: plain_words.clock(moment, zone, now()),
        exact=plain_words.exact,
        ago=lambda moment: plain_words.ago(moment, now()),
        duration=plain_words.duration,
        coming=lambda moment, zone: plain_words.coming(moment, zone, now()),
    )
    templates.globals.update(
        KINDS=KINDS,
        RECORD_KINDS=RECORD_KINDS,
        SIGNS=plain_words.SIGNS,
        OP_WORDS=plain_words.OP_WORDS,
        ONE=plain_words.ONE,
        MANY=plain_words.MANY,
        FIELD_WORDS=plain_words.FIELD_WORDS,
        row_text=plain_words.row_text,
        done_summary=plain_words.done_summary,
        difference_text=plain_words.difference_text,
        name_of=plain_words.name_of,
        what_differs=plain_words.what_differs,
        share_bar=charts.share_bar,
        stacked_bar=activation_charts.stacked_bar,
        activated_share=activation_charts.share,
        date_of=_date_of,
        day_in_words=plain_words.day_in_words,
        day_of_years=plain_words.day_of_years,
    )
    return Jinja2Templates(env=templates)


def _date_of(moment: datetime, zone: str) -> str:
    there = plain_words.zoned(moment, zone)
    return f"{there:%a} {there.day} {there:%b}"


def _health(_request: Request) -> Response:
    """Say that the desk serves."""
    return PlainTextResponse("the desk is open\n")
