"""What every test may ask for: `kafka`, `postgres`, and for each test its own `topic_prefix` and `database`.

Tests of a module that share running workers ask for `shared_topic_prefix` and `shared_database` instead.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from psycopg import conninfo

from tests.stack import delete_topics, kafka_for_tests, migrate_without_holidays, new_database, postgres_for_tests

# On a machine that runs other tests too, how long one example takes says nothing.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

_INTEGRATION = Path(__file__).parent / "integration"

_shared = ExitStack()


def pytest_xdist_setupnodes() -> None:
    """Start one Kafka and one PostgreSQL for all processes that the tests are spread over."""
    os.environ["ROLLCALL_TEST_KAFKA"] = _shared.enter_context(kafka_for_tests())
    os.environ["ROLLCALL_TEST_DATABASE"] = _shared.enter_context(postgres_for_tests())


def pytest_unconfigure() -> None:
    """Stop what was started for all processes."""
    _shared.close()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist's own, which looks for the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs real services, so that `-m "not integration"` leaves it out; keep together what shares a stage.

    Tests of a module or a package that share a fixture, such as running workers, run in one process (pytest-xdist's
    loadgroup), in their order, and that fixture is made once.
    """
    for item in items:
        if item.path.is_relative_to(_INTEGRATION):
            item.add_marker(pytest.mark.integration)
        if isinstance(item, pytest.Function):
            scopes = {definitions[-1].scope for definitions in item._fixtureinfo.name2fixturedefs.values()}
            if "package" in scopes:
                item.add_marker(pytest.mark.xdist_group(item.module.__package__))
            elif "module" in scopes:
                item.add_marker(pytest.mark.xdist_group(item.module.__name__))


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """The bootstrap servers of a real broker, shared by all tests; keep apart by `topic_prefix`."""
    with kafka_for_tests() as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a real PostgreSQL, shared by all tests, with the right to create databases and roles."""
    with postgres_for_tests() as address:
        yield address


@contextmanager
def _topics_of_its_own(kafka: str) -> Iterator[str]:
    prefix = f"test-{uuid.uuid4().hex[:12]}."
    yield prefix
    delete_topics(kafka, prefix)


@pytest.fixture
def topic_prefix(kafka: str) -> Iterator[str]:
    """A prefix for the topics and groups of this test alone; what was created with it is deleted afterwards."""
    with _topics_of_its_own(kafka) as prefix:
        yield prefix


@pytest.fixture(scope="module")
def shared_topic_prefix(kafka: str) -> Iterator[str]:
    """A prefix for the topics and groups that the tests of one module share."""
    with _topics_of_its_own(kafka) as prefix:
        yield prefix


@pytest.fixture(scope="session")
def migrated_template(postgres: str) -> Iterator[str]:
    """The name of a database with every migration done once, and holidays off, which `database` copies."""
    with new_database(postgres) as address:
        migrate_without_holidays(address)
        yield str(conninfo.conninfo_to_dict(address)["dbname"])


@pytest.fixture
def database(postgres: str, migrated_template: str) -> Iterator[str]:
    """The address of a migrated accounts database for this test alone."""
    with new_database(postgres, migrated_template) as address:
        yield address


@pytest.fixture(scope="module")
def shared_database(postgres: str, migrated_template: str) -> Iterator[str]:
    """The address of a migrated accounts database that the tests of one module share."""
    with new_database(postgres, migrated_template) as address:
        yield address
