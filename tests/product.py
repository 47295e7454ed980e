"""The product as a client of its HTTP interface, and the classroom that it asks about."""

import asyncio
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from psycopg_pool import ConnectionPool

from services.activation.api.app import create_api
from services.activation.api.problems import MEDIA_TYPE
from tests.classroom import Classroom

TOKEN = "0123456789abcdef0123456789abcdef"


@dataclass
class Product:
    """The product as a client, and the classroom that it asks about."""

    app: FastAPI
    database: str
    token_file: Path
    headers: dict[str, str]

    @cached_property
    def classroom(self) -> Classroom:
        """Accounts and classes to ask about."""
        return Classroom(self.database)

    def __call__(self, method: str, account: UUID, path: str = "", json: Any = None) -> Response:
        """Ask for an account."""
        return self.ask(method, f"/accounts/{account}{path}", json=json)

    def ask(self, method: str, path: str, **about: Any) -> Response:
        """Ask for any path of the interface."""

        async def asked() -> Response:
            transport = ASGITransport(app=self.app)
            async with AsyncClient(transport=transport, base_url="http://product", headers=self.headers) as client:
                return await client.request(method, f"/api{path}", **about)

        return asyncio.run(asked())


def product_of(pool: ConnectionPool[Any], database: str, token_file: Path) -> Product:
    """Give the product, with the interface mounted as it is beside the people's pages."""
    token_file.write_text(f"{TOKEN}\n", encoding="utf-8")
    app = FastAPI()
    app.mount("/api", create_api(pool, token_file))
    return Product(app, database, token_file, {"Authorization": f"Bearer {TOKEN}"})


def problem(answer: Response, status: int) -> dict[str, Any]:
    """Give the problem that an answer is, and see that it is one."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE), answer.text
    body = answer.json()
    assert body["status"] == status
    assert {"type", "title", "detail"} <= body.keys()
    assert isinstance(body, dict)
    return body
