"""A Clever district's nights as bytes on disk: made once from the sandbox's generator, served without any work after.

`python -m tests.bench.recorded FOLDER` makes the server: GET pages as Clever serves them, PUT /night/N to move on.
"""

import argparse
import http.server
import socketserver
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import msgspec
import numpy as np

from deploy.sandbox.clever_rows import CleverRows
from deploy.sandbox.collection import Collection
from deploy.sandbox.district import DistrictDefinition, SandboxDistrict
from deploy.sandbox.nights import play
from deploy.sandbox.roster import Roster
from deploy.sandbox.truth import records
from schemas.records import RECORD_KINDS, RECORD_TYPES, Class, digest_of, encode_record

LIMITS = {"districts": 1, "schools": 10_000, "terms": 10_000, "courses": 10_000, "users": 10_000, "sections": 1_000}
"""Rows a page, as ingest asks for them."""

_KIND_OF = {record_type: kind for kind, record_type in RECORD_TYPES.items()}


class Truth(msgspec.Struct):
    """What must stand in the database and on the topic after a night: digests by "kind/id", and the places."""

    digests: dict[str, bytes]
    places: int

    def totals(self) -> dict[str, int]:
        """Give how many records of each kind there are, and places."""
        kinds = Counter(key.partition("/")[0] for key in self.digests)
        return {**{kind: kinds[kind] for kind in RECORD_KINDS}, "places": self.places}


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
        for name, collection in CleverRows(roster, "v3.0").collections().items():
            if name in LIMITS:
                for cursor, body in _pages(name, collection, LIMITS[name]):
                    (place / f"{name}.{cursor}").write_bytes(body)
        (place / "truth").write_bytes(msgspec.msgpack.encode(_truth(roster, definition.anchor)))


def truth(folder: Path, night: int) -> Truth:
    """Give the truth of a recorded night."""
    return msgspec.msgpack.decode((folder / f"night-{night}" / "truth").read_bytes(), type=Truth)


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

    def do_PUT(self) -> None:
        type(self).night = int(self.path.rpartition("/")[2])
        self._answer(b"{}")

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        cursor = dict(pair.split("=") for pair in query.split("&") if pair).get("starting_after", "")
        self._answer((self.folder / f"night-{self.night}" / f"{path.rpartition('/')[2]}.{cursor}").read_bytes())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

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
