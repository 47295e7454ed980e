"""How far a worker is behind is counted on a real broker."""

from contextlib import closing

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from services.lag import consumer_lag
from services.topics import create_topics


def test_what_a_worker_has_not_committed_waits_for_it_and_for_no_other(kafka: str, topic_prefix: str) -> None:
    create_topics(kafka, topic_prefix)
    topic = f"{topic_prefix}roster.snapshots"
    with closing(KafkaProducer(bootstrap_servers=kafka)) as producer:
        for partition in (0, 0, 0, 1):
            producer.send(topic, b"page", partition=partition).get(timeout=30)

    assert consumer_lag(kafka, topic_prefix)["diff"] == 4

    group = f"{topic_prefix}rollcall.diff"
    with closing(KafkaConsumer(bootstrap_servers=kafka, group_id=group, enable_auto_commit=False)) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(2, "", -1)})

    lag = consumer_lag(kafka, topic_prefix)
    assert lag.pop("diff") == 2
    assert lag.pop("desk-feed") == 4  # it reads the same topic, and has committed nothing
    assert set(lag.values()) == {0}
