"""How far each worker is behind: the messages of its topics that its consumer group has not committed yet."""

from contextlib import closing
from typing import get_args

import tenacity
from kafka import KafkaAdminClient, OffsetSpec, TopicPartition
from kafka.errors import CoordinatorLoadInProgressError, CoordinatorNotAvailableError
from kafka.structs import OffsetAndMetadata

from schemas.topics import TOPICS, Topic, Worker


def queues_of(worker: Worker) -> list[Topic]:
    """Give the topics a worker works through. One that it also writes is its memory, which it reads from the start."""
    return [topic for topic in TOPICS if worker in topic.readers and worker not in topic.writers]


def consumer_lag(bootstrap: str, prefix: str = "") -> dict[str, int]:
    """Give the number of messages that wait for each worker that reads from Kafka.

    Where a group has committed nothing in a partition, all of that partition waits. On a compacted topic the number
    is an upper bound. Raises kafka.errors.KafkaError where the broker does not answer or a topic is missing.
    """
    lag: dict[str, int] = {}
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap, client_id="rollcall-lag")) as admin:
        for worker in get_args(Worker):
            partitions = [
                TopicPartition(prefix + topic.name, number)
                for topic in queues_of(worker)
                for number in range(topic.partitions)
            ]
            if not partitions:
                continue
            group = f"{prefix}rollcall.{worker}"
            committed = _committed(admin, group)
            first = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
            last = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
            lag[worker] = sum(
                last[tp].offset - (committed[tp].offset if tp in committed else first[tp].offset) for tp in partitions
            )
    return lag


@tenacity.retry(
    # The first question about a group to a new cluster makes the topic that groups are kept in.
    retry=tenacity.retry_if_exception_type((CoordinatorNotAvailableError, CoordinatorLoadInProgressError)),
    wait=tenacity.wait_fixed(0.2),
    stop=tenacity.stop_after_delay(10),
    reraise=True,
)
def _committed(admin: KafkaAdminClient, group: str) -> dict[TopicPartition, OffsetAndMetadata]:
    committed: dict[TopicPartition, OffsetAndMetadata] = admin.list_group_offsets({group: None})[group]
    return committed
