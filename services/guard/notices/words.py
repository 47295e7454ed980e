"""What each kind of notice says, in plain words (pure). Nothing here comes from a roster."""

from dataclasses import dataclass

from schemas.events import Notice


@dataclass(frozen=True, slots=True)
class Words:
    """`heading` goes behind the district's name, in a subject and above a text; `next_step` says what to do."""

    heading: str
    next_step: str


_WORDS: dict[str, Words] = {
    "held": Words(
        "roster change held for review",
        "Nothing of it is applied, and nobody's classes have changed, until a reviewer approves exactly this change. "
        "If the change is not what the district meant, correct it in the rostering system: a newer night takes its "
        "place by itself.",
    ),
    "pause-ahead": Words(
        "roster updates will pause",
        "There is nothing to do. What changes in the rostering system during the pause shows up after it.",
    ),
    "pause-begun": Words(
        "roster updates are paused",
        "There is nothing to do. Classes stay as they are; what changes in the rostering system shows up after the "
        "pause.",
    ),
    "pause-over": Words(
        "roster updates go on",
        "There is nothing to do. The newest roster goes through by itself, unless it changes so much that somebody "
        "must look at it first; then we write again.",
    ),
    "disconnected": Words(
        "connection to the roster lost",
        "Classes stay as they were until the connection is back. Please see in the provider's administration whether "
        "our application still has access to the district and its key is current; the next night tries again by "
        "itself.",
    ),
    "conflicts": Words(
        "people whose accounts need a decision",
        "Nobody's account was changed. Each of them needs a person to say which account is whose; the operators see "
        "them one by one.",
    ),
}


def words_of(notice: Notice) -> Words:
    """Give what is said about such a notice."""
    return _WORDS[notice.code]
