"""The proof that a recorded night came out right: database and `roster.updates` hold what the generator says."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from kafka import KafkaConsumer, TopicPartition

from schemas.records import RECORD_KINDS, Kind, digest_of, encode_record
from schemas.topics import UPDATES
from services.database.connect import connect
from services.diff.applied import AppliedRoster
from tests.bench.recorded import truth
from tests.pipeline import Pipeline

_ROWS_AT_ONCE = 20_000


class WrongResultError(Exception):
    """A night did not end as the generator says it must."""


class _Update(msgspec.Struct):
    """A record's update, or RosterSynced, which has no kind."""

    district: str
    kind: str | None = None
    id: str | None = None
    digest: str | None = None
    roster_version: int = 0
    position: int = 0


class UpdatesReader:
    """The state that a subscriber of `roster.updates` has: digests by "kind/id"."""

    def __init__(self, running: Pipeline) -> None:
        name = running.prefix + UPDATES.name
        self._consumer = KafkaConsumer(bootstrap_servers=running.kafka, enable_auto_commit=False)
        self._partitions = [TopicPartition(name, number) for number in range(UPDATES.partitions)]
        self._consumer.assign(self._partitions)
        self._consumer.seek_to_beginning(*self._partitions)
        self._decode = msgspec.json.Decoder(_Update).decode
        self.state: dict[str, bytes] = {}

    def read_on(self) -> int:
        """Read to the end of the topic as it is now; give how many updates were there more often than once."""
        positions: set[tuple[str, int, int]] = set()
        read = 0
        ends = self._consumer.end_offsets(self._partitions)
        while any(self._consumer.position(partition) < ends[partition] for partition in self._partitions):
            for messages in self._consumer.poll(timeout_ms=1000, max_records=5000).values():
                for message in messages:
                    update = self._decode(message.value)
                    if update.kind is None:
                        continue
                    read += 1
                    positions.add((update.district, update.roster_version, update.position))
                    key = f"{update.kind}/{update.id}"
                    if update.digest is None:
                        self.state.pop(key, None)
                    else:
                        self.state[key] = bytes.fromhex(update.digest)
        return read - len(positions)

    def close(self) -> None:
        """Give up the connection."""
        self._consumer.close()


def prove_updates(updates: UpdatesReader, expected: Mapping[str, bytes], number: int) -> None:
    """Raise WrongResultError unless `roster.updates` tells of these records, each update once."""
    twice = updates.read_on()
    if updates.state != expected:
        raise WrongResultError(f"roster.updates is not as the generator says after night {number}")
    if twice:
        raise WrongResultError(f"{twice} updates came twice in night {number}")


def standing(applied: AppliedRoster) -> Iterator[tuple[str, bytes]]:
    """Give the digest of every record of a district, made anew from the record as it stands."""
    for kind in RECORD_KINDS:
        ids = list(applied.digests(kind))
        for start in range(0, len(ids), _ROWS_AT_ONCE):
            for id_, stands in applied.records(kind, ids[start : start + _ROWS_AT_ONCE]).items():
                yield f"{kind}/{id_}", bytes.fromhex(digest_of(encode_record(stands)))


def prove(running: Pipeline, district: str, folder: Path, number: int, updates: UpdatesReader) -> None:
    """Raise WrongResultError unless everything is as the recorded night says."""
    expected = truth(folder, number)
    prove_updates(updates, expected.digests, number)
    with connect(running.database, "rollcall_diff") as connection, AppliedRoster(connection, district) as applied:
        totals: Mapping[Kind, int] = applied.totals().totals
        found = dict(standing(applied))
    if totals != expected.totals():
        raise WrongResultError(f"the district has {totals}, not {expected.totals()}, after night {number}")
    if found != expected.digests:
        raise WrongResultError(f"the accounts database is not as the generator says after night {number}")
