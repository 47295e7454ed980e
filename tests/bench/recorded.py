"""A district's nights as bytes on disk: made once from the sandbox's generator, served without any work after.

`python -m tests.bench.recorded FOLDER` makes the server: GET pages as Clever (cursors) and OneRoster 1.1 (offsets and
a total) serve them, PUT /night/N to move on. The definition's provider, clever or oneroster, says which form is made.
"""

import argparse
import http.server
import os
import socketserver
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import msgspec
import numpy as np

from deploy.sandbox.clever_rows import CleverRows
from deploy.sandbox.collection import Collection
from deploy.sandbox.district import DistrictDefinition, SandboxDistrict
from deploy.sandbox.nights import play
from deploy.sandbox.oneroster_api import ENVELOPES
from deploy.sandbox.oneroster_rows import OneRosterRows
from deploy.sandbox.roster import Roster
from deploy.sandbox.truth import records
from schemas.records import RECORD_KINDS, RECORD_TYPES, Class, digest_of, encode_record

LIMITS = {"districts": 1, "schools": 10_000, "terms": 10_000, "courses": 10_000, "users": 10_000, "sections": 1_000}
"""Rows a page of each of Clever's collections, as ingest asks for them."""

ONEROSTER = ("orgs", "academicSessions", "courses", "users", "classes", "enrollments")
ONEROSTER_LIMIT = 10_000
"""Rows a page of each of OneRoster's collections: ClassLink's maximum, and its advice for bulk reading."""

KEPT = timedelta(days=30)
"""How old a recording may be: its current term lasts longer, so that it says the same all that time."""

_KIND_OF = {record_type: kind for kind, record_type in RECORD_TYPES.items()}


class Truth(msgspec.Struct):
    """What must stand in the database and on the topic after a night: digests by "kind/id", and the places."""

    digests: dict[str, bytes]
    places: int

    def totals(self) -> dict[str, int]:
        """Give how many records of each kind there are, and places."""
        kinds = Counter(key.partition("/")[0] for key in self.digests)
        return {**{kind: kinds[kind] for kind in RECORD_KINDS}, "places": self.places}


def recorded(folder: Path, name: str, definition: DistrictDefinition, nights: int) -> tuple[Path, DistrictDefinition]:
    """Give where a district's nights are recorded, and its definition, whose terms may lie around an earlier day.

    They are made where nobody has in the last month. Remove the folder after a change to the generator.
    """
    days = (date.fromisoformat(each.name[-len("2026-11-27") :]) for each in folder.glob(f"{name}-????-??-??"))
    anchor = max((day for day in days if definition.anchor - KEPT <= day), default=definition.anchor)
    place, found = folder / f"{name}-{anchor}", msgspec.structs.replace(definition, anchor=anchor)
    record(place, found, nights)
    return place, found


def record(folder: Path, definition: DistrictDefinition, nights: int) -> None:
    """Write the pages and the truth of nights 1 to `nights`, unless they are there already."""
    district: SandboxDistrict | None = None
    for night in range(1, nights + 1):
        place = folder / f"night-{night}"
        if (place / "truth").exists():
            continue
        district = play(definition, night, district)
        roster = Roster(district)
        place.mkdir(parents=True, exist_ok=True)
        if definition.provider == "clever":
            _record_clever(place, roster)
        else:
            _record_oneroster(place, roster)
        (place / "truth").write_bytes(msgspec.msgpack.encode(_truth(roster, definition.anchor)))


def truth(folder: Path, night: int) -> Truth:
    """Give the truth of a recorded night."""
    return msgspec.msgpack.decode((folder / f"night-{night}" / "truth").read_bytes(), type=Truth)


def _record_clever(place: Path, roster: Roster) -> None:
    for name, collection in CleverRows(roster, "v3.0").collections().items():
        if name in LIMITS:
            for cursor, body in _pages(name, collection, LIMITS[name]):
                (place / f"{name}.{cursor}").write_bytes(body)


def _record_oneroster(place: Path, roster: Roster) -> None:
    """Write each page under the offset that it starts at, the empty one behind the last too, and the total."""
    collections = OneRosterRows(roster, "v1p1", text_booleans=False).collections()
    for name in ONEROSTER:
        collection = collections[name]
        for start in range(0, len(collection) + ONEROSTER_LIMIT, ONEROSTER_LIMIT):
            offset = min(start, len(collection))
            rows = collection.make(np.arange(offset, min(start + ONEROSTER_LIMIT, len(collection))))
            (place / f"{name}.{offset}").write_bytes(msgspec.json.encode({ENVELOPES[name]: rows}))
        (place / f"{name}.total").write_text(str(len(collection)), encoding="utf-8")


def _pages(name: str, collection: Collection, limit: int) -> Iterator[tuple[str, bytes]]:
    cursor = ""
    for start in range(0, max(len(collection), 1), limit):
        end = min(start + limit, len(collection))
        ids = [collection.id_of(at) for at in range(start, end)]
        rows = collection.make(np.arange(start, end))
        links = [{"rel": "self", "uri": f"/v3.0/{name}"}]
        if end < len(collection):
            links.append({"rel": "next", "uri": f"/v3.0/{name}?limit={limit}&starting_after={ids[-1]}"})
        data = [{"data": row, "uri": f"/v3.0/{name}/{id_}"} for row, id_ in zip(rows, ids, strict=True)]
        yield cursor, msgspec.json.encode({"data": data, "links": links})
        cursor = ids[-1] if ids else ""


def _truth(roster: Roster, today: date) -> Truth:
    made = Truth({}, 0)
    for each in records(roster, today):
        made.digests[f"{_KIND_OF[type(each)]}/{each.id}"] = bytes.fromhex(digest_of(encode_record(each)))
        if isinstance(each, Class):
            made.places += len(each.teachers) + len(each.students)
    return made


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    folder: Path
    night = 1

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        query, place = dict(parse_qsl(asked.query)), self.folder / f"night-{self.night}"
        name = asked.path.rpartition("/")[2]
        total = place / f"{name}.total"
        cursor = query.get("offset", "0") if total.exists() else query.get("starting_after", "")
        with (place / f"{name}.{cursor}").open("rb") as body:
            self._head(os.fstat(body.fileno()).st_size, total.read_text() if total.exists() else None)
            self.connection.sendfile(body)

    def do_PUT(self) -> None:
        type(self).night = int(self.path.rpartition("/")[2])
        self._head(2, None)
        self.wfile.write(b"{}")

    def _head(self, size: int, total: str | None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(size))
        if total is not None:
            self.send_header("X-Total-Count", total)
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


def main() -> None:
    """Serve the folder's nights; the first line of output is the port."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.recorded")
    parser.add_argument("folder", type=Path)
    _Handler.folder = parser.parse_args().folder
    server = _Server(("127.0.0.1", 0), _Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
