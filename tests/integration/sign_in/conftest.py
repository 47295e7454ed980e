"""A town with two providers, its pages, and browsers to use them: shared by the tests of sign-in."""

from collections.abc import Iterator

import pytest

from deploy.sandbox.control import SandboxControl
from deploy.sandbox.running import running_sandbox
from services.activation.sign_in.lobby import Lobby
from tests.signing_in import (
    Browser,
    Browsers,
    Town,
    pages,
)
from tests.stack import new_database


@pytest.fixture(scope="package")
def town(postgres: str, migrated_template: str) -> Iterator[Town]:
    with new_database(postgres, migrated_template) as dsn:
        made = Town(dsn)
        made.add_districts()
        yield made


@pytest.fixture(scope="package")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxControl]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as control:
        yield control


@pytest.fixture(scope="package")
def served(
    town: Town, sandbox: SandboxControl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Lobby]]:
    with pages(town, sandbox.base_url, tmp_path_factory.mktemp("pages")) as opened:
        yield opened


@pytest.fixture
def browsers(served: tuple[str, Lobby], sandbox: SandboxControl) -> Iterator[Browsers]:
    opened = Browsers(served[0], sandbox.base_url)
    yield opened
    for browser in opened.all:
        browser.http.close()


@pytest.fixture
def browser(browsers: Browsers) -> Browser:
    return browsers.new()


@pytest.fixture
def lobby(served: tuple[str, Lobby]) -> Lobby:
    return served[1]
