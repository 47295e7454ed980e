"""The page that names a test for every rule about providers names tests that exist."""

import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
PAGE = TESTS.parent / "docs" / "providers.md"
SERVICES = TESTS.parent / "services"


def test_every_rule_about_providers_names_tests_and_modules_that_exist() -> None:
    written = {
        name for file in TESTS.rglob("test_*.py") for name in re.findall(r"def (test_\w+)", file.read_text("utf-8"))
    }
    rules = re.findall(r"^\| (?!rule|-)(.+) \| (`.+?`) \| (`test_.+`) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(rules) > 60
    for rule, modules, tests in rules:
        missing = set(re.findall(r"`(\w+)`", tests)) - written
        assert not missing, rule
        for module in re.findall(r"`([^`]+)`", modules):
            below = TESTS.parent if module.startswith("services/") else SERVICES / "ingest" / "providers"
            assert list(below.glob(module.rstrip("/"))), rule
