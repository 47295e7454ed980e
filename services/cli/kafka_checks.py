"""`rollcall doctor`: Kafka, its topics, and the workers' consumer groups."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, get_args

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from schemas.topics import TOPICS, Topic, Worker
from services.cli.checks import Check
from services.lag import consumer_lag, queues_of

_UP = "`rollcall up` makes it so"


def kafka_checks(bootstrap: str, prefix: str) -> Iterator[Check]:
    """Look at the broker, at every topic and at every worker's group. Raises kafka.errors.KafkaError."""
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap, client_id="rollcall-doctor")) as admin:
        brokers = admin.describe_cluster()["brokers"]
        yield Check("kafka", ok=True, text=f"{len(brokers)} broker(s) at {bootstrap}")
        existing = set(admin.list_topics())
        missing = [topic.name for topic in TOPICS if prefix + topic.name not in existing]
        if missing:
            yield Check("topics", ok=False, text=f"missing: {', '.join(missing)}; {_UP}")
            return
        yield _settings(admin, prefix)
        yield from _groups(admin, prefix)
    lag = consumer_lag(bootstrap, prefix)
    waiting = ", ".join(f"{worker} {count:,}" for worker, count in lag.items() if count)
    yield Check("lag", ok=True, text=f"messages that wait: {waiting}" if waiting else "no message waits for a worker")


def _settings(admin: KafkaAdminClient, prefix: str) -> Check:
    names = [prefix + topic.name for topic in TOPICS]
    partitions = {found["name"]: len(found["partitions"]) for found in admin.describe_topics(names)}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, configs=None) for name in names]
    configs = admin.describe_configs(resources, config_filter="all")["topic"]
    wrong = [
        problem
        for topic in TOPICS
        for problem in _differences(topic, partitions[prefix + topic.name], configs[prefix + topic.name])
    ]
    if wrong:
        return Check("topics", ok=False, text=f"{'; '.join(wrong)}; {_UP}, except the number of partitions")
    return Check("topics", ok=True, text=f"all {len(TOPICS)} with their settings")


def _differences(topic: Topic, partitions: int, config: dict[str, dict[str, Any]]) -> Iterator[str]:
    if partitions != topic.partitions:
        yield f"{topic.name} has {partitions} partitions, not {topic.partitions}"
    for name, value in topic.kafka_config.items():
        found = config.get(name, {}).get("value")
        if found != value:
            yield f"{topic.name} has {name} {found}, not {value}"


def _groups(admin: KafkaAdminClient, prefix: str) -> Iterator[Check]:
    """Each worker that works through a topic has a group with at least one member."""
    states = {group["group_id"]: str(group["group_state"]) for group in admin.list_groups()}
    for worker in get_args(Worker):
        if not queues_of(worker):
            continue
        state = states.get(f"{prefix}rollcall.{worker}")
        if state is None or state in ("Empty", "Dead"):
            yield Check(f"worker {worker}", ok=False, text="is not running; `rollcall up` starts it, its log says why")
        else:
            yield Check(f"worker {worker}", ok=True, text=f"runs (group {state.lower()})")
