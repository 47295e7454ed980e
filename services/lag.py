"""How far each worker is behind: the messages of its topics that its consumer group has not committed yet."""

from contextlib import closing
from typing import get_args

from kafka import KafkaAdminClient, OffsetSpec, TopicPartition

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
            committed = admin.list_group_offsets({group: None})[group]
            first = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
            last = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
            lag[worker] = sum(
                last[tp].offset - (committed[tp].offset if tp in committed else first[tp].offset) for tp in partitions
            )
    return lag
