"""CloudEvents 1.0 in Kafka's binary mode: the data is the value, each attribute a `ce_` header.

Source: cloudevents/spec, `bindings/kafka-protocol-binding.md`.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from schemas.events import Event
from schemas.topics import Topic

Headers = list[tuple[str, bytes]]

CONTENT_TYPE = b"application/json"


class UnreadableMessageError(ValueError):
    """A message cannot be read as an event of its topic. Its text names what is wrong, never what was in it."""


@dataclass(frozen=True)
class CloudEvent:
    """An event with its attributes. `id` is made from the content that `identity` names: same input, same id."""

    type: str
    source: str
    subject: str
    id: str
    time: datetime
    data: Event
    correlation_id: str | None = None
    causation_id: str | None = None

    def headers(self) -> Headers:
        """Give the record headers of binary mode."""
        pairs = {
            "ce_specversion": "1.0",
            "ce_id": self.id,
            "ce_source": self.source,
            "ce_type": self.type,
            "ce_subject": self.subject,
            "ce_time": self.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "ce_dataschema": schema_urn(type(self.data).__name__),
        }
        if self.correlation_id is not None:
            pairs["ce_correlationid"] = self.correlation_id
        if self.causation_id is not None:
            pairs["ce_causationid"] = self.causation_id
        return binary_headers(pairs)

    def value(self) -> bytes:
        """Give the record value: the data as JSON."""
        return self.data.model_dump_json().encode()


def schema_urn(model: str) -> str:
    """Give the name of a model's schema: `ce_dataschema` here, `$id` in the generated schema."""
    return f"urn:rollcall:schema:{model}:1"


def binary_headers(attributes: Mapping[str, str]) -> Headers:
    """Give the record headers of a message with JSON data and these attributes."""
    return [("content-type", CONTENT_TYPE), *((name, text.encode()) for name, text in attributes.items())]


def event_id(*identity: object) -> str:
    """Make an event's id from what makes it the event it is, so that a second delivery is recognised."""
    return hashlib.blake2b("\x1f".join(map(str, identity)).encode(), digest_size=16).hexdigest()


def header(headers: Iterable[tuple[str, bytes | None]], name: str) -> str | None:
    """Give one header as text, or None where it is missing or not UTF-8."""
    for key, value in headers:
        if key == name and value is not None:
            try:
                return value.decode()
            except UnicodeDecodeError:
                return None
    return None


def type_of(topic: Topic, headers: Iterable[tuple[str, bytes | None]]) -> str:
    """Give the CloudEvents type of a message.

    Raises UnreadableMessageError where it is missing or does not belong on this topic.
    """
    kind = header(headers, "ce_type")
    if kind is None:
        raise UnreadableMessageError(f"a message on {topic.name} has no ce_type header")
    if kind not in topic.types:
        raise UnreadableMessageError(f"a message on {topic.name} has the type {kind!r}, which does not belong there")
    return kind


def decode(topic: Topic, headers: Iterable[tuple[str, bytes | None]], value: bytes | None) -> Event:
    """Read a message as the event that its type names.

    Raises UnreadableMessageError, which names the fields that are wrong and never their contents.
    """
    kind = type_of(topic, headers)
    if value is None:
        raise UnreadableMessageError(f"a {kind} message on {topic.name} has no data")
    try:
        return topic.types[kind].model_validate_json(value)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'data'}: {e['type']}" for e in error.errors(include_input=False)[:5]
        )
        raise UnreadableMessageError(f"a {kind} message on {topic.name} is not valid: {problems}") from None
