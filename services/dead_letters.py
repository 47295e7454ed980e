"""Dead letters: what could not be read goes to `roster.dead-letters` byte for byte, with where it was and why.

Headers are `rollcall_*` in text, beside the message's own. A letter that was replayed and failed again keeps the
first origin, as Spring's recoverer does; its attempt goes up by one.
"""

from schemas.cloudevents import Headers, header
from schemas.topics import DEAD_LETTERS
from services.messages import Message, Publisher

_ADDED = ("rollcall_original_topic", "rollcall_original_partition", "rollcall_original_offset")
_RENEWED = ("rollcall_reason", "rollcall_worker", "rollcall_attempt")


def dead_letter_headers(message: Message, worker: str, reason: str) -> Headers:
    """Give the headers of a dead letter: the message's own, the first origin, the reason, worker and attempt.

    `reason` must name ids and fields only, never what was in them.
    """
    own: Headers = [
        (key, value or b"")  # Kafka knows headers without a value, kafka-python does not send them
        for key, value in message.headers
        if key not in _ADDED and key not in _RENEWED
    ]
    origin = {
        "rollcall_original_topic": message.topic.name,
        "rollcall_original_partition": str(message.partition),
        "rollcall_original_offset": str(message.offset),
    }
    told = header(message.headers, "rollcall_attempt") or ""
    attempt = int(told) + 1 if told.isascii() and told.isdecimal() else 1
    renewed = {"rollcall_reason": reason, "rollcall_worker": worker, "rollcall_attempt": str(attempt)}
    first = {key: header(message.headers, key) or value for key, value in origin.items()}
    return [*own, *((key, value.encode()) for key, value in {**first, **renewed}.items())]


class DeadLetters:
    """Where a worker puts what it cannot read. A letter is durable before the offset of its message is committed."""

    def __init__(self, publisher: Publisher, worker: str) -> None:
        self._publisher = publisher
        self._worker = worker

    def put(self, message: Message, reason: str) -> None:
        """Write the message to the dead letters and wait until it is durable.

        Raises PublishError where it cannot be: the line then stops, uncommitted, and nothing is lost.
        """
        self._publisher.publish_raw(
            DEAD_LETTERS, dead_letter_headers(message, self._worker, reason), message.key, message.value
        )
        self._publisher.flush()
