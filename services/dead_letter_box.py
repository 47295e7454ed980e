"""The dead letters as they lie in `roster.dead-letters`: reading, replaying and dropping them.

A letter's id is its partition and offset, `3-17`. Kafka cannot delete a single record, so the table
`dead_letters_handled` says which ones have been dealt with.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

import psycopg

from schemas.cloudevents import header
from schemas.topics import DEAD_LETTERS, TOPICS, Topic
from services.database.queries import Queries
from services.messages import Message, Publisher
from services.topic_reader import TopicReader

QUERIES = Queries("services", "dead_letters_handled.sql")

Handled: TypeAlias = Literal["replayed", "dropped"]

_ID = re.compile(r"(\d+)-(\d+)")
_TOPICS = {topic.name: topic for topic in TOPICS}


class NoSuchLetterError(Exception):
    """There is no such dead letter, or it cannot be replayed; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter. Its headers say where it came from, why it could not be read, by whom and how often tried."""

    id: str
    message: Message
    stored_at: datetime
    handled: Handled | None

    def told(self, name: str) -> str | None:
        """Give one of the headers that a worker added, such as 'reason', or None where it is missing."""
        return header(self.message.headers, f"rollcall_{name}")

    def origin(self) -> Topic:
        """Give the topic it came from. Raises NoSuchLetterError where it is none of ours."""
        topic = _TOPICS.get(self.told("original_topic") or "")
        if topic is None or topic is DEAD_LETTERS:
            raise NoSuchLetterError(f"dead letter {self.id} does not say from which topic it came; drop it instead")
        return topic


class DeadLetterBox:
    """All dead letters of an installation; the connection is an operator's."""

    def __init__(self, topic: TopicReader, connection: psycopg.Connection[Any]) -> None:
        self._topic = topic
        self._connection = connection

    def letters(self, *, handled_too: bool) -> list[DeadLetter]:
        """Give the letters that wait for somebody, the oldest first; and those dealt with, where asked for."""
        handled = self._handled()
        found = [
            DeadLetter(id_, stored.message, stored.stored_at, handled.get(id_))
            for stored in self._topic.everything()
            if (id_ := _id_of(stored.message)) not in handled or handled_too
        ]
        return sorted(found, key=lambda letter: letter.stored_at)

    def letter(self, id_: str) -> DeadLetter:
        """Give one letter. Raises NoSuchLetterError."""
        match = _ID.fullmatch(id_)
        if match is not None and int(match[1]) < DEAD_LETTERS.partitions:
            for stored in self._topic.between(int(match[1]), int(match[2]), int(match[2])):
                return DeadLetter(id_, stored.message, stored.stored_at, self._handled().get(id_))
        raise NoSuchLetterError(f"there is no dead letter {id_}; `rollcall dead-letters list --all` shows them")

    def replay(self, letter: DeadLetter, publisher: Publisher) -> Topic:
        """Write the letter to its topic again as it came, with its headers, and give that topic.

        Should it fail again, it is a new letter with the same origin and one attempt more. Raises NoSuchLetterError,
        PublishError; then it still waits. Replaying twice does no harm: whoever reads knows what has taken effect.
        """
        topic, message = letter.origin(), letter.message
        publisher.publish_raw(topic, list(message.headers), message.key, message.value)
        publisher.flush()
        self._mark(letter, "replayed")
        return topic

    def drop(self, letter: DeadLetter) -> None:
        """Say that nothing more is to be done about the letter; it stays on the topic until its time is over."""
        self._mark(letter, "dropped")

    def _mark(self, letter: DeadLetter, handled: Handled) -> None:
        place = {"partition": letter.message.partition, "offset": letter.message.offset}
        self._connection.execute(QUERIES["handled"], {**place, "handled": handled})

    def _handled(self) -> dict[str, Handled]:
        rows = self._connection.execute(QUERIES["all"])
        return {f"{partition}-{offset}": handled for partition, offset, handled, _ in rows}


def _id_of(message: Message) -> str:
    return f"{message.partition}-{message.offset}"
