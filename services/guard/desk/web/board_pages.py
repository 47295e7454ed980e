"""The board, and one district's nights."""

import hashlib
from typing import Any

import psycopg
from fastapi import APIRouter, HTTPException, Response

from services.guard.desk import read_model
from services.guard.desk.answers import BoardRow
from services.guard.desk.conflicts import open_by_district
from services.guard.desk.web.charts import history_chart
from services.guard.desk.web.labels import district_labels
from services.guard.desk.web.visit import SignedIn
from services.ingest.schedule import Window

router = APIRouter()
NIGHTS_SHOWN = 30


@router.get("/")
def board(visit: SignedIn, search: str = "", seen: str = "") -> Response:
    """Show every district as it is now; a page that is open is told only what has changed."""
    with visit.desk.snapshot() as connection:
        labels = district_labels(connection)
        conflicts = open_by_district(connection)
        found = read_model.board(connection, window=visit.desk.window)
    wanted = search.strip().casefold()
    rows = [row for row in found.rows if wanted in row.district or wanted in labels.of(row.district).name.casefold()]
    told = hashlib.blake2b(repr((found.states, rows, conflicts)).encode(), digest_size=8).hexdigest()
    if visit.is_refresh and seen == told:
        return Response(status_code=204)
    template = "board_live.html" if visit.is_refresh else "board.html"
    return visit.page(
        template, board=found, rows=rows, labels=labels, conflicts=conflicts, search=search.strip(), seen=told
    )


@router.get("/districts/{district}")
def district_nights(visit: SignedIn, district: str) -> Response:
    """Show a district's nights as a chart and a table, and what was held of it."""
    with visit.desk.snapshot() as connection:
        labels = district_labels(connection)
        nights = read_model.history(connection, district, NIGHTS_SHOWN)
        held = read_model.held_sets(connection, district)
        row = _row_of(connection, district, visit.desk.window)
        conflicts = open_by_district(connection).get(district, 0)
    if not labels.knows(district) and not nights:
        raise HTTPException(404, "No district of this name has been seen here.")
    chart = history_chart(nights, visit.desk.limit_percent)
    return visit.page(
        "district.html",
        label=labels.of(district),
        nights=nights,
        chart=chart,
        held_sets=held,
        row=row,
        conflicts=conflicts,
    )


def _row_of(connection: psycopg.Connection[Any], district: str, window: Window) -> BoardRow | None:
    rows = read_model.board(connection, district, window=window).rows
    return next((row for row in rows if row.district == district), None)
