"""What goes out together (pure): a parcel is what one recipient gets in one mail or one post."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from schemas.cloudevents import event_id
from schemas.events import Notice

WEBHOOK = "webhook"
"""The recipient that is no mail address."""

MANY = 5
"""Up to so many notices that are due to one recipient at the same time go out one by one, more in one digest."""


@dataclass(frozen=True, slots=True)
class Due:
    """A notice that a recipient must be told, since when, and the district's name and time zone for people."""

    notice_id: str
    recipient: str
    notice: Notice
    district_name: str
    timezone: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Parcel:
    """Notices for one recipient. The name is made from their ids, so that the same parcel has the same name."""

    name: str
    recipient: str
    contents: tuple[Due, ...]
    attempts: int = 0


def parcels(due: Iterable[Due], gathered_before: datetime) -> Iterator[Parcel]:
    """Pack what is due to each recipient, once the oldest of it was received before this moment.

    A webhook gets each notice by itself and at once: programs need no digest.
    """
    ordered = sorted(due, key=attrgetter("recipient", "notice.noticed_at", "notice_id"))
    for recipient, group in groupby(ordered, key=attrgetter("recipient")):
        waiting = tuple(group)
        one_by_one = recipient == WEBHOOK or len(waiting) <= MANY
        packs: list[tuple[Due, ...]] = [(one,) for one in waiting] if one_by_one else [waiting]
        if recipient == WEBHOOK or min(one.received_at for one in waiting) <= gathered_before:
            for pack in packs:
                yield Parcel(_name(recipient, pack), recipient, pack)


def _name(recipient: str, contents: Iterable[Due]) -> str:
    return event_id("parcel", recipient, *(one.notice_id for one in contents))
