"""The people's pages as an application, with the addresses of sign-in, and the product's interface below /api."""

from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.templating import Jinja2Templates

from services.activation.sign_in.router import router as sign_in_router
from services.activation.web import activation_pages, class_pages, sign_in_pages
from services.activation.web.error_pages import add_error_pages
from services.activation.web.visit import People
from services.pages.skeleton import dress, environment

HERE = Path(__file__).parent


def people_app(people: People, api: FastAPI) -> FastAPI:
    """Give the application that people sign in at, with the product's interface mounted in it."""
    app = FastAPI(title="Rollcall", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.people = people
    app.state.lobby = people.lobby
    dress(app, HERE)
    add_error_pages(app)
    app.mount("/api", api, name="api")
    app.add_api_route("/healthz", _health, include_in_schema=False)
    for router in (sign_in_pages.router, activation_pages.router, class_pages.router, sign_in_router):
        app.include_router(router)
    return app


def page_templates() -> Jinja2Templates:
    """Give the templates of the people's pages."""
    return Jinja2Templates(env=environment(HERE))


def _health(_request: Request) -> Response:
    """Say that the pages are served."""
    return PlainTextResponse("the pages are open\n")
