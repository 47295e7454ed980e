"""The people's pages as an application: what every answer has in common, and what is mounted beside the pages."""

from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

from services.pages.skeleton import dress

HERE = Path(__file__).parent


def people_app() -> FastAPI:
    """Give the application that people sign in at."""
    app = FastAPI(title="Rollcall", openapi_url=None, docs_url=None, redoc_url=None)
    dress(app, HERE)
    app.add_api_route("/healthz", _health, include_in_schema=False)
    return app


def _health(_request: Request) -> Response:
    """Say that the pages are served."""
    return PlainTextResponse("the pages are open\n")
