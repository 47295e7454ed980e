"""Many Clever districts of one size: one recorded district, served to each under ids and addresses of its own.

`python -m tests.bench.recorded_districts FOLDER` makes the server: the district is the first part of the path, PUT
/night/N moves on. Each collection is one page. Ids keep their length, so that an answer is two replacements of bytes.
"""

import argparse
import asyncio
import functools
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from deploy.sandbox.district import DistrictDefinition
from deploy.sandbox.ids import clever_prefix
from deploy.sandbox.nights import play
from deploy.sandbox.roster import Roster
from deploy.sandbox.truth import records
from schemas.records import RECORD_TYPES, digest_of, encode_record
from tests.bench.recorded import LIMITS, recorded

MODEL = "district-00000"
NIGHTS = 3
_KIND_OF = {record_type: kind for kind, record_type in RECORD_TYPES.items()}


def district_name(number: int) -> str:
    """Give the name of a district, as long as the recorded one's."""
    return f"district-{number:05d}"


def recorded_model(folder: Path, students: int) -> Path:
    """Give where the nights of such a district are recorded; they are made where nobody has lately."""
    definition = DistrictDefinition(
        district=MODEL,
        name="One of many",
        provider="clever",
        students=students,
        seed=17,
        anchor=datetime.now(UTC).date(),
        script=("first", "unchanged", "ordinary"),
    )
    place, definition = recorded(folder, f"model-{students}", definition, NIGHTS)
    if len(list((place / "night-1").glob("sections.*"))) > 1:
        raise ValueError(f"{students:,} students have more than {LIMITS['sections']:,} classes: more than one page")
    district = None
    for night in range(1, NIGHTS + 1):
        district = play(definition, night, district)
        told = [
            (f"{_KIND_OF[type(each)]}/{each.id}", encode_record(each))
            for each in records(Roster(district), definition.anchor)
        ]
        (place / f"night-{night}" / "records").write_bytes(msgspec.msgpack.encode(told))
    return place


class Truths:
    """What must stand in the database and on the topic after a night of any of the districts."""

    def __init__(self, folder: Path, night: int) -> None:
        stored = (folder / f"night-{night}" / "records").read_bytes()
        self._records = msgspec.msgpack.decode(stored, type=list[tuple[str, bytes]])

    def digests(self, district: str) -> Iterator[tuple[str, bytes]]:
        """Give the digest of each of the district's records, by "kind/id"."""
        for key, encoded in self._records:
            yield _own(key.encode(), district).decode(), bytes.fromhex(digest_of(_own(encoded, district)))


def _own(value: bytes, district: str) -> bytes:
    return value.replace(_id_prefix(MODEL), _id_prefix(district)).replace(MODEL.encode(), district.encode())


@functools.lru_cache(maxsize=100_000)
def _id_prefix(district: str) -> bytes:
    """Give how all Clever ids of the district begin, whatever their kind."""
    return clever_prefix(district, "school")[:10].encode()


class _Connection(asyncio.Protocol):
    """One client's requests, which have no body; they are answered in the order in which they come."""

    nights: Mapping[int, Mapping[str, bytes]]
    night = 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head, self._received = self._received[:end], self._received[end + 4 :]
            method, target, _ = head.split(b" ", 2)
            body = self._answer(method, target.decode().partition("?")[0])
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            )
            self._transport.write(body)

    def _answer(self, method: bytes, path: str) -> bytes:
        name = path.rpartition("/")[2]
        if method == b"PUT":
            type(self).night = int(name)
            return b"{}"
        return _own(self.nights[self.night][name], path.split("/", 2)[1])


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def main() -> None:
    """Serve the folder's nights to any district; the first line of output is the port."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.recorded_districts")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    _Connection.nights = {
        night: {name: (folder / f"night-{night}" / f"{name}.").read_bytes() for name in LIMITS}
        for night in range(1, NIGHTS + 1)
    }
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
