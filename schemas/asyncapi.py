"""The AsyncAPI 3.0 document: every topic, what is on it, who writes and reads it, made from `schemas/topics.py`.

Source: asyncapi/spec 3.0.0, and asyncapi/bindings `kafka/README.md` 0.5.0.
"""

from typing import Any, get_args

from schemas.json_schema import definitions
from schemas.topics import DEAD_LETTERS, TOPICS, Topic, Worker

_BINDING = "0.5.0"

_CLOUD_EVENT = {
    "type": "object",
    "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject", "ce_time"],
    "properties": {
        "content-type": {"type": "string", "const": "application/json"},
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {"type": "string", "description": "made from the content: the same event has the same id"},
        "ce_source": {"type": "string", "description": "the worker that made it, such as /rollcall/apply"},
        "ce_type": {"type": "string"},
        "ce_subject": {"type": "string", "description": "the district or the entity that it is about"},
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_dataschema": {"type": "string", "description": "urn:rollcall:schema:NAME:1, the schema of the data"},
        "ce_correlationid": {"type": "string", "description": "the sync that it belongs to"},
        "ce_causationid": {"type": "string", "description": "the event or the change set that it follows from"},
    },
}

_DEAD_LETTER = {
    "name": "dead-letter",
    "title": "A message that could not be read, byte for byte, with its own headers and these",
    "headers": {
        "type": "object",
        "properties": {
            f"rollcall_{name}": {"type": "string", "description": what}
            for name, what in {
                "original_topic": "where it came from first",
                "original_partition": "where it came from first",
                "original_offset": "where it came from first",
                "reason": "why it could not be read; names fields and ids, never contents",
                "worker": "who could not read it",
                "attempt": "how often it has become a dead letter, from 1",
            }.items()
        },
    },
}


def asyncapi() -> dict[str, Any]:
    """Give the document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Rollcall",
            "version": "1.0.0",
            "description": "Every message is a CloudEvent 1.0 in Kafka's binary mode: the data is the value, each "
            "attribute a ce_ header. Delivery is at least once: the same event has the same ce_id.",
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": dict(operation for topic in TOPICS for operation in _operations(topic)),
        "components": {
            "messages": _messages(),
            "messageTraits": {"cloudEvent": {"headers": _CLOUD_EVENT}},
            "schemas": definitions("#/components/schemas/"),
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    configuration: dict[str, Any] = {
        name: int(value) if value.isdecimal() else value for name, value in topic.kafka_config.items()
    }
    configuration["cleanup.policy"] = [topic.kafka_config["cleanup.policy"]]
    return {
        "address": topic.name,
        "description": f"Keyed by {topic.key}, written by {', '.join(topic.writers)}",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _names(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": configuration,
                "bindingVersion": _BINDING,
            }
        },
    }


def _operations(topic: Topic) -> list[tuple[str, dict[str, Any]]]:
    found = [(f"{_slug(writer)}-sends-{topic.name}", _operation("send", topic)) for writer in topic.writers]
    for reader in topic.readers:
        operation = _operation("receive", topic)
        if (
            reader in get_args(Worker) and reader not in topic.writers
        ):  # what a worker also writes it reads from the start
            group = {"type": "string", "const": f"rollcall.{reader}"}
            operation["bindings"] = {"kafka": {"groupId": group, "bindingVersion": _BINDING}}
        found.append((f"{_slug(reader)}-receives-{topic.name}", operation))
    return found


def _operation(action: str, topic: Topic) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/{name}"} for name in _names(topic)],
    }


def _messages() -> dict[str, Any]:
    messages: dict[str, Any] = {
        name: {
            "name": name,
            "title": model.__name__,
            "summary": (model.__doc__ or "").split("\n", 1)[0],
            "contentType": "application/json",
            "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
            "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
        }
        for topic in TOPICS
        for name, model in topic.types.items()
    }
    return {**dict(sorted(messages.items())), "dead-letter": _DEAD_LETTER}


def _names(topic: Topic) -> list[str]:
    return ["dead-letter"] if topic is DEAD_LETTERS else list(topic.types)


def _slug(who: str) -> str:
    return who.replace(" ", "-")
