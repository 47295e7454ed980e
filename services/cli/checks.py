"""One check of an installation: what was looked at, whether it is as it should be, and what to do if not."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.cli.failures import failure_of


@dataclass(frozen=True, slots=True)
class Check:
    """The text says what was found, or what is wrong and what to do."""

    name: str
    ok: bool
    text: str


def attempted(name: str, checks: Callable[[], Iterable[Check]]) -> list[Check]:
    """Give the checks; where what they look at does not answer, one failed check that says so.

    Raises what is a mistake in Rollcall.
    """
    found: list[Check] = []
    try:
        found.extend(checks())
    except Exception as error:
        failure = failure_of(error)
        if failure is None:
            raise
        found.append(Check(name, ok=False, text=failure.text))
    return found
