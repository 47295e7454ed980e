"""Where the parts of a bar of activation go: counts in, coordinates out; the templates draw them as SVG (pure)."""

from dataclasses import dataclass

from services.guard.desk.activation_progress import STATES, State, Tally


@dataclass(frozen=True, slots=True)
class Part:
    """One state's part of a bar, in percent of the bar's width."""

    state: State
    x: float
    width: float


def stacked_bar(tally: Tally, whole: int | None = None) -> list[Part]:
    """Give the parts of a bar, one after another; `whole` people are its full width, all of its own if absent."""
    of = whole or tally.people
    parts: list[Part] = []
    before = 0
    for state in STATES:
        if people := tally.states[state]:
            parts.append(Part(state, round(before * 100 / of, 3), round(people * 100 / of, 3)))
            before += people
    return parts


def share(tally: Tally) -> str:
    """Give the activated share in whole percent, rounded down so that only all of them are 100%."""
    return f"{tally.activated * 100 // tally.people}%" if tally.people else "none"
