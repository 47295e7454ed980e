"""Makes the broker's topics as `schemas/topics.py` declares them."""

from contextlib import suppress

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import TopicAlreadyExistsError

from schemas.topics import TOPICS


def create_topics(bootstrap: str, prefix: str = "", replication: int = 1) -> None:
    """Create the topics that are missing and bring the settings of the others up to date.

    Raises kafka.errors.KafkaError where the broker does not answer or refuses.
    """
    admin = KafkaAdminClient(bootstrap_servers=bootstrap, client_id="rollcall-topics")
    try:
        existing = set(admin.list_topics())
        missing = [topic for topic in TOPICS if prefix + topic.name not in existing]
        if missing:
            with suppress(
                TopicAlreadyExistsError
            ):  # another starter was quicker; settings are brought up to date below
                admin.create_topics(
                    [
                        NewTopic(
                            prefix + topic.name,
                            num_partitions=topic.partitions,
                            replication_factor=replication,
                            topic_configs=topic.kafka_config,
                        )
                        for topic in missing
                    ]
                )
        known = [topic for topic in TOPICS if topic not in missing]
        if known:
            admin.alter_configs(
                [ConfigResource(ConfigResourceType.TOPIC, prefix + t.name, configs=t.kafka_config) for t in known]
            )
    finally:
        admin.close()
