"""The interface as an application, to be mounted or served by itself."""

from pathlib import Path
from typing import Any

import psycopg
from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from psycopg_pool import ConnectionPool

from services.activation.api import account_routes, class_routes
from services.activation.api.access import Access, let_in
from services.activation.api.problems import Problem, add_problems, described
from services.database.connect import with_role

POOL_SECONDS = 5


def product_pool(dsn: str, connections: int = 8) -> ConnectionPool[psycopg.Connection[Any]]:
    """Give a pool, not yet open, of at most so many connections of the role rollcall_product."""
    return ConnectionPool(
        with_role(dsn, "rollcall_product"),
        kwargs={"autocommit": True},
        min_size=1,
        max_size=connections,
        open=False,
        timeout=POOL_SECONDS,
        check=ConnectionPool.check_connection,
        name="product",
    )


def create_api(pool: ConnectionPool[psycopg.Connection[Any]], token_file: Path | None) -> FastAPI:
    """Give the application. The pool is `product_pool`'s; whoever serves opens it before and closes it after.

    Every request needs the token in the file; without a file all are answered 503. `/openapi.json` is for everybody.
    """
    app = FastAPI(
        title="Rollcall for the product",
        version="1",
        description="What an account sees and does in its classes. Rules are enforced, and explained, by the database.",
        docs_url=None,  # they would load scripts from elsewhere
        redoc_url=None,
        dependencies=[Depends(let_in)],
        responses=described(401, 422, 500, 503),
    )
    app.state.access = Access(pool, token_file)
    for routes in (account_routes, class_routes):
        app.include_router(routes.router)
    add_problems(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # as FastAPI's manual has it
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Give the OpenAPI document, with the schema that every problem refers to."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, servers=app.servers
        )
        schemas = document["components"]["schemas"]
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= problem.pop("$defs")
        schemas["Problem"] = problem
        app.openapi_schema = document
    return app.openapi_schema
