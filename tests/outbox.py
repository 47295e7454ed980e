"""What the rows of the outbox tell, each event by itself, as the relay would make them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from services.apply.packed_rows import UNPACK

COLUMNS = "position, id, aggregateid, type, payload"


@dataclass(frozen=True, slots=True)
class Event:
    """An event that is to be published."""

    id: str
    entity: str
    type: str
    data: dict[str, Any]


def events(rows: Iterable[tuple[Any, ...]]) -> list[Event]:
    """Give the events of rows of the outbox, which have COLUMNS, in order."""
    told = []
    for _, id_, entity, type_, payload in sorted(rows):
        unpack = UNPACK.get(type_)
        if unpack is None:
            told.append(Event(id_, entity, type_, json.loads(payload)))
        else:
            told += [Event(each.id, each.entity, each.type, json.loads(each.payload)) for each in unpack(payload)]
    return told
