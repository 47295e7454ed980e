"""`rollcall contract`: the generated contract of the topics and events."""

import json
import sys
from typing import Annotated, Any

import typer
from rich.table import Table

from schemas.asyncapi import asyncapi
from schemas.json_schema import event_models, json_schema
from schemas.topics import TOPICS, Topic
from services.cli.answer import AsJson, answer, output
from services.cli.failures import WrongUsageError


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("contract", epilog="Example: rollcall contract --json-schema RosterUpdate")(contract)


def contract(
    as_asyncapi: Annotated[
        bool, typer.Option("--asyncapi", help="The AsyncAPI 3.0 document; so it is without any option.")
    ] = False,
    schema: Annotated[
        str | None, typer.Option("--json-schema", metavar="NAME", help="The JSON Schema of one event.")
    ] = None,
    topics: Annotated[bool, typer.Option("--topics", help="The topics with their keys, writers and readers.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the contract that topics, schemas and access rules come from."""
    if sum((as_asyncapi, schema is not None, topics)) > 1:
        raise WrongUsageError("one-at-a-time", "give one of --asyncapi, --json-schema and --topics")
    if schema is not None:
        if schema not in event_models():
            raise WrongUsageError("unknown-event", f"there is no event {schema}; there are {', '.join(event_models())}")
        _print(json_schema(schema), as_json=as_json)
    elif not topics:
        _print(asyncapi(), as_json=as_json)
    elif as_json:
        answer({"topics": [_described(topic) for topic in TOPICS]})
    else:
        output.print(_table())


def _print(document: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        answer(document)
    else:
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _described(topic: Topic) -> dict[str, Any]:
    return {
        "name": topic.name,
        "key": topic.key,
        "types": {name: model.__name__ for name, model in topic.types.items()},
        "writers": list(topic.writers),
        "readers": list(topic.readers),
        "partitions": topic.partitions,
        "config": topic.kafka_config,
    }


def _table() -> Table:
    table = Table("topic", "key", "events", "writers", "readers", box=None, padding=(0, 2, 0, 0))
    for topic in TOPICS:
        events = sorted({model.__name__ for model in topic.types.values()})
        table.add_row(topic.name, topic.key, ", ".join(events), ", ".join(topic.writers), ", ".join(topic.readers))
    return table
