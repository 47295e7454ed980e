"""What is told of newcomers, packed as it waits in the outbox, and the event of each (pure).

A first load tells a million people that their account was found, or is asked for, and says nothing of each but who and
which. So `newcomers` in `matching.sql` writes a row for all of a turn who end alike, and the relay makes the events.
"""

import hashlib
from collections.abc import Iterator

import msgspec

from services.outbox import OutboxEvent

NEWCOMERS = "dev.rollcall.activation.newcomers.v1"
"""The type of an outbox row that stands for the events of many newcomers."""


class _Newcomers(msgspec.Struct, frozen=True):
    """The payload of a row: what is the same for all of them, their ids, and beside each id the account or None."""

    district: str
    kind: str
    state: str
    roster_version: int
    reason: str
    text: str
    ids: list[str]
    accounts: list[str | None]


_decode = msgspec.json.Decoder(_Newcomers).decode
_encode = msgspec.json.encode


def unpack_newcomers(payload: str) -> Iterator[OutboxEvent]:
    """Give the events that a row stands for, each `schemas.events.ActivationChanged` as JSON.

    An event's id is made from its person, and from its being the first that is told of them, so that it has the same
    one whenever it is sent.
    """
    packed = _decode(payload)
    type_ = f"dev.rollcall.activation.{packed.state}.v1"
    before = b'{"district":%b,"kind":%b,"state":%b,"roster_version":%d,"reason":%b,"text":%b,"candidates":[],"id":' % (
        _encode(packed.district),
        _encode(packed.kind),
        _encode(packed.state),
        packed.roster_version,
        _encode(packed.reason),
        _encode(packed.text),
    )
    for id_, account in zip(packed.ids, packed.accounts, strict=True):
        person = f"{packed.district}/{packed.kind}/{id_}"
        yield OutboxEvent(
            hashlib.md5(f"{person}\x1f1".encode(), usedforsecurity=False).hexdigest(),
            person,
            type_,
            b'%b%b,"account_id":%b}' % (before, _encode(id_), _encode(account)),
        )
