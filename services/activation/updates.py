"""What updates on `roster.updates` say of people, read for a million of them: only the fields that matching goes by."""

from typing import Literal

import msgspec

from schemas.cloudevents import UnreadableMessageError, decode, header
from schemas.events import RosterUpdate
from schemas.topics import UPDATES
from services.activation.matching import PersonKey, Rostered
from services.messages import Message

_PEOPLE = ("dev.rollcall.teacher.", "dev.rollcall.student.")


class _Record(msgspec.Struct):
    email: str | None = None
    number: str | None = None
    birth_date: str | None = None
    given: str | None = None
    family: str | None = None


class _Update(msgspec.Struct):
    district: str
    kind: Literal["teachers", "students"]
    id: str
    roster_version: int
    op: Literal["created", "updated", "removed"]
    record: _Record | None = None


_decoder = msgspec.json.Decoder(_Update)


def read_person(message: Message) -> Rostered | None:
    """Give what the update says of a person, None where it is about something else.

    Raises UnreadableMessageError, whose text names what is wrong and never what was in it.
    """
    kind = header(message.headers, "ce_type") or ""
    if not kind.startswith(_PEOPLE):
        return None
    try:
        if kind not in UPDATES.types:
            raise msgspec.ValidationError("its type does not belong there")
        update = _decoder.decode(message.value or b"")
    except msgspec.DecodeError:  # its text may quote values; the strict reader's does not
        strict = decode(UPDATES, message.headers, message.value)
        if isinstance(strict, RosterUpdate) and strict.kind in ("teachers", "students"):
            update = _decoder.decode(strict.model_dump_json())
        else:
            raise UnreadableMessageError(f"a {kind} message on {UPDATES.name} is not about a person") from None
    record = update.record or _Record()
    return Rostered(
        PersonKey(update.district, update.kind, update.id),
        update.roster_version,
        update.op == "removed",
        record.email,
        record.number,
        record.birth_date,
        record.given,
        record.family,
    )
