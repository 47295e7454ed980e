"""JSON Schemas of the events, made from their models, in draft-07: what AsyncAPI tools and registries read.

Objects stay open, so that a field that a newer writer adds never fails an older reader.
"""

from typing import Any

from pydantic.json_schema import models_json_schema

from schemas.cloudevents import schema_urn
from schemas.events import Event
from schemas.topics import TOPICS

DRAFT = "http://json-schema.org/draft-07/schema#"


def event_models() -> dict[str, type[Event]]:
    """Give every event that any topic carries, by name."""
    models = {model.__name__: model for topic in TOPICS for model in topic.types.values()}
    return dict(sorted(models.items()))


def definitions(ref_prefix: str) -> dict[str, Any]:
    """Give the schemas of all events and of what they are made of, by name; they refer to `ref_prefix` + name."""
    _, whole = models_json_schema(
        [(model, "validation") for model in event_models().values()], ref_template=ref_prefix + "{model}"
    )
    return {name: _draft_07(schema) for name, schema in sorted(whole["$defs"].items())}


def json_schema(name: str) -> dict[str, Any]:
    """Give one event's schema, complete in itself. Raises KeyError for a name that is no event."""
    if name not in event_models():
        raise KeyError(name)
    everything = definitions("#/definitions/")
    needed: dict[str, Any] = {}
    waiting = [name]
    while waiting:
        for other in sorted(_referred(everything[waiting.pop()]) - needed.keys()):
            needed[other] = everything[other]
            waiting.append(other)
    head = {"$schema": DRAFT, "$id": schema_urn(name)}
    return {**head, **everything[name], **({"definitions": dict(sorted(needed.items()))} if needed else {})}


def _draft_07(schema: Any) -> Any:
    """Leave out OpenAPI's discriminator, which is no JSON Schema: the records' constant `type` tells them apart."""
    if isinstance(schema, dict):
        return {key: _draft_07(value) for key, value in schema.items() if key != "discriminator"}
    if isinstance(schema, list):
        return [_draft_07(value) for value in schema]
    return schema


def _referred(schema: Any) -> set[str]:
    if isinstance(schema, dict):
        own = {schema["$ref"].rsplit("/", 1)[1]} if isinstance(schema.get("$ref"), str) else set()
        return own.union(*(_referred(value) for value in schema.values()))
    if isinstance(schema, list):
        return set().union(*(_referred(value) for value in schema))
    return set()
