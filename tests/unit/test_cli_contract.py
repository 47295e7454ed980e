"""The generated contract: what is committed is what is generated, and every reference in it leads somewhere."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from schemas.asyncapi import asyncapi
from schemas.json_schema import event_models, json_schema
from schemas.topics import TOPICS
from schemas.write_contract import FOLDER, contract_files


def test_the_committed_contract_equals_the_generated_one() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert committed == contract_files(), "run `python -m schemas.write_contract` and review the difference"


@pytest.mark.parametrize("document", [asyncapi(), *(json_schema(name) for name in event_models())])
def test_every_reference_of_the_contract_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in _references(document):
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert isinstance(found, dict)


def test_every_topic_is_a_channel_with_its_messages_partitions_and_writers() -> None:
    document = asyncapi()
    for topic in TOPICS:
        channel = document["channels"][topic.name]
        assert set(channel["messages"]) == set(topic.types or ["dead-letter"])
        assert channel["bindings"]["kafka"]["partitions"] == topic.partitions
        actions = [
            operation["action"]
            for operation in document["operations"].values()
            if operation["channel"]["$ref"] == f"#/channels/{topic.name}"
        ]
        assert actions.count("send") == len(topic.writers)
        assert actions.count("receive") == len(topic.readers)


def test_schemas_are_draft_07_and_stay_open_for_fields_of_newer_writers() -> None:
    for name in event_models():
        text = json.dumps(json_schema(name))
        assert json_schema(name)["$schema"] == "http://json-schema.org/draft-07/schema#"
        for later_or_foreign in ("$defs", "prefixItems", "discriminator", '"additionalProperties": false'):
            assert later_or_foreign not in text


def test_a_name_that_is_no_event_has_no_schema() -> None:
    with pytest.raises(KeyError):
        json_schema("Nobody")


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
