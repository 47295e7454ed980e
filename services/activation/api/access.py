"""Who may use the interface: the product, by its bearer token; and the connection that a request works with."""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import psycopg
from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from psycopg_pool import ConnectionPool

SHORTEST_TOKEN = 32

_bearer = HTTPBearer(auto_error=False, description="the product's token, as in ROLLCALL_PRODUCT_TOKEN_FILE")


@dataclass(frozen=True, slots=True)
class Access:
    """What the interface works with. The connections may do what the role rollcall_product may do."""

    pool: ConnectionPool[psycopg.Connection[Any]]
    token_file: Path | None


def let_in(request: Request, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> None:
    """Let in who has the product's token, as the file has it now. Raises HTTPException 401, or 503 without a token."""
    access: Access = request.app.state.access
    if not hmac.compare_digest((sent.credentials if sent else "").encode(), _token(access.token_file).encode()):
        raise HTTPException(401, "Send the product's token: Authorization: Bearer …")


def _token(file: Path | None) -> str:
    if file is None:
        raise HTTPException(503, "No product is let in here: ROLLCALL_PRODUCT_TOKEN_FILE is not set.")
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise HTTPException(503, "The file that ROLLCALL_PRODUCT_TOKEN_FILE names cannot be read.") from None
    if len(token) < SHORTEST_TOKEN:
        raise HTTPException(
            503, f"The token in ROLLCALL_PRODUCT_TOKEN_FILE is shorter than {SHORTEST_TOKEN} characters."
        )
    return token


def lent_connection(request: Request) -> Iterator[psycopg.Connection[Any]]:
    """Lend a connection. Raises psycopg_pool.PoolTimeout or psycopg.OperationalError where none can be had."""
    access: Access = request.app.state.access
    with access.pool.connection() as connection:
        yield connection


Connection = Annotated[psycopg.Connection[Any], Depends(lent_connection)]
