"""The Kafka and PostgreSQL of the tests: configured ones, else containers where a Docker engine answers, else embedded.

Settings: ROLLCALL_TEST_KAFKA (bootstrap servers), ROLLCALL_TEST_DATABASE (address with the right to create databases),
ROLLCALL_TEST_KAFKA_IMAGE and ROLLCALL_TEST_POSTGRES_IMAGE (images that take the environment of the official ones).
"""

import functools
import os
import secrets
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import docker
import psycopg
import tenacity
from docker.errors import DockerException
from kafka import KafkaAdminClient
from psycopg import conninfo, sql
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from deploy.local import ports
from deploy.local.kafka import Kafka, probe
from deploy.local.postgres import Postgres
from services.database.migrate import migrate

KAFKA_IMAGE = os.environ.get("ROLLCALL_TEST_KAFKA_IMAGE", "apache/kafka:4.1.1")
POSTGRES_IMAGE = os.environ.get("ROLLCALL_TEST_POSTGRES_IMAGE", "postgres:18")


@contextmanager
def kafka_for_tests() -> Iterator[str]:
    """Give the bootstrap servers of a broker that answers."""
    if configured := os.environ.get("ROLLCALL_TEST_KAFKA"):
        yield configured
    elif _docker_can_run(KAFKA_IMAGE):
        with _kafka_container() as bootstrap:
            yield bootstrap
    else:
        with tempfile.TemporaryDirectory(prefix="rollcall-test-kafka-") as folder:
            broker = Kafka(Path(folder), ports.any_free())
            broker.start()
            try:
                yield broker.bootstrap
            finally:
                broker.stop()


@contextmanager
def postgres_for_tests() -> Iterator[str]:
    """Give the address of a PostgreSQL that answers, with the right to create databases and roles."""
    if configured := os.environ.get("ROLLCALL_TEST_DATABASE"):
        yield configured
    elif _docker_can_run(POSTGRES_IMAGE):
        with _postgres_container() as address:
            yield address
    else:
        with tempfile.TemporaryDirectory(prefix="rollcall-test-postgres-") as folder:
            server = Postgres(Path(folder), ports.any_free(), durable=False)
            server.start()
            try:
                yield server.address("postgres")
            finally:
                server.stop()


@contextmanager
def new_database(admin: str, template: str = "template1") -> Iterator[str]:
    """Give the address of a database made for one test, a copy of `template`; it is dropped afterwards."""
    name = f"rollcall_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
        try:
            yield conninfo.make_conninfo(admin, dbname=name)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def migrate_without_holidays(address: str) -> None:
    """Do every migration, with the offices' holidays off: nights would be held at Thanksgiving and over the winter."""
    migrate(address)
    with psycopg.connect(address) as connection:
        connection.execute("UPDATE office_calendar SET observed = false")


def delete_topics(bootstrap: str, prefix: str) -> None:
    """Delete the topics whose names begin with the prefix, so that the broker does not grow with every test."""
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:
        topics = [name for name in admin.list_topics() if name.startswith(prefix)]
        if topics:
            admin.delete_topics(topics)


@functools.cache
def _docker_can_run(image: str) -> bool:
    """Tell whether a Docker engine answers and has, or can get, the image and the one that removes containers."""
    try:
        engine = docker.from_env(timeout=120)
        engine.ping()
    except DockerException:
        return False
    needed = [image] if testcontainers_config.ryuk_disabled else [image, testcontainers_config.ryuk_image]
    for name in needed:
        try:
            if not engine.images.list(name=name):
                engine.images.pull(name)
        except DockerException as error:
            warnings.warn(f"Docker answers but has no image {name} ({error}): embedded server used", stacklevel=2)
            return False
    return True


@contextmanager
def _kafka_container() -> Iterator[str]:
    # The broker tells its clients where to reach it, so the port on the host has to be known before it starts.
    port = ports.any_free()
    container = DockerContainer(KAFKA_IMAGE).with_bind_ports(9092, port)
    bootstrap = f"{container.get_docker_client().host()}:{port}"
    container.with_envs(
        KAFKA_NODE_ID="1",
        KAFKA_PROCESS_ROLES="broker,controller",
        KAFKA_LISTENERS="PLAINTEXT://:9092,CONTROLLER://:9093",
        KAFKA_ADVERTISED_LISTENERS=f"PLAINTEXT://{bootstrap}",
        KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
        KAFKA_LISTENER_SECURITY_PROTOCOL_MAP="CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        KAFKA_CONTROLLER_QUORUM_VOTERS="1@localhost:9093",
        KAFKA_AUTO_CREATE_TOPICS_ENABLE="false",
        KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS="0",
        KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1",
        KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS="8",
        KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR="1",
        KAFKA_TRANSACTION_STATE_LOG_MIN_ISR="1",
    )

    with container:
        _await(container, lambda: probe(bootstrap))
        yield bootstrap


@contextmanager
def _postgres_container() -> Iterator[str]:
    password = secrets.token_urlsafe(16)
    container = DockerContainer(POSTGRES_IMAGE).with_exposed_ports(5432).with_env("POSTGRES_PASSWORD", password)
    with container:
        host, port = container.get_container_host_ip(), container.get_exposed_port(5432)
        address = f"postgresql://postgres:{password}@{host}:{port}/postgres"
        _await(container, lambda: psycopg.connect(address, connect_timeout=2).close())
        yield address


def _await(container: DockerContainer, answers: Callable[[], object]) -> None:
    """Wait until the server in the container answers; what it said is shown where it does not."""
    try:
        tenacity.Retrying(wait=tenacity.wait_fixed(0.2), stop=tenacity.stop_after_delay(60), reraise=True)(answers)
    except Exception as error:
        error.add_note(container.get_wrapped_container().logs(tail=30).decode(errors="replace"))
        raise
