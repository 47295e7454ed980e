"""The proof that a recorded night came out right: database and `roster.updates` hold what the generator says."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
from kafka import KafkaConsumer, TopicPartition

from schemas.records import RECORD_KINDS, Kind, digest_of, encode_record
from schemas.topics import UPDATES
from services.database.connect import connect
from services.diff.applied import AppliedRoster
from tests.bench.recorded import truth
from tests.pipeline import Pipeline


class WrongResultError(Exception):
    """A night did not end as the generator says it must."""


class _Update(msgspec.Struct):
    kind: str
    id: str
    digest: str | None = None


class UpdatesReader:
    """The state that a subscriber of `roster.updates` has: digests by "kind/id"."""

    def __init__(self, running: Pipeline, district: str) -> None:
        name = running.prefix + UPDATES.name
        self._district = district.encode()
        self._consumer = KafkaConsumer(bootstrap_servers=running.kafka, enable_auto_commit=False)
        self._partitions = [TopicPartition(name, number) for number in range(UPDATES.partitions)]
        self._consumer.assign(self._partitions)
        self._consumer.seek_to_beginning(*self._partitions)
        self._decode = msgspec.json.Decoder(_Update).decode
        self.state: dict[str, bytes] = {}

    def read_on(self) -> None:
        """Read to the end of the topic as it is now."""
        ends = self._consumer.end_offsets(self._partitions)
        while any(self._consumer.position(partition) < ends[partition] for partition in self._partitions):
            for messages in self._consumer.poll(timeout_ms=1000, max_records=5000).values():
                for message in messages:
                    if message.key == self._district:
                        continue  # RosterSynced
                    update = self._decode(message.value)
                    key = f"{update.kind}/{update.id}"
                    if update.digest is None:
                        self.state.pop(key, None)
                    else:
                        self.state[key] = bytes.fromhex(update.digest)

    def close(self) -> None:
        """Give up the connection."""
        self._consumer.close()


def prove(running: Pipeline, district: str, folder: Path, number: int, updates: UpdatesReader) -> None:
    """Raise WrongResultError unless everything is as the recorded night says."""
    expected = truth(folder, number)
    after = f"after night {number}"
    updates.read_on()
    if updates.state != expected.digests:
        raise WrongResultError(f"roster.updates is not as the generator says {after}")
    found: dict[str, bytes] = {}
    with connect(running.database, "rollcall_diff") as connection, AppliedRoster(connection, district) as applied:
        totals: Mapping[Kind, int] = applied.totals().totals
        if totals != expected.totals():
            raise WrongResultError(f"the district has {totals}, not {expected.totals()}, {after}")
        for kind in RECORD_KINDS:
            ids = list(applied.digests(kind))
            for start in range(0, len(ids), 20_000):
                for id_, stands in applied.records(kind, ids[start : start + 20_000]).items():
                    found[f"{kind}/{id_}"] = bytes.fromhex(digest_of(encode_record(stands)))
    if found != expected.digests:
        raise WrongResultError(f"the accounts database is not as the generator says {after}")
