"""The promises of the fixtures that every other integration test stands on."""

from contextlib import closing

import psycopg
from kafka import KafkaAdminClient

from services.topics import create_topics
from tests.pipeline import until


def test_a_test_gets_a_migrated_database(database: str) -> None:
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT count(*) FROM migrations").fetchone()
    assert row is not None
    assert row[0] >= 1


def test_a_test_gets_topics_of_its_own_on_a_real_broker(kafka: str, topic_prefix: str) -> None:
    create_topics(kafka, topic_prefix, replication=1)
    with closing(KafkaAdminClient(bootstrap_servers=kafka)) as admin:
        name = f"{topic_prefix}roster.updates"
        until(f"the broker lists {name}", lambda: name in admin.list_topics() or None)
