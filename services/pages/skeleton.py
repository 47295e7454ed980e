"""What every application with pages begins as: templates that escape everything, shared style, the same headers."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.pages.security_headers import SecurityHeaders

HERE = Path(__file__).parent


def dress(app: FastAPI, folder: Path) -> None:
    """Give the application the headers of every answer, and the static files of its folder and of all pages."""
    app.add_middleware(SecurityHeaders)
    app.mount("/static/shared", StaticFiles(directory=HERE / "static"), name="shared")
    app.mount("/static", StaticFiles(directory=folder / "static"), name="static")


def environment(folder: Path) -> Environment:
    """Give the templates of a folder, which may extend `document.html`.

    Everything is escaped, and a name that a page forgot to give is an error.
    """
    return Environment(
        loader=FileSystemLoader([folder / "templates", HERE / "templates"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
