"""`rollcall subscribe`: follow `roster.updates` as JSON lines."""

import json
import sys
from collections.abc import Collection, Mapping
from typing import Annotated, Any

import typer

from schemas.cloudevents import UnreadableMessageError, decode
from schemas.events import RosterSynced, RosterUpdate
from schemas.topics import UPDATES
from services.cli.answer import progress
from services.installation import find_installation
from services.messages import Message
from services.settings import Settings
from services.subscriber import RosterReader
from services.topic_reader import TopicReader

QUIET_SECONDS = 10


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("subscribe", epilog="Example: rollcall subscribe --district springfield --from-start")(subscribe)


def subscribe(
    districts: Annotated[
        list[str] | None, typer.Option("--district", metavar="DISTRICT", help="Only this district; may be repeated.")
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="From the start of the topic, not from now.")
    ] = False,
    until_synced: Annotated[
        bool,
        typer.Option("--until-synced", help="From the start, until every district is proved to be in step; then end."),
    ] = False,
    _as_json: Annotated[bool, typer.Option("--json", help="As without it: one JSON object a line.")] = False,
) -> None:
    """Write every update and RosterSynced as one JSON object a line, as they come.

    Each object has the CloudEvents attributes and the event as `data`. That a district is in step, by the counts and
    the digest of its RosterSynced, is told on standard error.
    """
    settings = Settings()
    topic = TopicReader(find_installation(settings).kafka, settings.topic_prefix, UPDATES)
    ends = topic.ends()
    subscription = Subscription(frozenset(districts or ()), {number: end for number, end in ends.items() if end})
    if until_synced and subscription.is_over():
        return
    quiet = 0
    for stored in topic.follow(None if from_start or until_synced else ends):
        for one in stored:
            subscription.take(one.message)
        sys.stdout.flush()
        if until_synced and subscription.is_over():
            return
        quiet = 0 if stored else quiet + 1
        if quiet == QUIET_SECONDS and until_synced:
            subscription.tell_missing()


class Subscription:
    """What has been followed so far. `ends` are the offsets, by partition, up to which there were messages at first."""

    def __init__(self, districts: Collection[str], ends: Mapping[int, int]) -> None:
        self._districts = districts
        self._ends = dict(ends)
        self._reader = RosterReader()

    def take(self, message: Message) -> None:
        """Write the message as a line, if it is of a followed district, and say when that district is in step."""
        if message.offset + 1 >= self._ends.get(message.partition, 0):
            self._ends.pop(message.partition, None)
        try:
            event = decode(UPDATES, message.headers, message.value)
        except UnreadableMessageError as error:
            progress.print(f"{UPDATES.name} {message.partition}-{message.offset} cannot be read: {error}")
            return
        if not isinstance(event, RosterUpdate | RosterSynced):
            return
        if self._districts and event.district not in self._districts:
            return
        sys.stdout.write(json.dumps(_line(message), ensure_ascii=False) + "\n")
        version = self._reader.take(event)
        if version is not None:
            progress.print(f"{event.district} is in step at roster version {version}")

    def is_over(self) -> bool:
        """Say whether all that was there at first is read and every followed district is in step."""
        return not self._ends and not self._behind()

    def tell_missing(self) -> None:
        """Say of each district that is not in step what is missing."""
        for district in self._behind():
            progress.print(f"{district} is not in step: {self._reader.missing(district)}. Waiting on.")

    def _behind(self) -> list[str]:
        followed = self._districts or self._reader.districts()
        return [district for district in followed if self._reader.in_step(district) is None]


def _line(message: Message) -> dict[str, Any]:
    attributes = {name[3:]: value.decode() for name, value in message.headers if name.startswith("ce_")}
    return {**attributes, "data": json.loads(message.value or b"null")}
